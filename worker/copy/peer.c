// SPDX-License-Identifier: Apache-2.0
#include "copy/peer.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "copy/pipeline.h"

/* So much must come within the silence limit: less is as good as nothing. */
#define PIECE_BYTES (64u << 10)
/* How long a failed write waits for the reason, which may be on its way as an ERROR frame. */
#define REASON_NS NS_PER_S

int peer_refuse(struct stream *s, const struct err *why)
{
	struct err ignored = ERR_INIT;

	if (wire_send_error(s, why, &ignored) == 0)
		stream_flush(s, &ignored);
	return -1;
}

void peer_init(struct peer *p, const struct copy_config *c, struct stream *s)
{
	pthread_condattr_t attr;

	memset(p, 0, sizeof *p);
	p->c = c;
	p->stream = s;
	p->silence_ns = c->silence_ns > 0 ? c->silence_ns : WIRE_SILENCE_NS;
	stream_set_timeout(s, 0); /* peer_tick watches instead: it sees slow drips, too */
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void peer_fini(struct peer *p)
{
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
}

static void raise_flag(struct peer *p, bool *flag)
{
	pthread_mutex_lock(&p->lock);
	*flag = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static bool read_flag(struct peer *p, const bool *flag)
{
	pthread_mutex_lock(&p->lock);
	bool value = *flag;
	pthread_mutex_unlock(&p->lock);
	return value;
}

/* Wait until *flag or stopped, at most ns. Returns *flag. */
static bool wait_flag(struct peer *p, const bool *flag, int64_t ns)
{
	int64_t at = clock_mono_ns() + ns;
	struct timespec until = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)};

	pthread_mutex_lock(&p->lock);
	while (!*flag && !p->stopped)
		if (pthread_cond_timedwait(&p->changed, &p->lock, &until) != 0)
			break;
	bool value = *flag;
	pthread_mutex_unlock(&p->lock);
	return value;
}

/* ---- Frames ---- */

static void watch(struct peer *p)
{
	atomic_store(&p->deadline_ns, clock_mono_ns() + p->silence_ns);
}

int peer_recv(struct peer *p, struct wire_frame *f, struct err *e)
{
	do {
		watch(p);
		int rc = wire_recv(p->stream, f, e);
		atomic_store(&p->deadline_ns, 0);
		if (rc != 0)
			return -1;
	} while (f->type == WIRE_PING);
	if (f->type != WIRE_ERROR)
		return 0;
	watch(p);
	wire_recv_error(p->stream, f, e);
	atomic_store(&p->deadline_ns, 0);
	raise_flag(p, &p->remote);
	return -1;
}

int peer_read(struct peer *p, void *to, size_t n, struct err *e)
{
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < n; at += PIECE_BYTES) {
		watch(p);
		rc = stream_read_full(p->stream, (uint8_t *)to + at, n - at < PIECE_BYTES ? n - at : PIECE_BYTES, e);
	}
	atomic_store(&p->deadline_ns, 0);
	return rc;
}

int peer_send(struct peer *p, const struct wire_frame *f, const void *a, size_t a_len, const void *b, size_t b_len,
	      struct err *e)
{
	uint8_t head[WIRE_HEADER_SIZE + WIRE_HELLO_SIZE];

	wire_frame_encode(f, head);
	if (a_len > 0)
		memcpy(head + WIRE_HEADER_SIZE, a, a_len);
	if (stream_write(p->stream, head, WIRE_HEADER_SIZE + a_len, e) == 0 &&
	    (b_len == 0 || stream_write(p->stream, b, b_len, e) == 0))
		return 0;
	/* Broken: most often because the peer had something to say first, which the reading thread hears. */
	if (read_flag(p, &p->ready))
		wait_flag(p, &p->gone, REASON_NS);
	return -1;
}

int peer_send_plain(struct peer *p, enum wire_type type, uint64_t id, struct err *e)
{
	struct wire_frame f = {.type = (uint8_t)type, .id = id};

	if (peer_send(p, &f, NULL, 0, NULL, 0, e) != 0)
		return -1;
	return stream_flush(p->stream, e);
}

/* ---- Greeting ---- */

static int unexpected(const struct wire_frame *f, const char *wanted, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, 0, "the peer sent a frame of type %u where %s was expected", f->type, wanted);
}

static int greet(struct peer *p, struct err *e)
{
	uint8_t mine[WIRE_HELLO_SIZE], theirs[WIRE_HELLO_SIZE];
	struct wire_frame f = {.type = WIRE_HELLO, .payload = WIRE_HELLO_SIZE};
	struct wire_hello hello;
	uint16_t version;

	wire_hello_encode(&p->c->hello, mine);
	if (peer_send(p, &f, mine, sizeof mine, NULL, 0, e) != 0 || stream_flush(p->stream, e) != 0 ||
	    peer_recv(p, &f, e) != 0)
		return -1;
	if (f.type != WIRE_HELLO || f.payload != sizeof theirs)
		return unexpected(&f, "HELLO", e);
	if (peer_read(p, theirs, sizeof theirs, e) != 0 ||
	    wire_hello_decode(theirs, sizeof theirs, &hello, e) != 0)
		return -1;
	return wire_hello_match(&p->c->hello, &hello, &version, e);
}

static int greet_as_source(struct peer *p, struct err *e)
{
	struct wire_frame f;

	if (greet(p, e) != 0)
		return -1;
	for (unsigned i = 0; i < p->c->disk_count; i++) {
		const struct copy_disk *d = &p->c->disks[i];
		struct wire_disk disk = {
			.size = d->size,
			.chunk_size = p->c->chunk_size,
			.sector_size = d->block->info.logical_sector,
		};
		uint8_t payload[WIRE_DISK_SIZE];

		f = (struct wire_frame){.type = WIRE_DISK, .disk = (uint16_t)i, .payload = WIRE_DISK_SIZE};
		wire_disk_encode(&disk, payload);
		if (peer_send(p, &f, payload, sizeof payload, NULL, 0, e) != 0)
			return -1;
	}
	if (stream_flush(p->stream, e) != 0 || peer_recv(p, &f, e) != 0)
		return -1;
	return f.type == WIRE_READY ? 0 : unexpected(&f, "READY", e);
}

static int check_disk(const struct copy_config *c, unsigned i, const struct wire_disk *theirs, struct err *e)
{
	const struct block_info *info = &c->disks[i].block->info;

	if (theirs->size != c->disks[i].size)
		return err_set(e, ERR_REFUSED, 0,
			       "the source's disk %u has %" PRIu64 " bytes, but %" PRIu64 " were announced for %s; nothing was "
			       "written", i, theirs->size, c->disks[i].size, info->name);
	if (theirs->chunk_size != c->chunk_size)
		return err_set(e, ERR_REFUSED, 0,
			       "the source cuts disk %u into chunks of %u bytes, but %u was agreed; nothing was written", i,
			       theirs->chunk_size, c->chunk_size);
	if (theirs->sector_size != info->logical_sector && !info->is_file)
		return err_set(e, ERR_REFUSED, 0,
			       "the source's disk %u has sectors of %u bytes and %s of %u, so a copy would not boot; choose a "
			       "target with the same sector size", i, theirs->sector_size, info->name,
			       info->logical_sector);
	return 0;
}

static int recv_disk(struct peer *p, uint64_t *seen, struct err *e)
{
	uint8_t payload[WIRE_DISK_SIZE];
	struct wire_frame f;
	struct wire_disk disk;

	if (peer_recv(p, &f, e) != 0)
		return -1;
	if (f.type != WIRE_DISK || f.payload != sizeof payload)
		return unexpected(&f, "DISK", e);
	if (f.disk >= p->c->disk_count || (*seen & (UINT64_C(1) << f.disk)) != 0)
		return err_set(e, ERR_PROTOCOL, 0, "the peer announced disk %u, which is unknown or was announced before",
			       f.disk);
	*seen |= UINT64_C(1) << f.disk;
	if (peer_read(p, payload, sizeof payload, e) != 0 || wire_disk_decode(payload, sizeof payload, &disk, e) != 0)
		return -1;
	return check_disk(p->c, f.disk, &disk, e);
}

static int greet_as_target(struct peer *p, struct err *e)
{
	uint64_t seen = 0; /* WIRE_MAX_DISKS bits */

	if (greet(p, e) != 0)
		return -1;
	for (unsigned i = 0; i < p->c->disk_count; i++)
		if (recv_disk(p, &seen, e) != 0)
			return -1;
	return peer_send_plain(p, WIRE_READY, 0, e);
}

/* The peer refused and left while we still wrote: its reason may be there to read. */
static void hear_reason(struct peer *p, struct err *e)
{
	struct wire_frame f;
	struct err why = ERR_INIT;

	while (peer_recv(p, &f, &why) == 0 && f.payload == 0)
		;
	if (read_flag(p, &p->remote))
		*e = why;
}

/* Nobody else writes yet, so a refusal is told from here. */
static int greeted(struct peer *p, int rc, struct err *e)
{
	if (rc != 0 && e->kind == ERR_NETWORK && !read_flag(p, &p->remote))
		hear_reason(p, e);
	if (rc == 0)
		raise_flag(p, &p->ready);
	else if (!read_flag(p, &p->remote))
		peer_refuse(p->stream, e);
	return rc;
}

int peer_greet_as_source(struct peer *p, struct err *e)
{
	return greeted(p, greet_as_source(p, e), e);
}

int peer_greet_as_target(struct peer *p, struct err *e)
{
	return greeted(p, greet_as_target(p, e), e);
}

int peer_wait_ready(struct peer *p, struct err *e)
{
	while (!wait_flag(p, &p->ready, WIRE_PING_NS))
		if (read_flag(p, &p->stopped))
			return pipeline_set_stopped(e);
	return 0;
}

/* ---- The end ---- */

int peer_wait_ended(struct peer *p, struct err *e)
{
	raise_flag(p, &p->sent_end);
	if (peer_send_plain(p, WIRE_END, 0, e) != 0)
		return -1;
	while (!wait_flag(p, &p->ended, WIRE_PING_NS)) {
		if (read_flag(p, &p->stopped))
			return pipeline_set_stopped(e);
		if (peer_send_plain(p, WIRE_PING, 0, e) != 0)
			return -1;
	}
	return 0;
}

void peer_set_ended(struct peer *p)
{
	raise_flag(p, &p->ended);
}

bool peer_has_sent_end(struct peer *p)
{
	return read_flag(p, &p->sent_end);
}

void peer_reader_failed(struct peer *p)
{
	uint8_t sink[4096];
	struct err ignored = ERR_INIT;

	raise_flag(p, &p->gone);
	if (read_flag(p, &p->remote) || atomic_load(&p->dead))
		return;
	/* Ends when the peer hangs up, or with peer_tick's abort. */
	while (stream_read(p->stream, sink, sizeof sink, &ignored) > 0)
		continue;
}

void peer_abandon(struct peer *p, const struct err *why)
{
	if (read_flag(p, &p->remote))
		stream_abort(p->stream);
	else if (read_flag(p, &p->ready) && !atomic_load(&p->dead))
		peer_refuse(p->stream, why);
}

void peer_stop(void *peer)
{
	struct peer *p = peer;

	raise_flag(p, &p->stopped);
}

int peer_tick(void *peer, bool stopped, struct err *e)
{
	struct peer *p = peer;
	int64_t now = clock_mono_ns(), deadline = atomic_load(&p->deadline_ns);

	if (stopped) {
		if (p->stopped_ns == 0)
			p->stopped_ns = now;
		/* Stopped in the middle of the greeting, there is nobody who could tell the peer. */
		bool mute = !read_flag(p, &p->ready) && !read_flag(p, &p->gone);
		if (mute || atomic_load(&p->dead) || now - p->stopped_ns > PEER_GRACE_NS)
			stream_abort(p->stream);
		return 0;
	}
	if (deadline == 0 || now <= deadline)
		return 0;
	/* Aborted with the next tick, so that the first error is this one and not the abort's. */
	atomic_store(&p->dead, true);
	return err_set(e, ERR_TIMEOUT, 0,
		       "nothing (or far too little) came from the peer for %" PRId64 " s, so it counts as dead; look whether "
		       "the other worker runs and the network between them works", p->silence_ns / NS_PER_S);
}
