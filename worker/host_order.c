// SPDX-License-Identifier: Apache-2.0
#include "host_order.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define MAGIC "WHERRYO1"
#define SIZE  80
#define KNOWN 1u
#define ANSWER_NS (60 * NS_PER_S) /* opening a target can take long */

static void put(uint8_t *to, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *from, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

static int write_order(struct stream *s, const struct host_order *o, struct err *e)
{
	uint8_t text[SIZE] = {0};

	memcpy(text, MAGIC, 8);
	put(text + 8, o->size, 8);
	put(text + 16, o->chunk_size, 4);
	put(text + 20, o->known ? KNOWN : 0, 4);
	memcpy(text + 24, o->keys.id, sizeof o->keys.id);
	memcpy(text + 40, o->keys.chunk, sizeof o->keys.chunk);
	put(text + 72, o->session, 8);
	int rc = stream_write(s, text, sizeof text, e) == 0 ? stream_flush(s, e) : -1;
	mem_wipe(text, sizeof text);
	return rc;
}

int host_order_send(struct stream *s, const struct host_order *o, struct err *e)
{
	struct wire_frame f = {0};
	struct err why = ERR_INIT;

	stream_set_timeout(s, ANSWER_NS);
	int written = write_order(s, o, e);
	/* Who does not know our key left, perhaps before we wrote: the reason is there to be read even then. */
	if (wire_recv(s, &f, &why) != 0) {
		if (written == 0 || why.kind == ERR_DENIED)
			*e = why;
		return -1;
	}
	if (f.type == WIRE_ERROR)
		return wire_recv_error(s, &f, e);
	if (f.type != WIRE_READY)
		return err_set(e, ERR_PROTOCOL, 0, "the receiver answered with a frame of type %u where READY was expected", f.type);
	return written;
}

int host_order_accept(struct stream *s, struct err *e)
{
	struct wire_frame f = {.type = WIRE_READY, .id = 1};

	return wire_send(s, &f, NULL, e);
}

static int decode(const uint8_t text[SIZE], struct host_order *o, struct err *e)
{
	uint64_t flags = get(text + 20, 4);

	if (memcmp(text, MAGIC, 8) != 0 || (flags & ~(uint64_t)KNOWN) != 0)
		return err_set(e, ERR_PROTOCOL, 0,
			       "the peer does not speak as `wherry-worker send` of this version does; use the same version on both "
			       "sides");
	o->size = get(text + 8, 8);
	o->chunk_size = (uint32_t)get(text + 16, 4);
	o->known = (flags & KNOWN) != 0;
	memcpy(o->keys.id, text + 24, sizeof o->keys.id);
	memcpy(o->keys.chunk, text + 40, sizeof o->keys.chunk);
	o->session = get(text + 72, 8);
	if (o->size == 0 || o->size > INT64_MAX)
		return err_set(e, ERR_PROTOCOL, 0, "the peer wants to send %llu bytes, which is not possible",
			       (unsigned long long)o->size);
	return 0;
}

int host_order_recv(struct stream *s, struct host_order *o, struct err *e)
{
	uint8_t text[SIZE];

	memset(o, 0, sizeof *o);
	int rc = stream_read_full(s, text, sizeof text, e) == 0 ? decode(text, o, e) : -1;
	mem_wipe(text, sizeof text);
	return rc;
}

struct wire_hello host_order_hello(const struct host_order *o, enum wire_role role)
{
	struct wire_hello hello = {
		.version_min = WIRE_VERSION,
		.version_max = WIRE_VERSION,
		.role = role,
		.job = "send",
		.run = "send",
		.session = o->session,
	};

	memcpy(hello.key_id, o->keys.id, sizeof hello.key_id);
	return hello;
}
