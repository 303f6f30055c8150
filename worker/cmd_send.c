// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cmd.h"
#include "copy/copy.h"
#include "host_link.h"
#include "host_options.h"
#include "host_order.h"
#include "host_peer.h"
#include "host_report.h"
#include "host_source.h"
#include "host_watch.h"

struct send {
	struct host_options o;
	struct host_source source;
	struct host_peer peer;
	struct stream *stream; /* until the engine takes it */
	struct host_link link;
	struct host_order order;
	struct host_watch watch;
	struct copy_progress progress;
	struct copy_disk disk;
	double seconds;
};

static void send_fini(struct send *s)
{
	stream_close(s->stream);
	host_peer_fini(&s->peer);
	mem_wipe(&s->order, sizeof s->order);
	host_source_close(&s->source);
}

/* Everything that can be refused is, before the first file is made. */
static int prepare(struct send *s, struct err *e)
{
	if (host_peer_init(&s->peer, s->o.plain, s->o.peer, s->o.path[1], e) != 0 ||
	    host_source_open(&s->source, &s->o, e) != 0)
		return -1;
	struct block *b = s->source.block;
	if (b->info.size == 0 || b->info.size % b->info.logical_sector != 0)
		return err_set(e, ERR_REFUSED, 0, "the %llu bytes of %s are not a whole disk of %u-byte sectors; nothing was sent",
			       (unsigned long long)b->info.size, b->info.name, b->info.logical_sector);
	s->disk = (struct copy_disk){.block = b, .size = b->info.size, .progress = &s->progress};
	struct copy_config config = host_source_config(&s->source, &s->o, &s->disk, &s->watch.cancel);
	if (copy_check(&config, false, e) != 0)
		return -1;
	s->stream = host_peer_dial(&s->peer, s->o.path[1], e);
	s->order = (struct host_order){
		.size = s->disk.size,
		.chunk_size = config.chunk_size,
		.known = s->o.manifest_in != NULL,
		.keys = s->source.keys,
	};
	if (s->stream == NULL || pki_random(&s->order.session, sizeof s->order.session, e) != 0 ||
	    host_order_send(s->stream, &s->order, e) != 0)
		return -1;
	if (host_source_begin(&s->source, &s->o, e) != 0)
		return -1;
	s->disk.hints = host_hints_of(&s->source.hints);
	return 0;
}

static int export(struct send *s, struct err *e)
{
	struct copy_config config = host_source_config(&s->source, &s->o, &s->disk, &s->watch.cancel);
	struct ledger *l = host_source_ledger(&s->source);

	config.hello = host_order_hello(&s->order, WIRE_SOURCE);
	s->link = (struct host_link){.peer = &s->peer, .address = s->o.path[1], .listener = -1};
	struct copy_link link = host_link(&s->link, take_ptr(&s->stream));
	int rc = copy_export(&config, &link, l, e);
	ledger_close(l);
	return rc == 0 ? host_hints_root(&s->source.hints, s->source.manifest.working, &s->disk, e) : -1;
}

static int run(struct send *s, struct err *e)
{
	int64_t started = clock_mono_ns();

	if (host_watch_start(&s->watch, "sending", &s->progress, s->disk.size, e) != 0)
		return -1;
	int rc = export(s, e);
	if (rc == 0)
		rc = host_source_commit(&s->source, &s->disk, e);
	host_watch_stop(&s->watch);
	host_hints_warn(&s->source.hints, &s->disk);
	s->seconds = (double)(clock_mono_ns() - started) / (double)NS_PER_S;
	return rc;
}

int cmd_send(int argc, char **argv, struct err *e)
{
	cleanup(send_fini) struct send s = {0};

	if (host_options_parse(argc, argv, HOST_SEND, &s.o, e) != 0 || prepare(&s, e) != 0)
		return -1;
	if (run(&s, e) != 0) {
		host_manifest_fail(&s.source.manifest, atomic_load(&s.progress.chunks) == 0, e);
		return -1;
	}
	host_report(&(struct host_report){
		.options = &s.o, .disk = &s.disk, .hints = &s.source.hints, .seconds = s.seconds, .wire = atomic_load(&s.link.bytes)});
	return 0;
}
