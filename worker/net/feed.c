// SPDX-License-Identifier: Apache-2.0
#include "net/feed.h"

#include <stdbool.h>
#include <string.h>

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* WANT and REFUTED hold nothing but `count`. */
static bool is_counted(uint8_t type)
{
	return type == API_FEED_WANT || type == API_FEED_REFUTED;
}

void feed_encode(const struct feed_record *r, struct buf *out)
{
	uint8_t header[API_FEED_HEADER] = {0}, word[4];
	const void *payload = r->payload;
	uint32_t len = r->payload_len;

	if (is_counted(r->type))
		len = 4;
	else if (r->type == API_FEED_FAILED)
		len = 4 + (uint32_t)strlen(r->message);
	put(header, r->seq, 8);
	header[8] = r->type;
	put(header + 10, r->disk, 2);
	put(header + 12, len, 4);
	put(header + 16, r->page, 8);
	buf_add(out, header, sizeof header);
	put(word, is_counted(r->type) ? r->count : (uint32_t)r->kind, 4);
	if (is_counted(r->type) || r->type == API_FEED_FAILED)
		buf_add(out, word, 4);
	if (r->type == API_FEED_FAILED)
		buf_adds(out, r->message);
	else if (!is_counted(r->type) && len != 0)
		buf_add(out, payload, len);
}

/* Exact payload sizes; FAILED has its own bounds. */
static int check_length(const struct feed_record *r, struct err *e)
{
	static const uint32_t exact[] = {
		[API_FEED_WANT] = 4,
		[API_FEED_INTENT] = 0,
		[API_FEED_PAGE] = FEED_PAGE_BYTES,
		[API_FEED_DISK] = 32,
		[API_FEED_FINISHED] = 0,
		[API_FEED_REFUTED] = 4,
	};

	if (r->type < API_FEED_WANT || r->type > API_FEED_REFUTED)
		return err_set(e, ERR_PROTOCOL, 0, "the worker's feed holds a record of unknown type %u", r->type);
	if (r->type == API_FEED_FAILED ? r->payload_len < 4 || r->payload_len > 4 + sizeof r->message - 1
				       : r->payload_len != exact[r->type])
		return err_set(e, ERR_PROTOCOL, 0, "the worker's feed holds a record of type %u with %u bytes", r->type,
			       r->payload_len);
	return 0;
}

int feed_decode(const uint8_t **p, size_t *n, struct feed_record *out, struct err *e)
{
	const uint8_t *h = *p;

	if (*n == 0)
		return 0;
	if (*n < API_FEED_HEADER)
		return err_set(e, ERR_PROTOCOL, 0, "the worker's feed ends in the middle of a record");
	memset(out, 0, sizeof *out);
	out->seq = get(h, 8);
	out->type = h[8];
	out->disk = (uint16_t)get(h + 10, 2);
	out->payload_len = (uint32_t)get(h + 12, 4);
	out->page = get(h + 16, 8);
	if (check_length(out, e) < 0)
		return -1;
	if (*n - API_FEED_HEADER < out->payload_len)
		return err_set(e, ERR_PROTOCOL, 0, "the worker's feed ends in the middle of a record");
	out->payload = h + API_FEED_HEADER;
	if (is_counted(out->type))
		out->count = (uint32_t)get(out->payload, 4);
	if (out->type == API_FEED_FAILED) {
		uint64_t kind = get(out->payload, 4);

		out->kind = kind > ERR_NONE && kind < ERR_KINDS ? (enum err_kind)kind : ERR_INTERNAL;
		memcpy(out->message, out->payload + 4, out->payload_len - 4);
	}
	*p += API_FEED_HEADER + out->payload_len;
	*n -= API_FEED_HEADER + out->payload_len;
	return 1;
}
