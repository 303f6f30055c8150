// SPDX-License-Identifier: Apache-2.0
#include "net/wire.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ERROR_TEXT 500 /* bytes of a sentence on the wire */

/* Little-endian, as everything on the wire. */
static void put(uint8_t *to, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t get(const uint8_t *from, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)from[i] << 8 * i;
	return v;
}

enum {
	BY_SOURCE = 1 << WIRE_SOURCE,
	BY_TARGET = 1 << WIRE_TARGET
};

/* Which fields mean something in which type; all others are 0. */
static const struct rule {
	const char *name;
	unsigned from;
	uint32_t payload_min, payload_max;
	bool flags, disk, range, id;
	bool count;  /* `length` counts frames */
	bool gather; /* data: need not go out at once */
} rules[] = {
	[WIRE_HELLO] = {"HELLO", BY_SOURCE | BY_TARGET, WIRE_HELLO_SIZE, WIRE_HELLO_SIZE},
	[WIRE_DISK] = {"DISK", BY_SOURCE, WIRE_DISK_SIZE, WIRE_DISK_SIZE, .disk = true},
	[WIRE_READY] = {"READY", BY_TARGET, 0, 0, .id = true},
	[WIRE_CHUNK] = {"CHUNK", BY_SOURCE, WIRE_HASH_SIZE + 1, WIRE_MAX_PAYLOAD, .flags = true, .disk = true,
		.range = true, .id = true, .gather = true},
	[WIRE_ZERO] = {"ZERO", BY_SOURCE, 0, 0, .disk = true, .range = true, .id = true, .gather = true},
	[WIRE_CHECKPOINT] = {"CHECKPOINT", BY_SOURCE, 0, 0, .id = true, .count = true},
	[WIRE_DURABLE] = {"DURABLE", BY_TARGET, 0, 0, .id = true},
	[WIRE_END] = {"END", BY_SOURCE, 0, 0},
	[WIRE_END_OK] = {"END_OK", BY_TARGET, 0, 0},
	[WIRE_PING] = {"PING", BY_SOURCE | BY_TARGET, 0, 0},
	[WIRE_ERROR] = {"ERROR", BY_SOURCE | BY_TARGET, 4, 4 + ERROR_TEXT},
	[WIRE_ACK] = {"ACK", BY_TARGET, 0, 0, .id = true},
	[WIRE_BYE] = {"BYE", BY_SOURCE, 0, 0},
};

#define TYPES (sizeof rules / sizeof rules[0])

void wire_frame_encode(const struct wire_frame *f, uint8_t out[WIRE_HEADER_SIZE])
{
	out[0] = f->type;
	out[1] = f->flags;
	put(out + 2, f->disk, 2);
	put(out + 4, f->payload, 4);
	put(out + 8, f->offset, 8);
	put(out + 16, f->length, 8);
	put(out + 24, f->id, 8);
}

static int wrong(
	const struct wire_frame *f, const char *field, uint64_t value, const char *expected, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, 0, "the peer sent a %s frame with %s %llu, expected %s",
		rules[f->type].name, field, (unsigned long long)value, expected);
}

static int check_fields(const struct wire_frame *f, const struct rule *r, struct err *e)
{
	if (f->payload < r->payload_min || f->payload > r->payload_max)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a %s frame with a payload of %u bytes, expected %u to %u", r->name,
			f->payload, r->payload_min, r->payload_max);
	if (f->flags > (r->flags ? WIRE_ZSTD : 0))
		return wrong(f, "flags", f->flags, r->flags ? "0 or 1" : "0", e);
	if (f->disk >= (r->disk ? WIRE_MAX_DISKS : 1))
		return wrong(f, "disk", f->disk, r->disk ? "less than 64" : "0", e);
	if (!r->range && f->offset != 0)
		return wrong(f, "offset", f->offset, "0", e);
	if (!r->range && !r->count && f->length != 0)
		return wrong(f, "length", f->length, "0", e);
	if (r->range && f->length == 0)
		return wrong(f, "length", 0, "more", e);
	if (f->length > UINT64_MAX - f->offset)
		return wrong(f, "length", f->length, "an end below 2^64", e);
	if (f->type == WIRE_CHUNK && f->length > WIRE_MAX_CHUNK)
		return wrong(f, "length", f->length, "at most 4194304", e);
	if (r->id ? f->id == 0 : f->id != 0)
		return wrong(f, "id", f->id, r->id ? "1 or more" : "0", e);
	return 0;
}

int wire_frame_decode(const uint8_t in[WIRE_HEADER_SIZE], struct wire_frame *f, struct err *e)
{
	*f = (struct wire_frame){
		.type = in[0],
		.flags = in[1],
		.disk = (uint16_t)get(in + 2, 2),
		.payload = (uint32_t)get(in + 4, 4),
		.offset = get(in + 8, 8),
		.length = get(in + 16, 8),
		.id = get(in + 24, 8),
	};
	if (f->type >= TYPES || rules[f->type].name == NULL)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent a frame of the unknown type %u", f->type);
	return check_fields(f, &rules[f->type], e);
}

int wire_sender_check(const struct wire_frame *f, enum wire_role sender, struct err *e)
{
	if ((rules[f->type].from & 1u << sender) == 0)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent a %s frame, which the %s may not send",
			rules[f->type].name, sender == WIRE_SOURCE ? "source" : "target");
	return 0;
}

/* ---- HELLO ---- */

void wire_hello_encode(const struct wire_hello *h, uint8_t out[WIRE_HELLO_SIZE])
{
	memset(out, 0, WIRE_HELLO_SIZE);
	put(out, h->version_min, 2);
	put(out + 2, h->version_max, 2);
	put(out + 4, h->role, 4);
	put(out + 8, h->epoch, 8);
	memcpy(out + 16, h->job, strnlen(h->job, sizeof h->job - 1));
	memcpy(out + 80, h->run, strnlen(h->run, sizeof h->run - 1));
	memcpy(out + 120, h->key_id, sizeof h->key_id);
	put(out + 136, h->session, 8);
	put(out + 144, h->channel, 2);
	put(out + 146, h->channels, 2);
}

/* Printable ASCII, at least one character, then NULs to the end. */
static int get_text(const uint8_t *from, size_t size, const char *name, char *out, struct err *e)
{
	size_t len = 0;

	while (len < size && from[len] > 0x20 && from[len] < 0x7f)
		len++;
	for (size_t i = len; i < size; i++)
		if (from[i] != 0)
			return err_set(e, ERR_PROTOCOL, 0,
				"the peer sent a HELLO whose %s is not text padded with NULs", name);
	if (len == 0 || len == size)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a HELLO whose %s has %zu characters, expected 1 to %zu", name, len,
			size - 1);
	memcpy(out, from, size);
	return 0;
}

int wire_hello_decode(const uint8_t *in, size_t len, struct wire_hello *h, struct err *e)
{
	memset(h, 0, sizeof *h);
	if (len != WIRE_HELLO_SIZE)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent a HELLO of %zu bytes, expected %d", len,
			WIRE_HELLO_SIZE);
	h->version_min = (uint16_t)get(in, 2);
	h->version_max = (uint16_t)get(in + 2, 2);
	h->role = (uint32_t)get(in + 4, 4);
	h->epoch = get(in + 8, 8);
	memcpy(h->key_id, in + 120, sizeof h->key_id);
	h->session = get(in + 136, 8);
	h->channel = (uint16_t)get(in + 144, 2);
	h->channels = (uint16_t)get(in + 146, 2);
	if (h->version_min == 0 || h->version_min > h->version_max)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a HELLO with versions %u to %u, which is no range", h->version_min,
			h->version_max);
	if (h->role != WIRE_SOURCE && h->role != WIRE_TARGET)
		return err_set(
			e, ERR_PROTOCOL, 0, "the peer sent a HELLO with role %u, expected 1 or 2", h->role);
	if (h->channels < 1 || h->channels > WIRE_MAX_CHANNELS)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent a HELLO with %u channels, expected 1 to %d",
			h->channels, WIRE_MAX_CHANNELS);
	if (h->channel >= h->channels && h->channel != WIRE_ANY_CHANNEL)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent a HELLO with channel %u of %u", h->channel,
			h->channels);
	if (get_text(in + 16, sizeof h->job, "job", h->job, e) < 0)
		return -1;
	return get_text(in + 80, sizeof h->run, "run", h->run, e);
}

/* Both belong to the same job and run; the connection between them? */
static int match_session(
	const struct wire_hello *mine, const struct wire_hello *theirs, uint16_t *channel, struct err *e)
{
	bool named = mine->channel != WIRE_ANY_CHANNEL;

	if (mine->session != theirs->session)
		return err_set(e, ERR_REFUSED, 0,
			"the peer works in another session of run '%s' than this side: one of them is left over",
			mine->run);
	if (mine->channels != theirs->channels)
		return err_set(e, ERR_REFUSED, 0,
			"the peer was told to use %u connections, this side %u: start both with the same number",
			theirs->channels, mine->channels);
	if (named == (theirs->channel != WIRE_ANY_CHANNEL))
		return err_set(e, ERR_PROTOCOL, 0, "%s side names the channel of this connection",
			named ? "each" : "neither");
	*channel = named ? mine->channel : theirs->channel;
	return 0;
}

int wire_hello_match(const struct wire_hello *mine, const struct wire_hello *theirs, uint16_t *version,
	uint16_t *channel, struct err *e)
{
	uint16_t highest = mine->version_max < theirs->version_max ? mine->version_max : theirs->version_max;

	if (highest < mine->version_min || highest < theirs->version_min)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer speaks versions %u to %u of the chunk stream, this side %u to %u: "
			"boot both workers from images of the same wherry",
			theirs->version_min, theirs->version_max, mine->version_min, mine->version_max);
	if (mine->role == theirs->role)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer is a %s, and so is this side: their addresses stand the wrong way "
			"round",
			mine->role == WIRE_SOURCE ? "source" : "target");
	if (strcmp(mine->job, theirs->job) != 0)
		return err_set(e, ERR_REFUSED, 0, "the peer works for job '%s', this side for '%s'",
			theirs->job, mine->job);
	if (strcmp(mine->run, theirs->run) != 0)
		return err_set(e, ERR_REFUSED, 0,
			"the peer works for run '%s' of job '%s', this side for run '%s': one of them "
			"is left over",
			theirs->run, mine->job, mine->run);
	if (mine->epoch != theirs->epoch)
		return err_set(e, ERR_REFUSED, 0,
			"the peer was booted with epoch %llu of job '%s', this side with %llu: the older "
			"one may not write any more",
			(unsigned long long)theirs->epoch, mine->job, (unsigned long long)mine->epoch);
	if (memcmp(mine->key_id, theirs->key_id, sizeof mine->key_id) != 0)
		return err_set(e, ERR_REFUSED, 0,
			"the peer hashes with another key than this side, for job '%s'", mine->job);
	*version = highest;
	return match_session(mine, theirs, channel, e);
}

/* ---- DISK, CHUNK, ZERO ---- */

void wire_disk_encode(const struct wire_disk *d, uint8_t out[WIRE_DISK_SIZE])
{
	put(out, d->size, 8);
	put(out + 8, d->chunk_size, 4);
	put(out + 12, d->sector_size, 4);
}

int wire_disk_decode(const uint8_t *in, size_t len, struct wire_disk *d, struct err *e)
{
	memset(d, 0, sizeof *d);
	if (len != WIRE_DISK_SIZE)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent a DISK of %zu bytes, expected %d", len,
			WIRE_DISK_SIZE);
	d->size = get(in, 8);
	d->chunk_size = (uint32_t)get(in + 8, 4);
	d->sector_size = (uint32_t)get(in + 12, 4);
	if (d->sector_size != 512 && d->sector_size != 4096)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a DISK with sectors of %u bytes, expected 512 or 4096",
			d->sector_size);
	if (d->chunk_size < WIRE_MIN_CHUNK || d->chunk_size > WIRE_MAX_CHUNK ||
		(d->chunk_size & (d->chunk_size - 1)) != 0)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a DISK with chunks of %u bytes, expected a power of two from "
			"%u to %u",
			d->chunk_size, WIRE_MIN_CHUNK, WIRE_MAX_CHUNK);
	if (d->size == 0 || d->size > INT64_MAX || d->size % d->sector_size != 0)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a DISK of %llu bytes, expected a whole number of its sectors "
			"of %u bytes",
			(unsigned long long)d->size, d->sector_size);
	return 0;
}

int wire_data_check(const struct wire_frame *f, const struct wire_disk *d, struct err *e)
{
	const char *name = rules[f->type].name;
	unsigned long long offset = f->offset, length = f->length;

	if (f->type != WIRE_CHUNK && f->type != WIRE_ZERO)
		return err_set(e, ERR_INTERNAL, 0, "a %s frame carries no data", name);
	if (f->length == 0 || f->offset >= d->size || f->length > d->size - f->offset)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a %s frame for bytes %llu + %llu of disk %u, which ends at %llu", name,
			offset, length, f->disk, (unsigned long long)d->size);
	bool to_the_end = f->length == d->size - f->offset;
	if (f->offset % d->chunk_size != 0 || (f->length % d->chunk_size != 0 && !to_the_end))
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a %s frame for bytes %llu + %llu of disk %u, which is off its "
			"grid of %u",
			name, offset, length, f->disk, d->chunk_size);
	if (f->type == WIRE_ZERO)
		return 0;
	if (f->length > d->chunk_size)
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a CHUNK frame of %llu bytes of disk %u, whose chunks have %u", length,
			f->disk, d->chunk_size);
	uint64_t most = WIRE_HASH_SIZE + f->length;
	if (f->payload > most || (f->flags == WIRE_RAW && f->payload != most))
		return err_set(e, ERR_PROTOCOL, 0,
			"the peer sent a CHUNK frame of %llu bytes with a payload of %u, expected %s%llu",
			length, f->payload, f->flags == WIRE_RAW ? "" : "at most ", (unsigned long long)most);
	return 0;
}

/* ---- Sending and receiving ---- */

int wire_send(struct stream *s, const struct wire_frame *f, const void *payload, struct err *e)
{
	uint8_t header[WIRE_HEADER_SIZE];

	wire_frame_encode(f, header);
	if (stream_write(s, header, sizeof header, e) < 0 || stream_write(s, payload, f->payload, e) < 0)
		return -1;
	return f->type < TYPES && rules[f->type].gather ? 0 : stream_flush(s, e);
}

int wire_send_error(struct stream *s, const struct err *why, struct err *e)
{
	uint8_t payload[4 + ERROR_TEXT];
	size_t len = strnlen(why->msg, ERROR_TEXT);
	struct wire_frame f = {.type = WIRE_ERROR, .payload = (uint32_t)(4 + len)};

	put(payload, why->kind, 4);
	memcpy(payload + 4, why->msg, len);
	return wire_send(s, &f, payload, e);
}

int wire_recv(struct stream *s, struct wire_frame *f, struct err *e)
{
	uint8_t header[WIRE_HEADER_SIZE];

	if (stream_read_full(s, header, sizeof header, e) < 0)
		return -1;
	return wire_frame_decode(header, f, e);
}

int wire_recv_error(struct stream *s, const struct wire_frame *f, struct err *e)
{
	uint8_t payload[4 + ERROR_TEXT];
	char text[ERROR_TEXT + 1];

	if (f->type != WIRE_ERROR || f->payload < 4 || f->payload > sizeof payload)
		return err_set(e, ERR_INTERNAL, 0, "a frame of type %u is no ERROR frame", f->type);
	if (stream_read_full(s, payload, f->payload, e) < 0)
		return -1;
	size_t len = f->payload - 4;
	for (size_t i = 0; i < len; i++) /* it will be shown on a terminal */
		text[i] = payload[4 + i] < 0x20 || payload[4 + i] == 0x7f ? '?' : (char)payload[4 + i];
	text[len] = '\0';
	uint64_t kind = get(payload, 4);
	return err_set(e, kind > ERR_NONE && kind < ERR_KINDS ? (enum err_kind)kind : ERR_PROTOCOL, 0,
		"the peer says: %s", text);
}
