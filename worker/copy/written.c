// SPDX-License-Identifier: Apache-2.0
#include "copy/written.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct written_list *written_list_new(void)
{
	return mem_alloc(sizeof(struct written_list));
}

void written_list_free(struct written_list *w)
{
	if (w != NULL)
		vec_fini(&w->list);
	free(w);
}

void written_list_add(struct written_list *w, uint64_t offset, uint64_t length, const uint8_t *hash)
{
	struct written *last = w->list.len > 0 ? &w->list.at[w->list.len - 1] : NULL;

	if (hash == NULL && last != NULL && last->zero && last->offset + last->length == offset) {
		last->length += length;
		return;
	}
	struct written *n = vec_push(&w->list);
	n->offset = offset;
	n->length = length;
	n->zero = hash == NULL;
	if (hash != NULL)
		memcpy(n->hash, hash, sizeof n->hash);
}

static int by_offset(const void *a, const void *b)
{
	const struct written *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

void written_list_sort(struct written_list *w)
{
	if (w->list.len > 1)
		qsort(w->list.at, w->list.len, sizeof w->list.at[0], by_offset);
}
