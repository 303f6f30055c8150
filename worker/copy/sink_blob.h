// SPDX-License-Identifier: Apache-2.0
/*
 * A page blob of Azure Blob Storage as a disk (block/block.h), so that whatever writes, hashes or reads back disks does so
 * with blobs: the blob is a fixed VHD, the disk all of it but the footer, which opening for writing makes right first.
 *
 * What was acknowledged is durable, so a flush has nothing to do. Zeros are cleared pages, whatever was there. Up to `depth`
 * requests run at once, each on a connection of its own, with the caller's buffers: besides, one of them costs about
 * 150 KiB. They move while the caller is in a call of this block. Each write carries its MD5 and the lease.
 *
 * What the network, or a service that is busy or broken for a moment, fails is asked again, as late as the service wants
 * (Retry-After); 429 and 503 make all requests about the blob wait. When nothing has succeeded for the blob's patience, the
 * request fails with what was said last.
 */
#ifndef WHERRY_COPY_SINK_BLOB_H
#define WHERRY_COPY_SINK_BLOB_H

#include <stdint.h>

#include "block/block.h"
#include "copy/limiter.h"

#define SINK_BLOB_DEPTH 8 /* that is enough for the most that one blob takes */

struct sink_blob_spec {
	const char *url;         /* of the blob, without query; all texts are copied */
	const char *token;       /* shared access signature: read, and write to write; "": none */
	const char *lease;       /* held by the controller; "": none */
	const char *ca;          /* PEM of the certificates to trust */
	int64_t patience_ns;
	struct limiter *limiter; /* of what is sent; borrowed; NULL: none */
};

/* Where a blob is and what lets us in; outlives the blocks on it. */
struct sink_blob;

struct sink_blob *sink_blob_new(const struct sink_blob_spec *spec);
void sink_blob_free(struct sink_blob *b); /* wipes the token; NULL is fine */
/* From any thread, for every request made from then on. */
void sink_blob_set_token(struct sink_blob *b, const char *token);
/* As block_cancel(), also of blocks that are being opened. */
void sink_blob_cancel(struct sink_blob *b);

/* NOT_FOUND, REFUSED when it is no page blob or not a footer larger than whole MiB. */
struct block *sink_blob_open(struct sink_blob *b, enum block_mode mode, unsigned depth, struct err *e);

#endif
