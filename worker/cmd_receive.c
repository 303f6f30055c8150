// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "cmd.h"
#include "copy/copy.h"
#include "host_link.h"
#include "host_options.h"
#include "host_order.h"
#include "host_peer.h"
#include "host_target.h"
#include "host_watch.h"
#include "net/stream_tcp.h"

#define DEFAULT_LISTEN ":4433"

struct receive {
	struct host_options o;
	struct host_peer peer;
	int listener;
	struct stream *stream; /* until the engine takes it */
	struct host_link link;
	struct host_order order;
	struct host_target target;
	struct host_watch watch;
	struct copy_progress progress;
	struct copy_disk disk;
	double seconds;
};

static void receive_fini(struct receive *r)
{
	stream_close(r->stream);
	cleanup_fd(&r->listener);
	host_target_close(&r->target);
	host_peer_fini(&r->peer);
	mem_wipe(&r->order, sizeof r->order);
}

static int listen_for_peer(struct receive *r, struct err *e)
{
	char pin[HOST_PIN_TEXT] = "no key, for it is plain";

	if (host_peer_init(&r->peer, r->o.plain, r->o.peer, r->o.listen, e) != 0 ||
	    (!r->o.plain && host_peer_pin(pin, e) != 0))
		return -1;
	r->listener = stream_tcp_listen(r->o.listen, e);
	if (r->listener < 0)
		return -1;
	fprintf(stderr, "wherry-worker: listening on port %d with %s\n", stream_tcp_port(r->listener), pin);
	return 0;
}

/* Strangers are named and forgotten: anybody can find an open port. */
static int wait_for_order(struct receive *r, struct err *e)
{
	for (;;) {
		r->stream = host_peer_accept(&r->peer, r->listener, 0, e);
		if (r->stream != NULL && host_order_recv(r->stream, &r->order, e) == 0)
			return 0;
		if (r->stream == NULL && e->kind == ERR_CANCELED)
			return -1;
		fprintf(stderr, "wherry-worker: %s; still listening\n", e->msg);
		stream_close(r->stream);
		r->stream = NULL;
	}
}

static struct copy_config config_of(struct receive *r)
{
	return (struct copy_config){
		.keys = &r->order.keys,
		.chunk_size = r->order.chunk_size,
		.pool_bytes = COPY_DEFAULT_POOL_BYTES,
		.read_back = !r->o.no_read_back,
		.disks = &r->disk,
		.disk_count = 1,
		.hello = host_order_hello(&r->order, WIRE_TARGET),
		.cancel = &r->watch.cancel,
	};
}

static int prepare(struct receive *r, struct err *e)
{
	struct block_info source = {.size = r->order.size};

	if (host_target_open(&r->target, r->o.path[0], NULL, &source, r->order.known, e) != 0)
		return host_peer_refuse(r->stream, e);
	r->disk = (struct copy_disk){.block = r->target.block, .size = r->order.size, .progress = &r->progress};
	struct copy_config config = config_of(r);
	if (copy_check(&config, true, e) == 0)
		return host_order_accept(r->stream, e);
	host_target_discard(&r->target);
	return host_peer_refuse(r->stream, e);
}

static int run(struct receive *r, struct err *e)
{
	struct copy_config config = config_of(r);
	int64_t started = clock_mono_ns();

	if (host_watch_start(&r->watch, "receiving", &r->progress, 0, e) != 0)
		return -1;
	r->link = (struct host_link){.peer = &r->peer, .listener = r->listener};
	struct copy_link link = host_link(&r->link, take_ptr(&r->stream));
	int rc = copy_import(&config, &link, e);
	host_watch_stop(&r->watch);
	r->seconds = (double)(clock_mono_ns() - started) / (double)NS_PER_S;
	/* What was written may be gone on with, by a sender that has a manifest of it. */
	if (rc != 0 && atomic_load(&r->progress.written) == 0)
		host_target_discard(&r->target);
	return rc;
}

static void report(const struct receive *r)
{
	unsigned long long written = atomic_load(&r->progress.written), verified = atomic_load(&r->progress.verified);
	char text[16];

	if (r->o.json) {
		yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *o = yyjson_mut_obj(doc);

		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_str(doc, o, "target", r->o.path[0]);
		yyjson_mut_obj_add_uint(doc, o, "size", r->order.size);
		yyjson_mut_obj_add_uint(doc, o, "chunk_size", r->order.chunk_size);
		yyjson_mut_obj_add_uint(doc, o, "bytes_written", written);
		yyjson_mut_obj_add_uint(doc, o, "bytes_read_back", verified);
		yyjson_mut_obj_add_uint(doc, o, "bytes_wire", atomic_load(&r->link.bytes));
		yyjson_mut_obj_add_real(doc, o, "seconds", r->seconds);
		cleanup(cleanup_free) char *json = yyjson_mut_write(doc, 0, NULL);
		puts(json != NULL ? json : "{}");
		yyjson_mut_doc_free(doc);
		return;
	}
	printf("size       %16llu bytes (%s)\n", (unsigned long long)r->order.size, num_format_size(r->order.size, text));
	printf("written    %16llu bytes (%s)\n", written, num_format_size(written, text));
	printf("read back  %16llu bytes (%s)\n", verified, num_format_size(verified, text));
	printf("time       %.2f s\n", r->seconds);
}

int cmd_receive(int argc, char **argv, struct err *e)
{
	cleanup(receive_fini) struct receive r = {.listener = -1};

	if (host_options_parse(argc, argv, HOST_RECEIVE, &r.o, e) != 0)
		return -1;
	if (r.o.listen == NULL)
		r.o.listen = r.o.plain ? "127.0.0.1" DEFAULT_LISTEN : DEFAULT_LISTEN;
	if (listen_for_peer(&r, e) != 0 || wait_for_order(&r, e) != 0 || prepare(&r, e) != 0 || run(&r, e) != 0)
		return -1;
	report(&r);
	return 0;
}
