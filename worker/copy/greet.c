// SPDX-License-Identifier: Apache-2.0
#include "copy/greet.h"

#include <inttypes.h>

#include "copy/pipeline.h"

int greet_refuse(struct stream *stream, const struct err *why)
{
	struct err ignored = ERR_INIT;

	wire_send_error(stream, why, &ignored);
	return -1;
}

void greet_hear_out(struct stream *stream)
{
	uint8_t sink[4096];
	struct err ignored = ERR_INIT;

	while (stream_read(stream, sink, sizeof sink, &ignored) > 0)
		continue;
}

static int unexpected(const struct wire_frame *f, const char *wanted, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, 0, "the peer sent a frame of type %u where %s was expected", f->type, wanted);
}

/* ---- HELLO ---- */

static int recv_hello(struct stream *stream, struct wire_hello *theirs, bool *remote, struct err *e)
{
	uint8_t payload[WIRE_HELLO_SIZE];
	struct wire_frame f;

	if (wire_recv(stream, &f, e) != 0)
		return -1;
	if (f.type == WIRE_ERROR) {
		*remote = true;
		return wire_recv_error(stream, &f, e);
	}
	if (f.type != WIRE_HELLO || f.payload != sizeof payload)
		return unexpected(&f, "HELLO", e);
	if (stream_read_full(stream, payload, sizeof payload, e) != 0)
		return -1;
	return wire_hello_decode(payload, sizeof payload, theirs, e);
}

static int exchange(struct stream *stream, const struct wire_hello *mine, struct wire_hello *theirs, bool *remote,
		    struct err *e)
{
	uint8_t payload[WIRE_HELLO_SIZE];
	struct wire_frame f = {.type = WIRE_HELLO, .payload = sizeof payload};
	struct err why = ERR_INIT;

	wire_hello_encode(mine, payload);
	if (wire_send(stream, &f, payload, e) == 0)
		return recv_hello(stream, theirs, remote, e);
	/* The peer refused and left: its reason may be there to read. */
	if (recv_hello(stream, theirs, remote, &why) != 0 && *remote)
		*e = why;
	return -1;
}

int greet_hello(struct session *s, struct stream *stream, uint16_t named, uint16_t *channel, bool *stray,
		struct err *e)
{
	struct wire_hello mine = s->c->hello, theirs;
	bool remote = false;
	uint16_t version;

	mine.channel = named;
	mine.channels = (uint16_t)s->channels;
	*stray = false;
	stream_set_timeout(stream, s->hello_ns);
	int rc = exchange(stream, &mine, &theirs, &remote, e);
	if (rc == 0) {
		*stray = named == WIRE_ANY_CHANNEL && theirs.session != mine.session;
		rc = wire_hello_match(&mine, &theirs, &version, channel, e);
	}
	if (remote)
		atomic_store(&s->remote, true);
	else if (rc != 0 && !err_is_retryable(e))
		greet_refuse(stream, e);
	return rc;
}

/* ---- DISK and READY ---- */

static int send_disk(const struct session *s, unsigned i, struct stream *stream, struct err *e)
{
	const struct copy_disk *d = &s->c->disks[i];
	struct wire_disk disk = {
		.size = d->size,
		.chunk_size = s->c->chunk_size,
		.sector_size = d->block->info.logical_sector,
	};
	struct wire_frame f = {.type = WIRE_DISK, .disk = (uint16_t)i, .payload = WIRE_DISK_SIZE};
	uint8_t payload[WIRE_DISK_SIZE];

	wire_disk_encode(&disk, payload);
	return wire_send(stream, &f, payload, e);
}

static int send_disks(struct session *s, struct channel *ch, struct err *e)
{
	int rc = 0;

	if (!session_claim_greeting(s, ch))
		return pipeline_set_stopped(e);
	for (unsigned i = 0; rc == 0 && i < s->c->disk_count; i++)
		rc = send_disk(s, i, ch->stream, e);
	session_release(s, ch);
	return rc;
}

int greet_as_source(struct session *s, struct channel *ch, struct err *e)
{
	struct wire_frame f;
	struct err why = ERR_INIT;

	if (send_disks(s, ch, e) != 0) {
		if (channel_recv(s, ch, &f, &why) != 0 && atomic_load(&s->remote))
			*e = why;
		return -1;
	}
	if (channel_recv(s, ch, &f, e) != 0)
		return -1;
	if (f.type != WIRE_READY)
		return unexpected(&f, "READY", e);
	pthread_mutex_lock(&s->lock);
	uint64_t before = ch->window.acked;
	int rc = window_resume(&ch->window, f.id - 1, e);
	if (ch->window.acked > before)
		ch->trouble_ns = ch->retry_ns = ch->pause_ns = 0; /* the connection before was of use */
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int check_disk(const struct copy_config *c, unsigned i, const struct wire_disk *theirs, struct err *e)
{
	const struct block_info *info = &c->disks[i].block->info;

	if (theirs->size != c->disks[i].size)
		return err_set(e, ERR_REFUSED, 0,
			       "the source's disk %u has %" PRIu64 " bytes, but %" PRIu64 " were announced for %s; nothing was "
			       "written", i, theirs->size, c->disks[i].size, info->name);
	if (theirs->chunk_size != c->chunk_size)
		return err_set(e, ERR_REFUSED, 0,
			       "the source cuts disk %u into chunks of %u bytes, but %u was agreed; nothing was written", i,
			       theirs->chunk_size, c->chunk_size);
	if (theirs->sector_size != info->logical_sector && !info->is_file)
		return err_set(e, ERR_REFUSED, 0,
			       "the source's disk %u has sectors of %u bytes and %s of %u, so a copy would not boot; choose a "
			       "target with the same sector size", i, theirs->sector_size, info->name,
			       info->logical_sector);
	return 0;
}

static int recv_disk(struct session *s, struct channel *ch, uint64_t *seen, struct err *e)
{
	uint8_t payload[WIRE_DISK_SIZE];
	struct wire_frame f;
	struct wire_disk disk;

	if (channel_recv(s, ch, &f, e) != 0)
		return -1;
	if (f.type != WIRE_DISK || f.payload != sizeof payload)
		return unexpected(&f, "DISK", e);
	if (f.disk >= s->c->disk_count || (*seen & (UINT64_C(1) << f.disk)) != 0)
		return err_set(e, ERR_PROTOCOL, 0, "the peer announced disk %u, which is unknown or was announced before",
			       f.disk);
	*seen |= UINT64_C(1) << f.disk;
	if (channel_recv_payload(s, ch, payload, sizeof payload, e) != 0 ||
	    wire_disk_decode(payload, sizeof payload, &disk, e) != 0)
		return -1;
	return check_disk(s->c, f.disk, &disk, e);
}

int greet_as_target(struct session *s, struct channel *ch, struct err *e)
{
	struct wire_frame ready = {.type = WIRE_READY, .id = ch->taken + 1};
	uint64_t seen = 0; /* WIRE_MAX_DISKS bits */

	for (unsigned i = 0; i < s->c->disk_count; i++)
		if (recv_disk(s, ch, &seen, e) != 0)
			return -1;
	ch->acked = ch->taken;
	ch->taken_bytes = 0;
	if (!session_claim_greeting(s, ch))
		return pipeline_set_stopped(e);
	int rc = wire_send(ch->stream, &ready, NULL, e);
	session_release(s, ch);
	return rc;
}
