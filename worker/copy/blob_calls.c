// SPDX-License-Identifier: Apache-2.0
#include "copy/blob_calls.h"

#include "base/clock.h"

#define SLICE_NS (100 * NS_PER_MS) /* how soon a cancel is noticed */

int blob_calls_init(struct blob_calls *s, struct blob_shared *shared, unsigned count, struct err *e)
{
	s->shared = shared;
	s->multi = curl_multi_init();
	while (s->multi != NULL && s->count < count && blob_call_init(&s->call[s->count], e) == 0)
		s->count++;
	if (s->count < count)
		return err_set(e, ERR_INTERNAL, 0, "libcurl cannot be set up: is there memory left?");
	curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)count);
	return 0;
}

void blob_calls_fini(struct blob_calls *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (s->call[i].state == CALL_RUNNING)
			curl_multi_remove_handle(s->multi, s->call[i].curl);
		blob_call_fini(&s->call[i]);
	}
	curl_multi_cleanup(s->multi);
}

static unsigned tokens(struct blob_shared *b)
{
	pthread_mutex_lock(&b->lock);
	unsigned n = b->tokens;
	pthread_mutex_unlock(&b->lock);
	return n;
}

static void prepare(struct blob_calls *s, struct blob_call *c)
{
	struct blob_shared *b = s->shared;
	struct blob_address at = {.url = b->url, .lease = b->lease, .ca = b->ca};

	pthread_mutex_lock(&b->lock);
	at.token = b->token;
	c->token = b->tokens;
	blob_call_prepare(c, &at);
	pthread_mutex_unlock(&b->lock);
}

static void start(struct blob_calls *s, struct blob_call *c)
{
	prepare(s, c);
	c->state = CALL_RUNNING;
	curl_multi_add_handle(s->multi, c->curl);
}

static bool any_busy(const struct blob_calls *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->call[i].state == CALL_RUNNING || s->call[i].state == CALL_WAITING)
			return true;
	return false;
}

struct blob_call *blob_calls_begin(struct blob_calls *s, enum blob_op op, uint64_t offset, uint64_t length, void *data)
{
	struct blob_call *c = s->call;

	if (!any_busy(s))
		s->good_ns = clock_mono_ns();
	while (c->state != CALL_FREE)
		c++;
	c->op = op;
	c->offset = offset;
	c->length = length;
	c->data = (struct iovec){.iov_base = data, .iov_len = length};
	c->parts = NULL;
	c->user = NULL;
	c->tries = 0;
	c->again_ns = 0;
	c->state = CALL_WAITING;
	return c;
}

static void end(struct blob_calls *s, struct blob_call *c, bool failed)
{
	c->state = CALL_DONE;
	c->failed = failed;
	if (!failed)
		s->good_ns = clock_mono_ns();
	else if (s->why.kind == ERR_NONE)
		blob_call_error(c, s->shared->url, &s->why);
}

static void settle(struct blob_calls *s, struct blob_call *c, CURLcode code)
{
	int64_t now = clock_mono_ns();

	curl_multi_remove_handle(s->multi, c->curl);
	blob_call_finish(c, code);
	enum blob_verdict verdict = blob_judge(c, tokens(s->shared) != c->token);
	c->tries++;
	if (verdict == BLOB_DONE || verdict == BLOB_FAILED || now - s->good_ns > s->shared->patience_ns) {
		end(s, c, verdict != BLOB_DONE);
		return;
	}
	c->state = CALL_WAITING;
	c->again_ns = now + blob_delay_ns(c->tries - 1, c->retry_after_s, (unsigned)(now / 1000 % 256));
	if (verdict == BLOB_SLOWER && c->again_ns > atomic_load(&s->shared->resume_ns))
		atomic_store(&s->shared->resume_ns, c->again_ns);
}

/* What cannot be waited for any more fails; nothing touches its buffers from then on. */
static void fail_all(struct blob_calls *s)
{
	if (s->why.kind == ERR_NONE)
		err_set(&s->why, ERR_CANCELED, 0, "the work on %s was stopped", s->shared->url);
	for (unsigned i = 0; i < s->count; i++) {
		struct blob_call *c = &s->call[i];

		if (c->state == CALL_RUNNING)
			curl_multi_remove_handle(s->multi, c->curl);
		if (c->state == CALL_RUNNING || c->state == CALL_WAITING)
			end(s, c, true);
	}
}

/* Starts what may start. Returns when the next one may, at most `until`. */
static int64_t start_waiting(struct blob_calls *s, int64_t until)
{
	int64_t now = clock_mono_ns(), resume = atomic_load(&s->shared->resume_ns);

	for (unsigned i = 0; i < s->count; i++) {
		struct blob_call *c = &s->call[i];

		if (c->state != CALL_WAITING)
			continue;
		int64_t at = c->again_ns > resume ? c->again_ns : resume;
		if (at <= now)
			start(s, c);
		else if (at < until)
			until = at;
	}
	return until;
}

static void perform(struct blob_calls *s)
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

static bool is_done(const struct blob_calls *s, const struct blob_call *c)
{
	for (unsigned i = 0; c == NULL && i < s->count; i++)
		if (s->call[i].state == CALL_DONE)
			return true;
	return c != NULL && c->state == CALL_DONE;
}

void blob_calls_push(struct blob_calls *s)
{
	start_waiting(s, 0);
	perform(s);
}

void blob_calls_drive(struct blob_calls *s, const struct blob_call *c, int64_t ns)
{
	int64_t now = clock_mono_ns(), until;

	if (atomic_load(&s->shared->canceled)) {
		fail_all(s);
		return;
	}
	until = start_waiting(s, now + (ns < SLICE_NS ? ns : SLICE_NS));
	perform(s);
	if (until > now && !is_done(s, c))
		curl_multi_poll(s->multi, NULL, 0, (int)((until - now + NS_PER_MS - 1) / NS_PER_MS), NULL);
}

const struct blob_call *blob_calls_run(struct blob_calls *s, enum blob_op op, uint64_t offset, uint64_t length, void *data,
				       struct err *e)
{
	struct blob_call *c = blob_calls_begin(s, op, offset, length, data);

	while (!is_done(s, c))
		blob_calls_drive(s, c, SLICE_NS);
	c->state = CALL_FREE;
	if (!c->failed)
		return c;
	*e = s->why;
	return NULL;
}
