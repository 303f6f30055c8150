// SPDX-License-Identifier: Apache-2.0
/*
 * What `send` tells `receive` before the chunk stream (net/wire.h) begins on the same connection: what a controller
 * would tell a worker. 80 bytes, little-endian:
 *
 *    0  magic "WHERRYO1"
 *    8  u64  size         bytes of the disk
 *   16  u32  chunk_size
 *   20  u32  flags        bit 0: the target holds an earlier copy, and only what changed will come
 *   24  key_id[16]        names the hash key (manifest/manifest.h)
 *   40  chunk key[32]     of the chunks' hashes; the rest of the hash key stays with the source
 *   72  u64  session      drawn by the sender; a connection that is made again names it, and brings no order
 *
 * The receiver answers with a READY frame of id 1, after which both greet as in the chunk stream, or with an ERROR frame.
 */
#ifndef WHERRY_HOST_ORDER_H
#define WHERRY_HOST_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "manifest/manifest.h"
#include "net/stream.h"
#include "net/wire.h"

struct host_order {
	uint64_t size;
	uint32_t chunk_size;
	bool known;                /* the target holds an earlier copy */
	uint64_t session;          /* of the chunk stream */
	struct manifest_keys keys; /* of a received one: chunk and id only; wipe */
};

/* And waits for the answer: 0 when the receiver is ready, *e of the kind it refused with. */
int host_order_send(struct stream *s, const struct host_order *o, struct err *e);
/* PROTOCOL: not an order, or not of this version. */
int host_order_recv(struct stream *s, struct host_order *o, struct err *e);
/* Its answer READY; for the other see host_peer_refuse(). */
int host_order_accept(struct stream *s, struct err *e);
/* The greeting both sides use after it. */
struct wire_hello host_order_hello(const struct host_order *o, enum wire_role role);

#endif
