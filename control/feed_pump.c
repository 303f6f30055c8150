// SPDX-License-Identifier: Apache-2.0
#include "feed_pump.h"

#include <string.h>

#include "base/cleanup.h"
#include "net/feed.h"
#include "net/wire.h"

/* Pages in one PUT: well below API_MAX_BODY. */
#define PUT_PAGES 512

static int answer_want(struct pump *p, const struct feed_record *r, struct err *e)
{
	struct manifest *m = p->disks[r->disk].manifest;
	cleanup(buf_fini) struct buf body = BUF_INIT;
	uint64_t pages = manifest_page_count(manifest_info(m));

	if (r->page >= pages || r->count > pages - r->page)
		return err_set(e, ERR_PROTOCOL, 0, "the worker asked for manifest pages past the end of disk %u", r->disk);
	for (uint64_t at = 0; at < r->count; at += PUT_PAGES) {
		uint64_t n = r->count - at < PUT_PAGES ? r->count - at : PUT_PAGES;

		buf_clear(&body);
		for (uint64_t i = 0; i < n; i++) {
			uint8_t *to = buf_reserve(&body, FEED_PAGE_BYTES);

			if (manifest_read_page(m, r->page + at + i, to, NULL, e) < 0)
				return -1;
			body.len += FEED_PAGE_BYTES;
		}
		if (worker_client_put_pages(p->worker, r->disk, r->page + at, body.data, body.len, e) < 0)
			return -1;
	}
	return 0;
}

static int compare_page(struct pump_disk *d, const struct feed_record *r, struct err *e)
{
	const struct manifest_info *info = manifest_info(d->manifest);
	/* A working manifest of another chunk size is new: there is nothing to forget in it. */
	bool mend = d->repair != NULL && manifest_info(d->repair)->chunk_size == info->chunk_size;
	uint8_t want[MANIFEST_PAGE_HASHES], known[MANIFEST_PAGE_HASHES];
	uint64_t before = d->differing;

	if (manifest_read_page(d->manifest, r->page, want, NULL, e) < 0 ||
	    (mend && manifest_read_page(d->repair, r->page, known, NULL, e) < 0))
		return -1;
	for (unsigned i = 0; i < MANIFEST_PAGE_CHUNKS; i++) {
		uint64_t offset = (r->page * MANIFEST_PAGE_CHUNKS + i) * info->chunk_size;

		if (memcmp(want + i * MANIFEST_HASH, r->payload + i * MANIFEST_HASH, MANIFEST_HASH) == 0)
			continue;
		/* Pages come in any order. */
		if (d->differing++ == 0 || offset < d->first_differing)
			d->first_differing = offset;
		memset(known + i * MANIFEST_HASH, 0, MANIFEST_HASH);
	}
	d->pages_recorded++;
	if (!mend || d->differing == before)
		return 0;
	/* The next sync sends these chunks, whatever the source says. */
	return manifest_write_page(d->repair, r->page, known, e) < 0 ? -1 : manifest_sync(d->repair, e);
}

static int store_page(struct pump_disk *d, const struct feed_record *r, bool *dirty, struct err *e)
{
	static const uint8_t unknown[MANIFEST_PAGE_HASHES];
	bool intent = r->type == API_FEED_INTENT;

	if (manifest_write_page(d->manifest, r->page, intent ? unknown : r->payload, e) < 0)
		return -1;
	if (!intent)
		d->pages_recorded++;
	*dirty = true;
	return 0;
}

static int refute(const struct pump *p, struct pump_disk *d, const struct feed_record *r, struct err *e)
{
	if (p->pages == PUMP_COMPARE || r->count >= MANIFEST_PAGE_CHUNKS)
		return err_set(e, ERR_PROTOCOL, 0, "the worker's feed refutes hints that it was not given, of disk %u", r->disk);
	d->refuted_at = (r->page * MANIFEST_PAGE_CHUNKS + r->count) * manifest_info(d->manifest)->chunk_size;
	d->refuted = true;
	return 0;
}

static int act(struct pump *p, const struct feed_record *r, bool dirty[], struct err *e)
{
	if (r->type == API_FEED_FINISHED) {
		p->finished = true;
		return 0;
	}
	if (r->type == API_FEED_FAILED)
		return err_set(e, r->kind, 0, "%s", r->message);
	/* Disks of other batches have no manifest open. */
	if (r->disk >= p->disk_count || p->disks[r->disk].manifest == NULL)
		return err_set(e, ERR_PROTOCOL, 0, "the worker's feed names disk %u of %u, which it does not have", r->disk,
			       p->disk_count);
	struct pump_disk *d = &p->disks[r->disk];
	switch (r->type) {
	case API_FEED_WANT:
		return answer_want(p, r, e);
	case API_FEED_DISK:
		memcpy(d->root, r->payload, MANIFEST_HASH);
		d->done = true;
		return 0;
	default: /* INTENT, PAGE, REFUTED */
		if (r->page >= manifest_page_count(manifest_info(d->manifest)))
			return err_set(e, ERR_PROTOCOL, 0, "the worker's feed names a page past the end of disk %u",
				       r->disk);
		if (r->type == API_FEED_REFUTED)
			return refute(p, d, r, e);
		if (p->pages == PUMP_COMPARE && r->type == API_FEED_INTENT) /* it has no hashes to compare */
			return err_set(e, ERR_PROTOCOL, 0, "the worker's feed announces a write to disk %u, which it is only "
				       "to read", r->disk);
		return p->pages == PUMP_COMPARE ? compare_page(d, r, e) : store_page(d, r, &dirty[r->disk], e);
	}
}

static int make_durable(struct pump *p, const bool dirty[], struct err *e)
{
	for (unsigned i = 0; i < p->disk_count; i++)
		if (dirty[i] && manifest_sync(p->disks[i].manifest, e) < 0)
			return -1;
	return 0;
}

int pump_step(struct pump *p, unsigned wait_ms, struct err *e)
{
	cleanup(buf_fini) struct buf body = BUF_INIT;
	bool dirty[WIRE_MAX_DISKS] = {false};
	struct feed_record r;
	int got, rc = 0;

	if (worker_client_feed(p->worker, p->acked, wait_ms, &body, e) < 0)
		return -1;
	const uint8_t *at = (const uint8_t *)body.data;
	size_t left = body.len;
	uint64_t seq = p->acked;
	while ((got = feed_decode(&at, &left, &r, e)) > 0) {
		if (r.seq != seq + 1) {
			rc = err_set(e, ERR_PROTOCOL, 0, "the worker's feed jumps from record %llu to %llu",
				     (unsigned long long)seq, (unsigned long long)r.seq);
			break;
		}
		rc = act(p, &r, dirty, e);
		if (rc < 0)
			break;
		seq = r.seq;
	}
	if (got < 0 || rc < 0) {
		struct err second = ERR_INIT;

		/* What was understood before is worth keeping; the first error is the one to tell. */
		make_durable(p, dirty, &second);
		return -1;
	}
	if (make_durable(p, dirty, e) < 0)
		return -1;
	p->acked = seq;
	return 0;
}
