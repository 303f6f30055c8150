// SPDX-License-Identifier: Apache-2.0
#include "copy/sink_blob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/xml.h"
#include "copy/blob_calls.h"
#include "copy/vhd.h"
#include "net/digest.h"

#define SLICE_NS  (100 * NS_PER_MS)
#define WINDOW    (UINT64_C(256) << 20) /* one look for data; the most that is cleared at once, too (lane.c) */
#define SMALL_GAP (UINT64_C(1) << 20)   /* between data: reading it costs no more than asking again */

struct sink_blob {
	struct blob_shared shared;
	struct limiter *limiter;
};

/* A block on it, for one thread. */
struct sink {
	struct block base;
	struct sink_blob *blob;
	struct blob_calls calls; /* one more than requests, for those that the block itself makes */
};

static struct sink *sink_of(struct block *b)
{
	return (struct sink *)b;
}

struct sink_blob *sink_blob_new(const struct sink_blob_spec *spec)
{
	struct sink_blob *b = mem_alloc(sizeof *b);

	b->limiter = spec->limiter;
	b->shared.url = mem_strdup(spec->url);
	b->shared.lease = mem_strdup(spec->lease);
	b->shared.ca = mem_strdup(spec->ca);
	b->shared.token = mem_strdup(spec->token);
	b->shared.patience_ns = spec->patience_ns;
	pthread_mutex_init(&b->shared.lock, NULL);
	return b;
}

static void free_token(char *token)
{
	mem_wipe(token, strlen(token));
	free(token);
}

void sink_blob_free(struct sink_blob *b)
{
	if (b == NULL)
		return;
	free(b->shared.url);
	free(b->shared.lease);
	free(b->shared.ca);
	free_token(b->shared.token);
	pthread_mutex_destroy(&b->shared.lock);
	free(b);
}

void sink_blob_set_token(struct sink_blob *b, const char *token)
{
	char *mine = mem_strdup(token);

	pthread_mutex_lock(&b->shared.lock);
	char *old = b->shared.token;
	b->shared.token = mine;
	b->shared.tokens++;
	pthread_mutex_unlock(&b->shared.lock);
	free_token(old);
}

void sink_blob_cancel(struct sink_blob *b)
{
	atomic_store(&b->shared.canceled, true);
}

/* ---- The operations of a block ---- */

/* Nothing stands still meanwhile. */
static void hold_back(struct sink *s, uint64_t bytes)
{
	struct limiter *l = s->blob->limiter;

	for (uint64_t n; l != NULL && bytes > 0; bytes -= n) {
		n = bytes < LIMITER_SLICE ? bytes : LIMITER_SLICE;
		limiter_send(l, (size_t)n);
		blob_calls_push(&s->calls);
	}
}

static int submit(struct block *b, struct block_request *r, struct err *e)
{
	struct sink *s = sink_of(b);

	if (r->length > BLOB_MAX_PUT)
		return err_set(e, ERR_INTERNAL, 0, "%u bytes are more than one request to %s may move; please report it",
			       r->length, b->info.name);
	if (r->op == BLOCK_WRITE)
		hold_back(s, r->length);
	enum blob_op op = r->op == BLOCK_WRITE ? BLOB_PUT : BLOB_READ;
	struct blob_call *c = blob_calls_begin(&s->calls, op, r->offset, r->length, r->data);
	c->user = r;
	c->parts = r->parts;
	c->part_count = r->part_count;
	blob_calls_push(&s->calls);
	return 0;
}

static struct block_request *take_done(struct blob_calls *calls, bool *any)
{
	*any = false;
	for (unsigned i = 0; i < calls->count; i++) {
		struct blob_call *c = &calls->call[i];

		*any |= c->state != CALL_FREE;
		if (c->state != CALL_DONE)
			continue;
		struct block_request *r = c->user;
		c->state = CALL_FREE;
		r->error = c->failed ? EIO : 0;
		return r;
	}
	return NULL;
}

static struct block_request *wait_one(struct block *b, int64_t timeout_ns, struct err *e)
{
	struct sink *s = sink_of(b);
	int64_t until = clock_mono_ns() + (timeout_ns < 0 ? 0 : timeout_ns);
	bool any;

	(void)e;
	for (;;) {
		struct block_request *r = take_done(&s->calls, &any);
		int64_t left = timeout_ns < 0 ? SLICE_NS : until - clock_mono_ns();

		if (r != NULL || !any)
			return r;
		blob_calls_drive(&s->calls, NULL, left > 0 ? left : 0);
		if (left <= 0)
			return take_done(&s->calls, &any);
	}
}

static int zero(struct block *b, uint64_t offset, uint64_t length, struct err *e)
{
	return blob_calls_run(&sink_of(b)->calls, BLOB_CLEAR, offset, length, NULL, e) != NULL ? 0 : -1;
}

static int flush(struct block *b, struct err *e)
{
	(void)b;
	(void)e;
	return 0;
}

/* The first data of [from, to), with what follows behind small gaps: `to` twice when there is none. An answer that makes
 * no sense says nothing: it may be data. What is behind the last range of a list that was cut off is not known either. */
static void read_ranges(const struct blob_call *c, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end)
{
	struct xml_text list = {.at = buf_str(&c->text), .len = c->text.len}, range, text;
	bool any = strstr(buf_str(&c->text), "<PageList") == NULL;
	uint64_t first, last;

	*start = any ? from : to;
	*end = to;
	while (xml_next(&list, "PageRange", &range)) {
		bool good = xml_find(&range, "Start", &text) && xml_number(&text, &first) && xml_find(&range, "End", &text) &&
			    xml_number(&text, &last) && first <= last && last < UINT64_MAX;

		if (!good && !any)
			*start = from;
		if (!good || last < from || first >= to || (any && first > *end + SMALL_GAP))
			break;
		if (!any)
			*start = first > from ? first : from;
		*end = last + 1 < to ? last + 1 : to;
		any = true;
	}
}

static int next_data(struct block *b, uint64_t from, uint64_t *start, uint64_t *end, struct err *e)
{
	uint64_t size = b->info.size, to = size - from > WINDOW ? from + WINDOW : size;
	const struct blob_call *c = blob_calls_run(&sink_of(b)->calls, BLOB_RANGES, from, to - from, NULL, e);

	if (c == NULL)
		return -1;
	read_ranges(c, from, to, start, end);
	return 0;
}

static int explain(const struct block *b, const struct block_request *r, struct err *e)
{
	(void)r;
	*e = ((const struct sink *)b)->calls.why;
	return -1;
}

static void cancel(struct block *b)
{
	sink_blob_cancel(sink_of(b)->blob);
}

static void close_sink(struct block *b)
{
	blob_calls_fini(&sink_of(b)->calls);
	free(b);
}

static struct block *open_reader(struct block *b, unsigned depth, struct err *e);
static int read_aside(struct block *b, uint64_t offset, void *data, uint32_t length, struct err *e);

static const struct block_ops ops = {
	.submit = submit,
	.wait = wait_one,
	.read_aside = read_aside,
	.zero = zero,
	.flush = flush,
	.next_data = next_data,
	.reader = open_reader,
	.cancel = cancel,
	.explain = explain,
	.close = close_sink,
};

static struct sink *sink_new(struct sink_blob *b, unsigned depth, struct err *e)
{
	struct sink *s = mem_alloc(sizeof *s);

	s->base.ops = &ops;
	s->base.depth = depth == 0 ? 1 : depth < BLOB_CALLS_MAX ? depth : BLOB_CALLS_MAX - 1;
	s->blob = b;
	if (blob_calls_init(&s->calls, &b->shared, s->base.depth + 1, e) == 0)
		return s;
	close_sink(&s->base);
	return NULL;
}

static struct block *open_reader(struct block *b, unsigned depth, struct err *e)
{
	struct sink *s = sink_new(sink_of(b)->blob, depth < b->depth ? depth : b->depth, e);

	return s != NULL ? &s->base : NULL;
}

static int read_aside(struct block *b, uint64_t offset, void *data, uint32_t length, struct err *e)
{
	struct block *r = block_reader(b, 1, e);

	if (r == NULL)
		return -1;
	int rc = block_io(r, BLOCK_READ, offset, data, length, e);
	block_close(r);
	return rc;
}

/* ---- The VHD ---- */

/* RFC 4122 4.3: a name-based UUID, of the blob's address. */
static void name_uuid(const char *url, uint8_t id[16])
{
	digest_md5(url, strlen(url), id);
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x30);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

static int look(struct sink *s, struct err *e)
{
	struct block_info *i = &s->base.info;
	const struct blob_call *c = blob_calls_run(&s->calls, BLOB_LOOK, 0, 0, NULL, e);

	if (c == NULL)
		return -1;
	if (!c->is_page_blob)
		return err_set(e, ERR_REFUSED, 0, "%s is no page blob; a disk is one: remove it, or choose another name", i->name);
	if (c->size <= VHD_FOOTER || (c->size - VHD_FOOTER) % VHD_ALIGN != 0)
		return err_set(e, ERR_REFUSED, 0, "%s has %llu bytes; a disk as a fixed VHD has whole MiB and a footer of %d bytes: "
			       "remove it, or choose another name", i->name, (unsigned long long)c->size, VHD_FOOTER);
	i->size = c->size - VHD_FOOTER;
	return 0;
}

/* A blob that was just made or has grown has none, or an older one in its middle, where the copy will overwrite it. */
static int mend_footer(struct sink *s, struct err *e)
{
	uint8_t id[16], right[VHD_FOOTER], there[VHD_FOOTER];
	uint64_t at = s->base.info.size;

	name_uuid(s->blob->shared.url, id);
	vhd_footer(at, id, right);
	if (blob_calls_run(&s->calls, BLOB_READ, at, sizeof there, there, e) == NULL)
		return -1;
	if (memcmp(there, right, sizeof right) == 0)
		return 0;
	return blob_calls_run(&s->calls, BLOB_PUT, at, sizeof right, right, e) != NULL ? 0 : -1;
}

struct block *sink_blob_open(struct sink_blob *b, enum block_mode mode, unsigned depth, struct err *e)
{
	struct sink *s = sink_new(b, depth, e);

	if (s == NULL)
		return NULL;
	s->base.info = (struct block_info){.logical_sector = 512, .physical_sector = 4096, .read_only = mode == BLOCK_RO,
					   .remote = true, .gathers = BLOB_MAX_PUT};
	snprintf(s->base.info.name, sizeof s->base.info.name, "%.200s", b->shared.url);
	if (look(s, e) == 0 && (mode == BLOCK_RO || mend_footer(s, e) == 0))
		return &s->base;
	block_close(&s->base);
	return NULL;
}
