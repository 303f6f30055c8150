// SPDX-License-Identifier: Apache-2.0
/* A worker without network: the real API and runner on one disk in memory and an engine that does as it is told. */
#ifndef TESTS_UNIT_JOB_API_FIXTURE_H
#define TESTS_UNIT_JOB_API_FIXTURE_H

#include <stdatomic.h>

#include "block/block_mem.h"
#include "job/api.h"

#define KEY  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DISK "\"disks\":[{\"index\":3,\"serial\":\"a\",\"size\":65536}]"
#define ORDER_OF(attempt, kind, rest) "{\"attempt\":\"" attempt "\",\"kind\":\"" kind "\",\"key\":\"" KEY "\"," \
				      "\"chunk_size\":65536," DISK rest "}"
#define ORDER(kind, rest) ORDER_OF(ATTEMPT, kind, rest)
#define ATTEMPT        "00112233445566aa"
#define SCAN           ORDER("scan", "")
#define SCAN_OF(attempt) ORDER_OF(attempt, "scan", "")
#define SCAN_READ_ONLY ORDER("scan", ",\"read_only\":true")
#define PAIR "\"session\":\"00000000000000ff\",\"connections\":1"
#define COPY(kind, peer) ORDER(kind, ",\"peer\":" peer)
/* Calls for one attempt; the numbers are literals. */
#define FEED_OF(attempt, ack, wait_ms) "{\"attempt\":\"" attempt "\",\"ack\":" #ack ",\"wait_ms\":" #wait_ms "}"
#define FEED(ack, wait_ms) FEED_OF(ATTEMPT, ack, wait_ms)
#define LIMITS_OF(attempt, limits) "{\"attempt\":\"" attempt "\",\"limits\":" limits "}"
#define STOP_OF(attempt) "{\"attempt\":\"" attempt "\"}"
#define STOP STOP_OF(ATTEMPT)
#define PAGES_OF(attempt, disk, first) "/v1/run/disks/" #disk "/pages?attempt=" attempt "&first=" #first
#define PEM(what) "-----BEGIN CERTIFICATE-----\\n" what "\\n"
#define ENROL(ca) "{\"ca\":\"" PEM(ca) "\",\"cert\":\"" PEM("leaf") "\"," \
		  "\"time_ns\":1800000000000000000,\"lease_seconds\":77}"

/* What the engine shall do, and what it was asked. The engine's functions have no context, hence one for the program;
 * worker_new() clears it. */
struct script {
	atomic_bool go_on; /* the engine returns */
	atomic_int started;
	enum err_kind kind; /* NONE: success */
	bool wants_page;   /* a scan asks for a baseline page instead, and waits for it */
	bool intends;      /* a scan reports an intent instead, and waits for leave */
	uint8_t page[MANIFEST_PAGE_HASHES]; /* that a scan got */
	uint64_t epoch;
	char job[64];
	bool had_peer;
	unsigned opens;    /* an import needs no more connections, and asks for so many all the same */
	unsigned unopened; /* of which none was there */
};
extern struct script script;

/* One disk, "a" of 65536 bytes. */
struct fake_disks {
	struct disk_source source;
	struct mem_disk *disk;
	bool absent;
	enum block_mode mode; /* it was opened in last */
};

struct worker {
	struct bootdata boot; /* job "web1", epoch 9 */
	struct fake_disks disks;
	struct lease lease;
	struct log log;
	struct api api;
	struct api_conn conn;
	atomic_int enrolled, off;
	atomic_int dials;   /* the first two are refused */
	struct stream *far; /* the other end of what was dialed */
	struct http_response res;
};

struct worker *worker_new(enum wire_role role, bool enrolled);
void worker_free(struct worker *w);
/* One call. The status; the body stays in w->res. */
int ask(struct worker *w, const char *method, const char *path, const char *body);
void assert_body_has(struct worker *w, const char *text);
void wait_for_state(struct worker *w, const char *state);

#endif
