// SPDX-License-Identifier: Apache-2.0
#include "copy/token_bucket.h"

#include "base/clock.h"

int64_t token_bucket_wait_ns(const struct token_bucket *b, int64_t now)
{
	int64_t wait = b->due_ns - now - TOKEN_BUCKET_DEPTH_NS;

	return b->rate == 0 || wait < 0 ? 0 : wait;
}

void token_bucket_take(struct token_bucket *b, int64_t now, uint64_t tokens)
{
	if (b->rate == 0)
		return;
	if (b->due_ns < now)
		b->due_ns = now;
	/* Rounded up: never faster than asked for. */
	b->due_ns += (int64_t)((tokens * (uint64_t)NS_PER_S + b->rate - 1) / b->rate);
}

void token_bucket_set_rate(struct token_bucket *b, int64_t now, uint64_t rate)
{
	int64_t debt = token_bucket_wait_ns(b, now);

	if (b->rate == rate)
		return;
	/* A bucket that begins or changes is empty; what was overdrawn stays owed, in tokens. */
	if (rate != 0)
		b->due_ns = now + TOKEN_BUCKET_DEPTH_NS + (int64_t)((double)debt * (double)b->rate / (double)rate);
	b->rate = rate;
}
