// SPDX-License-Identifier: Apache-2.0
#include "copy/ledger.h"

#include <stddef.h>

int ledger_read_page(struct ledger *l, unsigned disk, uint64_t page, uint8_t *hashes, struct err *e)
{
	return l->ops->read_page(l, disk, page, hashes, e);
}

int ledger_expect(struct ledger *l, unsigned disk, const struct extents *pages, struct err *e)
{
	return l->ops->expect != NULL ? l->ops->expect(l, disk, pages, e) : 0;
}

int ledger_refute(struct ledger *l, unsigned disk, uint64_t chunk, struct err *e)
{
	return l->ops->refute != NULL ? l->ops->refute(l, disk, chunk, e) : 0;
}

int ledger_intend(struct ledger *l, unsigned disk, uint64_t page, uint64_t *ticket, struct err *e)
{
	return l->ops->intend(l, disk, page, ticket, e);
}

int ledger_wait(struct ledger *l, uint64_t ticket, struct err *e)
{
	return l->ops->wait(l, ticket, e);
}

int ledger_record(struct ledger *l, unsigned disk, uint64_t page, const uint8_t *hashes, struct err *e)
{
	return l->ops->record(l, disk, page, hashes, e);
}

int ledger_sync(struct ledger *l, struct err *e)
{
	return l->ops->sync(l, e);
}

int ledger_disk_done(struct ledger *l, unsigned disk, const uint8_t *root, struct err *e)
{
	return l->ops->disk_done(l, disk, root, e);
}

void ledger_cancel(struct ledger *l)
{
	if (l != NULL)
		l->ops->cancel(l);
}

void ledger_close(struct ledger *l)
{
	if (l != NULL)
		l->ops->close(l);
}
