// SPDX-License-Identifier: Apache-2.0
#include "copy/cut_fixture.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

void net_init(struct net *n)
{
	memset(n, 0, sizeof *n);
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->changed, NULL);
	n->pipe = 256 << 10;
	n->channels = 1;
}

void net_fini(struct net *n)
{
	for (size_t i = 0; i < n->waiting.len; i++)
		stream_close(n->waiting.at[i]);
	vec_fini(&n->waiting);
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
}

void net_fault(struct net *n, unsigned connection, bool target_writes, enum stream_mem_fault fault, uint64_t at)
{
	assert_true(n->faults < NET_FAULTS);
	n->fault[n->faults++] = (struct net_fault){connection, target_writes, fault, at};
}

void net_offer(struct net *n, struct stream *s)
{
	pthread_mutex_lock(&n->lock);
	*vec_push(&n->waiting) = s;
	pthread_cond_signal(&n->changed);
	pthread_mutex_unlock(&n->lock);
}

static struct stream *dial(void *ctx, struct err *e)
{
	struct net *n = ctx;
	struct stream *end[2];
	unsigned mine = n->made; /* one thread dials */

	if (n->refuse_after != 0 && mine >= n->refuse_after) {
		err_set(e, ERR_NETWORK, 0, "the network of the test is down");
		return NULL;
	}
	n->made++;
	stream_mem_pair(n->pipe, end);
	for (unsigned i = 0; i < n->faults; i++)
		if (n->fault[i].connection == mine)
			stream_mem_fault(end[n->fault[i].target_writes != n->target_dials], n->fault[i].fault,
					 n->fault[i].at);
	net_offer(n, n->wrap != NULL ? n->wrap(n, mine, end[1]) : end[1]);
	return end[0];
}

static struct stream *listen(void *ctx, struct err *e)
{
	struct net *n = ctx;
	struct timespec until;
	struct stream *s = NULL;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 50 * NS_PER_MS;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_nsec -= NS_PER_S;
		until.tv_sec++;
	}
	pthread_mutex_lock(&n->lock);
	if (n->waiting.len == 0)
		pthread_cond_timedwait(&n->changed, &n->lock, &until);
	if (n->waiting.len > 0) {
		s = n->waiting.at[0];
		memmove(n->waiting.at, n->waiting.at + 1, --n->waiting.len * sizeof n->waiting.at[0]);
	}
	pthread_mutex_unlock(&n->lock);
	if (s == NULL)
		err_set(e, ERR_TIMEOUT, 0, "nobody came");
	return s;
}

static void report_source(void *ctx, const struct copy_link_status *st)
{
	((struct net *)ctx)->source = *st;
}

static void report_target(void *ctx, const struct copy_link_status *st)
{
	((struct net *)ctx)->target = *st;
}

int net_wire(struct net *n, struct fx *f)
{
	const struct copy_link dialer = {
		.channels = n->channels, .dials = true, .patience_ns = n->patience_ns, .open = dial, .ctx = n};
	const struct copy_link listener = {.channels = n->channels, .patience_ns = n->patience_ns, .open = listen, .ctx = n};
	struct copy_link source = n->target_dials ? listener : dialer, target = n->target_dials ? dialer : listener;

	n->made = 0;
	source.report = report_source;
	target.report = report_target;
	memset(&n->source, 0, sizeof n->source);
	memset(&n->target, 0, sizeof n->target);
	return fx_wire_over(f, &source, &target);
}
