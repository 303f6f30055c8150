// SPDX-License-Identifier: Apache-2.0
/* What POST /v1/run asks for (net/api_names.h), parsed strictly. */
#ifndef WHERRY_JOB_RUN_SPEC_H
#define WHERRY_JOB_RUN_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "block/disk_source.h"
#include "copy/copy.h"
#include "net/api_names.h"
#include "net/wire.h"

#define RUN_TOKEN_MAX 4096 /* bytes of a token or an address */

struct yyjson_val;

enum run_kind { RUN_EXPORT, RUN_IMPORT, RUN_SCAN, RUN_COPY };

/* A page blob; all texts owned. */
struct run_blob {
	char *url; /* NULL: there is none */
	char *token, *lease;
};

struct run_spec {
	char attempt[API_ATTEMPT_LEN + 1]; /* the controller's name for this run */
	enum run_kind kind;
	uint8_t secret[32]; /* the job's */
	uint32_t chunk_size;
	uint64_t checkpoint_bytes;
	int64_t checkpoint_ns;
	enum compression compression;
	int level;
	bool read_back;
	bool read_only;         /* scan at the target: the disks are not to be written in this boot */
	struct limits limits;   /* to begin with */
	unsigned disk_count;
	struct {
		unsigned index; /* the controller's, rising; gaps are allowed: several workers may share a machine */
		char serial[DISK_SERIAL_MAX + 1]; /* "": of a scan of a blob */
		uint64_t size;  /* bytes */
		struct run_blob at; /* what a copy writes, or a scan reads instead of a device */
		struct hints *changed; /* NULL: read all; owned */
	} disks[WIRE_MAX_DISKS];
	char *trust;            /* certificates of whom blobs are taken from, PEM; NULL: nobody; owned */
	bool listen;            /* the peer dials us */
	char dial[256];         /* else "host:port" of the peer; "" for scan and copy */
	uint64_t session;       /* the controller's name for this pair of runs */
	unsigned connections;
	int64_t reconnect_ns;   /* how long a broken connection is made again, or a blob's service asked again, without progress */
};

/* Whether `text` (of `len` bytes) can be an attempt's id. */
bool run_attempt_is_valid(const char *text, size_t len);
/* A copy of a text that can be part of an address; NULL when it cannot. To be given to run_token_free(), which wipes it. */
char *run_token_take(struct yyjson_val *v);
void run_token_free(char *token);
/* CONFIG: which key, what was expected. Call run_spec_fini() even then. */
int run_spec_parse(const char *json, size_t len, struct run_spec *out, struct err *e);
void run_spec_fini(struct run_spec *s); /* wipes it */

#endif
