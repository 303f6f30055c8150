// SPDX-License-Identifier: Apache-2.0
#include "copy/sink_blob.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/xml.h"
#include "copy/blob_call.h"
#include "copy/vhd.h"
#include "net/digest.h"

#define MAX_DEPTH 16
#define SLICE_NS  (100 * NS_PER_MS)        /* how soon a cancel is noticed */
#define WINDOW    (UINT64_C(256) << 20)    /* one look for data; the most that is cleared at once, too (lane.c) */
#define SMALL_GAP (UINT64_C(1) << 20)      /* between data: reading it costs no more than asking again */

struct sink_blob {
	struct sink_blob_spec spec;
	atomic_bool canceled;
	pthread_mutex_t lock; /* below */
	char *token;
	unsigned tokens;      /* so many until now */
};

/* A block on it, for one thread. */
struct sink {
	struct block base;
	struct sink_blob *blob;
	CURLM *multi;
	struct blob_call call[MAX_DEPTH + 1]; /* one more than requests, for those that the block itself makes */
	unsigned calls;
	int64_t good_ns;   /* when anything last succeeded, or began after nothing was under way */
	int64_t resume_ns; /* nothing is asked before: the service wants a rest */
	struct err why;    /* of the first that failed */
};

static struct sink *sink_of(struct block *b)
{
	return (struct sink *)b;
}

struct sink_blob *sink_blob_new(const struct sink_blob_spec *spec)
{
	struct sink_blob *b = mem_alloc(sizeof *b);

	b->spec = *spec;
	b->spec.url = mem_strdup(spec->url);
	b->spec.lease = mem_strdup(spec->lease);
	b->spec.ca = mem_strdup(spec->ca);
	b->spec.token = NULL;
	b->token = mem_strdup(spec->token);
	pthread_mutex_init(&b->lock, NULL);
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
	free((char *)b->spec.url);
	free((char *)b->spec.lease);
	free((char *)b->spec.ca);
	free_token(b->token);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void sink_blob_set_token(struct sink_blob *b, const char *token)
{
	char *mine = mem_strdup(token);

	pthread_mutex_lock(&b->lock);
	char *old = b->token;
	b->token = mine;
	b->tokens++;
	pthread_mutex_unlock(&b->lock);
	free_token(old);
}

void sink_blob_cancel(struct sink_blob *b)
{
	atomic_store(&b->canceled, true);
}

static unsigned tokens(struct sink_blob *b)
{
	pthread_mutex_lock(&b->lock);
	unsigned n = b->tokens;
	pthread_mutex_unlock(&b->lock);
	return n;
}

/* ---- Calls, from their beginning to their end ---- */

static void prepare(struct sink *s, struct blob_call *c)
{
	struct sink_blob *b = s->blob;
	struct blob_address at = {.url = b->spec.url, .lease = b->spec.lease, .ca = b->spec.ca};

	pthread_mutex_lock(&b->lock);
	at.token = b->token;
	c->token = b->tokens;
	blob_call_prepare(c, &at);
	pthread_mutex_unlock(&b->lock);
}

static void start(struct sink *s, struct blob_call *c)
{
	prepare(s, c);
	c->state = CALL_RUNNING;
	curl_multi_add_handle(s->multi, c->curl);
}

static bool any_busy(const struct sink *s)
{
	for (unsigned i = 0; i < s->calls; i++)
		if (s->call[i].state == CALL_RUNNING || s->call[i].state == CALL_WAITING)
			return true;
	return false;
}

static struct blob_call *begin(struct sink *s, enum blob_op op, uint64_t offset, uint64_t length, void *data)
{
	struct blob_call *c = s->call;

	if (!any_busy(s))
		s->good_ns = clock_mono_ns();
	while (c->state != CALL_FREE)
		c++;
	c->op = op;
	c->offset = offset;
	c->length = length;
	c->data = data;
	c->user = NULL;
	c->tries = 0;
	c->again_ns = 0;
	c->state = CALL_WAITING;
	return c;
}

static void end(struct sink *s, struct blob_call *c, bool failed)
{
	struct block_request *r = c->user;

	c->state = CALL_DONE;
	c->failed = failed;
	if (!failed)
		s->good_ns = clock_mono_ns();
	else if (s->why.kind == ERR_NONE)
		blob_call_error(c, s->blob->spec.url, &s->why);
	if (r != NULL)
		r->error = failed ? EIO : 0;
}

static void settle(struct sink *s, struct blob_call *c, CURLcode code)
{
	int64_t now = clock_mono_ns();

	curl_multi_remove_handle(s->multi, c->curl);
	blob_call_finish(c, code);
	enum blob_verdict verdict = blob_judge(c, tokens(s->blob) != c->token);
	c->tries++;
	if (verdict == BLOB_DONE || verdict == BLOB_FAILED || now - s->good_ns > s->blob->spec.patience_ns) {
		end(s, c, verdict != BLOB_DONE);
		return;
	}
	c->state = CALL_WAITING;
	c->again_ns = now + blob_delay_ns(c->tries - 1, c->retry_after_s, (unsigned)(now / 1000 % 256));
	if (verdict == BLOB_SLOWER && c->again_ns > s->resume_ns)
		s->resume_ns = c->again_ns;
}

/* What cannot be waited for any more fails; nothing touches its buffers from then on. */
static void fail_all(struct sink *s)
{
	if (s->why.kind == ERR_NONE)
		err_set(&s->why, ERR_CANCELED, 0, "the work on %s was stopped", s->base.info.name);
	for (unsigned i = 0; i < s->calls; i++) {
		struct blob_call *c = &s->call[i];

		if (c->state == CALL_RUNNING)
			curl_multi_remove_handle(s->multi, c->curl);
		if (c->state == CALL_RUNNING || c->state == CALL_WAITING)
			end(s, c, true);
	}
}

/* Starts what may start. Returns when the next one may, at most `until`. */
static int64_t start_waiting(struct sink *s, int64_t until)
{
	int64_t now = clock_mono_ns();

	for (unsigned i = 0; i < s->calls; i++) {
		struct blob_call *c = &s->call[i];

		if (c->state != CALL_WAITING)
			continue;
		int64_t at = c->again_ns > s->resume_ns ? c->again_ns : s->resume_ns;
		if (at <= now)
			start(s, c);
		else if (at < until)
			until = at;
	}
	return until;
}

static void push(struct sink *s)
{
	CURLMsg *m;
	int left;

	curl_multi_perform(s->multi, &left);
	while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
		struct blob_call *c = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		settle(s, c, m->data.result); /* m is not valid any more */
	}
}

static bool is_done(const struct sink *s, const struct blob_call *c)
{
	for (unsigned i = 0; c == NULL && i < s->calls; i++)
		if (s->call[i].state == CALL_DONE)
			return true;
	return c != NULL && c->state == CALL_DONE;
}

/* One step of whatever is under way, of at most `ns`, less when c (NULL: any call) is done. */
static void drive(struct sink *s, const struct blob_call *c, int64_t ns)
{
	int64_t now = clock_mono_ns(), until;

	if (atomic_load(&s->blob->canceled)) {
		fail_all(s);
		return;
	}
	until = start_waiting(s, now + (ns < SLICE_NS ? ns : SLICE_NS));
	push(s);
	if (until > now && !is_done(s, c))
		curl_multi_poll(s->multi, NULL, 0, (int)((until - now + NS_PER_MS - 1) / NS_PER_MS), NULL);
}

/* A call of the block's own. Its answer lives until the next one. */
static struct blob_call *call(struct sink *s, enum blob_op op, uint64_t offset, uint64_t length, void *data, struct err *e)
{
	struct blob_call *c = begin(s, op, offset, length, data);

	while (!is_done(s, c))
		drive(s, c, SLICE_NS);
	c->state = CALL_FREE;
	if (!c->failed)
		return c;
	*e = s->why;
	return NULL;
}

/* ---- The operations of a block ---- */

/* Nothing stands still meanwhile. */
static void hold_back(struct sink *s, uint64_t bytes)
{
	struct limiter *l = s->blob->spec.limiter;

	for (uint64_t n; l != NULL && bytes > 0; bytes -= n) {
		n = bytes < LIMITER_SLICE ? bytes : LIMITER_SLICE;
		limiter_send(l, (size_t)n);
		push(s);
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
	struct blob_call *c = begin(s, r->op == BLOCK_WRITE ? BLOB_PUT : BLOB_READ, r->offset, r->length, r->data);
	c->user = r;
	start_waiting(s, 0);
	push(s);
	return 0;
}

static struct block_request *take_done(struct sink *s, bool *any)
{
	*any = false;
	for (unsigned i = 0; i < s->calls; i++) {
		struct blob_call *c = &s->call[i];

		*any |= c->state != CALL_FREE;
		if (c->state != CALL_DONE)
			continue;
		c->state = CALL_FREE;
		return c->user;
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
		struct block_request *r = take_done(s, &any);
		int64_t left = timeout_ns < 0 ? SLICE_NS : until - clock_mono_ns();

		if (r != NULL || !any)
			return r;
		drive(s, NULL, left > 0 ? left : 0);
		if (left <= 0)
			return take_done(s, &any);
	}
}

static int zero(struct block *b, uint64_t offset, uint64_t length, struct err *e)
{
	return call(sink_of(b), BLOB_CLEAR, offset, length, NULL, e) != NULL ? 0 : -1;
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
	const struct blob_call *c = call(sink_of(b), BLOB_RANGES, from, to - from, NULL, e);

	if (c == NULL)
		return -1;
	read_ranges(c, from, to, start, end);
	return 0;
}

static int explain(const struct block *b, const struct block_request *r, struct err *e)
{
	(void)r;
	*e = ((const struct sink *)b)->why;
	return -1;
}

static void cancel(struct block *b)
{
	sink_blob_cancel(sink_of(b)->blob);
}

static void close_sink(struct block *b)
{
	struct sink *s = sink_of(b);

	for (unsigned i = 0; i < s->calls; i++) {
		if (s->call[i].state == CALL_RUNNING)
			curl_multi_remove_handle(s->multi, s->call[i].curl);
		blob_call_fini(&s->call[i]);
	}
	curl_multi_cleanup(s->multi);
	free(s);
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
	s->base.depth = depth == 0 ? 1 : depth < MAX_DEPTH ? depth : MAX_DEPTH;
	s->blob = b;
	s->multi = curl_multi_init();
	for (; s->multi != NULL && s->calls < s->base.depth + 1; s->calls++)
		if (blob_call_init(&s->call[s->calls], e) != 0)
			break;
	if (s->calls == s->base.depth + 1) {
		curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)s->calls);
		return s;
	}
	err_set(e, ERR_INTERNAL, 0, "libcurl cannot be set up: is there memory left?");
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
	const struct blob_call *c = call(s, BLOB_LOOK, 0, 0, NULL, e);

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

	name_uuid(s->blob->spec.url, id);
	vhd_footer(at, id, right);
	if (call(s, BLOB_READ, at, sizeof there, there, e) == NULL)
		return -1;
	if (memcmp(there, right, sizeof right) == 0)
		return 0;
	return call(s, BLOB_PUT, at, sizeof right, right, e) != NULL ? 0 : -1;
}

struct block *sink_blob_open(struct sink_blob *b, enum block_mode mode, unsigned depth, struct err *e)
{
	struct sink *s = sink_new(b, depth, e);

	if (s == NULL)
		return NULL;
	s->base.info = (struct block_info){.logical_sector = 512, .physical_sector = 4096, .read_only = mode == BLOCK_RO,
					   .remote = true};
	snprintf(s->base.info.name, sizeof s->base.info.name, "%.200s", b->spec.url);
	if (look(s, e) == 0 && (mode == BLOCK_RO || mend_footer(s, e) == 0))
		return &s->base;
	block_close(&s->base);
	return NULL;
}
