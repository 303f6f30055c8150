// SPDX-License-Identifier: Apache-2.0
/*
 * A token bucket (RFC 2697's, in the form of the virtual scheduling algorithm of ITU-T I.371): what is taken must have
 * been earned at `rate`, and at most TOKEN_BUCKET_DEPTH_NS worth of tokens are kept while nobody takes any. A request
 * goes through as soon as there is no more debt than the bucket is deep, and may then overdraw it: so any request fits,
 * and whatever the sizes, over any time T never more passes than rate * (T + depth) and one request.
 *
 * A change of rate counts at once: what is left to be earned is earned at the new one. No clock, no threads: the caller
 * brings monotonic nanoseconds, which never go back, and a lock.
 */
#ifndef WHERRY_COPY_TOKEN_BUCKET_H
#define WHERRY_COPY_TOKEN_BUCKET_H

#include <stdint.h>

/* What a thread that gets the processor late may still catch up on; 1.6 % of 5 s. */
#define TOKEN_BUCKET_DEPTH_NS INT64_C(80000000)

struct token_bucket {
	uint64_t rate;  /* tokens a second; 0: everything passes */
	int64_t due_ns; /* when everything taken so far will have been earned */
};

/* Nanoseconds until the next request may be taken; 0: now. */
int64_t token_bucket_wait_ns(const struct token_bucket *b, int64_t now_ns);
/* tokens: at most 2^33 */
void token_bucket_take(struct token_bucket *b, int64_t now_ns, uint64_t tokens);
void token_bucket_set_rate(struct token_bucket *b, int64_t now_ns, uint64_t rate);

#endif
