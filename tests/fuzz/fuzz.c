// SPDX-License-Identifier: Apache-2.0
#include "fuzz/fuzz.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/wire.h"

/* ---- Seeds ---- */

struct fuzz_corpus {
	const char *folder;
	unsigned count;
};

void fuzz_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, what);
	abort();
}

void fuzz_seed(struct fuzz_corpus *to, const void *p, size_t n)
{
	char *path = mem_printf("%s/seed-%02u", to->folder, to->count++);
	FILE *f = fopen(path, "wb");

	if (f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
	free(path);
}

void fuzz_seed_text(struct fuzz_corpus *to, const char *text)
{
	fuzz_seed(to, text, strlen(text));
}

void fuzz_seed_choice(struct fuzz_corpus *to, uint8_t choice, const void *p, size_t n)
{
	struct buf b = BUF_INIT;

	buf_add(&b, &choice, 1);
	buf_add(&b, p, n);
	fuzz_seed(to, b.data, b.len);
	buf_fini(&b);
}

/* libFuzzer calls this before it looks at its arguments. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (*argc != 3 || strcmp((*argv)[1], "--seeds") != 0)
		return 0;
	struct fuzz_corpus to = {.folder = (*argv)[2]};
	fuzz_seeds(&to);
	exit(0);
}

/* ---- Inputs ---- */

const char *fuzz_file(const void *p, size_t n, char path[64])
{
	static int fd = -1; /* making one anew for each input would cost more than the input */

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	fuzz_check(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, p, n, 0) == (ssize_t)n);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return path;
}

uint8_t fuzz_byte(struct fuzz_input *in)
{
	return (uint8_t)fuzz_number(in, 1);
}

uint32_t fuzz_number(struct fuzz_input *in, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < bytes && in->left > 0; i++, in->left--)
		v |= (uint32_t)*in->at++ << 8 * i;
	return v;
}

const uint8_t *fuzz_take(struct fuzz_input *in, size_t n, size_t *got)
{
	const uint8_t *p = in->at;

	*got = n < in->left ? n : in->left;
	if (*got > 0)
		in->at += *got;
	in->left -= *got;
	return p;
}

/* ---- A stream ---- */

struct peer {
	struct stream stream;
	struct fuzz_input says;
	size_t piece;
	struct buf *heard;
	size_t held; /* bytes at the end that wait for an answer */
	bool holds, answered, aborted;
	pthread_mutex_t lock; /* of these three */
	pthread_cond_t changed;
};

static void raise_flag(struct peer *p, bool *flag)
{
	pthread_mutex_lock(&p->lock);
	*flag = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* How many bytes the peer may say now; -1: it was aborted. */
static ssize_t may_say(struct peer *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->holds && p->says.left <= p->held && !p->answered && !p->aborted)
		pthread_cond_wait(&p->changed, &p->lock);
	bool all = !p->holds || p->answered, aborted = p->aborted;
	pthread_mutex_unlock(&p->lock);
	return aborted ? -1 : (ssize_t)(p->says.left - (all ? 0 : p->held));
}

static ssize_t peer_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct peer *peer = (struct peer *)s;
	ssize_t most = may_say(peer);
	size_t got;

	if (most < 0)
		return err_set(e, ERR_CANCELED, 0, "the stream was aborted");
	n = n < peer->piece ? n : peer->piece;
	const uint8_t *from = fuzz_take(&peer->says, n < (size_t)most ? n : (size_t)most, &got);
	if (got > 0)
		memcpy(p, from, got);
	return (ssize_t)got;
}

static int peer_write(struct stream *s, const void *p, size_t n, struct err *e)
{
	struct peer *peer = (struct peer *)s;

	const uint8_t *type = p; /* of a frame, if these are frames */

	(void)e;
	if (peer->heard != NULL)
		buf_add(peer->heard, p, n);
	if (n > 0 && (*type == WIRE_END_OK || *type == WIRE_ERROR))
		raise_flag(peer, &peer->answered);
	return 0;
}

static int peer_flush(struct stream *s, struct err *e)
{
	(void)s;
	(void)e;
	return 0;
}

static void peer_abort(struct stream *s)
{
	struct peer *peer = (struct peer *)s;

	raise_flag(peer, &peer->aborted);
}

static void peer_set_timeout(struct stream *s, int64_t ns)
{
	(void)s;
	(void)ns;
}

static void peer_close(struct stream *s)
{
	struct peer *peer = (struct peer *)s;

	pthread_cond_destroy(&peer->changed);
	pthread_mutex_destroy(&peer->lock);
	free(peer);
}

static const struct stream_ops peer_ops = {
	.read = peer_read,
	.write = peer_write,
	.flush = peer_flush,
	.abort = peer_abort,
	.set_timeout = peer_set_timeout,
	.close = peer_close,
};

struct stream *fuzz_stream(const void *p, size_t n, size_t piece, struct buf *heard)
{
	struct peer *peer = mem_alloc(sizeof *peer);

	peer->stream.ops = &peer_ops;
	peer->says = (struct fuzz_input){.at = p, .left = n};
	peer->piece = piece > 0 ? piece : 1;
	peer->heard = heard;
	pthread_mutex_init(&peer->lock, NULL);
	pthread_cond_init(&peer->changed, NULL);
	return &peer->stream;
}

void fuzz_stream_hold(struct stream *s, size_t n)
{
	struct peer *peer = (struct peer *)s;

	peer->holds = true;
	peer->held = n < peer->says.left ? n : peer->says.left;
}
