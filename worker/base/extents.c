// SPDX-License-Identifier: Apache-2.0
#include "base/extents.h"

#include <string.h>

void extents_fini(struct extents *x)
{
	vec_fini(&x->list);
}

void extents_clear(struct extents *x)
{
	x->list.len = 0;
}

/* Index of the first range whose end is at or after `at`. */
static size_t first_ending_from(const struct extents *x, uint64_t at)
{
	size_t lo = 0, hi = x->list.len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (x->list.at[mid].end < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void insert_at(struct extents *x, size_t i, struct extent new)
{
	*vec_push(&x->list) = new;
	struct extent *at = x->list.at;
	memmove(at + i + 1, at + i, (x->list.len - 1 - i) * sizeof *at);
	at[i] = new;
}

void extents_add(struct extents *x, uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	size_t i = first_ending_from(x, start), j = i;
	while (j < x->list.len && x->list.at[j].start <= end)
		j++;
	if (i == j) {
		insert_at(x, i, (struct extent){start, end});
		return;
	}
	/* Ranges i to j-1 overlap or touch the new one: i swallows them all. */
	struct extent *at = x->list.at;
	at[i].start = start < at[i].start ? start : at[i].start;
	at[i].end = end > at[j - 1].end ? end : at[j - 1].end;
	memmove(at + i + 1, at + j, (x->list.len - j) * sizeof *at);
	x->list.len -= j - i - 1;
}

bool extents_contains(const struct extents *x, uint64_t start, uint64_t end)
{
	if (start >= end)
		return true;
	size_t i = first_ending_from(x, end);
	return i < x->list.len && x->list.at[i].start <= start;
}

bool extents_overlaps(const struct extents *x, uint64_t start, uint64_t end)
{
	struct extent first;

	return start < end && extents_next(x, start, &first) && first.start < end;
}

uint64_t extents_bytes(const struct extents *x)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < x->list.len; i++)
		sum += x->list.at[i].end - x->list.at[i].start;
	return sum;
}

bool extents_next(const struct extents *x, uint64_t from, struct extent *out)
{
	size_t i = from == UINT64_MAX ? x->list.len : first_ending_from(x, from + 1);

	if (i == x->list.len)
		return false;
	*out = x->list.at[i];
	if (out->start < from)
		out->start = from;
	return true;
}
