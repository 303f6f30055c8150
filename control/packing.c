// SPDX-License-Identifier: Apache-2.0
#include "packing.h"

#include <inttypes.h>
#include <stdio.h>

static void add_level(struct packing *sum, const struct packing_level *l)
{
	unsigned i = 0;

	while (i < sum->count && sum->levels[i].level != l->level)
		i++;
	if (i == PACKING_LEVELS)
		return; /* a worker that knows more levels than this client; only the record is poorer */
	if (i == sum->count)
		sum->levels[sum->count++] = (struct packing_level){.level = l->level};
	sum->levels[i].chunks += l->chunks;
	sum->levels[i].bytes += l->bytes;
	sum->levels[i].packed += l->packed;
}

void packing_add(struct packing *sum, const struct packing *more)
{
	for (unsigned i = 0; i < more->count; i++)
		add_level(sum, &more->levels[i]);
}

uint64_t packing_raw_bytes(const struct packing *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->levels[i].level == 0)
			return p->levels[i].bytes;
	return 0;
}

char *packing_text(const struct packing *p, char out[PACKING_TEXT])
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < p->count; i++) {
		const struct packing_level *l = &p->levels[i];
		char name[24] = "none";

		if (l->level != 0)
			snprintf(name, sizeof name, "zstd:%d", l->level);
		n += (size_t)snprintf(out + n, PACKING_TEXT - n, "%s%s=%" PRIu64, n == 0 ? "" : " ", name, l->chunks);
	}
	return out;
}

char *packing_ratio(const struct packing *p, char out[32])
{
	uint64_t bytes = 0, packed = 0;

	for (unsigned i = 0; i < p->count; i++) {
		bytes += p->levels[i].bytes;
		packed += p->levels[i].packed;
	}
	snprintf(out, 32, "%.2f", packed == 0 ? 1.0 : (double)bytes / (double)packed);
	return out;
}
