// SPDX-License-Identifier: Apache-2.0
/*
 * The worker's control API: HTTP/1.1 on the one TLS port (ALPN "http/1.1"). Bodies are JSON unless said otherwise.
 * Every call renews the worker's lease. Errors: status 4xx/5xx with {"error":{"kind":"...","message":"..."}}.
 *
 * Before enrolment the controller is known by its pinned key and only these two are answered:
 *   GET  /v1/identity   -> {"version":"...","wire":[min,max],"spki":"<base64 DER>","job","run","epoch","role"}
 *   POST /v1/enrol      {"ca":"<PEM>","cert":"<PEM for our key>","time_ns":N,"lease_seconds":N} -> 204
 *                       sets the clock offset, installs the CA; from now on every peer must be of that CA:
 *                       controller for HTTP, the opposite role for chunks.
 * Afterwards:
 *   GET  /v1/status     -> {"version","role","state":"idle|running|finished|failed","error":{...}?,
 *                          "disks":[{"index","size","scanned","skipped","zero","unchanged","sent","sent_wire","written","durable","checkpoints"}],
 *                          "packing":[{"level","chunks","bytes","packed"}],"limits":{...},
 *                          "wire":{"in","out"},"link":{"connections","up","cuts","resent",
 *                          ("reconnecting_ms","why")?}?,"counters":{"cpu_user_ns","cpu_system_ns","memory_available",
 *                          "disk_read_bytes","disk_written_bytes","net_in_bytes","net_out_bytes"}}  (all bytes)
 *   GET  /v1/disks      -> {"disks":[{"name","serial","size","logical_sector","physical_sector"}]}
 *   POST /v1/run        struct of API_RUN below -> 202; 409 when one is under way, or the other role's
 *   POST /v1/run/feed   {"attempt":"<A>","ack":N,"wait_ms":N} -> application/octet-stream: feed records after N (see
 *                       below)
 *   PUT  /v1/run/disks/I/pages?attempt=A&first=P
 *                       body: manifest pages' hashes, 127*32 bytes each, from page P -> 204
 *   PUT  /v1/run/limits {"attempt":"<A>","limits":{...}} -> 204; these and no others hold from now on, also for what
 *                       waits
 *   PUT  /v1/run/tokens {"attempt":"<A>","tokens":[{"index":0,"token":"..."}]} -> 204; from now on these are used where
 *                       the order says "at"
 *   POST /v1/run/stop   {"attempt":"<A>"} -> 204, the run fails with CANCELED; 204 also when it is over, or none was
 *                       ever started here
 *   POST /v1/poweroff   -> 204, then flush and power off
 *
 * The attempt: a controller gives every run it orders an id of its own, 16 random lower-case hex digits, and names it
 * in every later call for that run ("" while it has ordered none). One that names another attempt than this worker's
 * last run is answered 409 with kind "refused" and has no effect on that run. So a call of an earlier run that the
 * network delivers late can neither acknowledge records of the run that took its place, which nobody has made durable,
 * nor feed it pages, nor stop it.
 *
 * POST /v1/run: {"attempt":"<16 hex digits>","kind":"export|import|scan|copy","key":"<hex 32>","chunk_size":N,
 *   "checkpoint_bytes":N,
 *   "checkpoint_ms":N,"compression":"auto|none|zstd","level":N,"read_back":true,"read_only":false,
 *   "limits":{"bandwidth":N,"disk_throughput":N,"disk_iops":N,"worker_iops":N},
 *   "disks":[{"index":0,"serial":"...","size":N,"changed":[gap,count,...]?,"at":{"url","token","lease"}?}],"trust":"<PEM>"?,
 *   "peer":{"dial":"host:port" | "listen":true,"session":"<16 hex digits>","connections":N},
 *   "reconnect_ms":N}                                                  (peer: for export and import only)
 *   "level" is zstd's; "auto" chooses among none and some levels what makes the copy fastest (then status says in
 *   "packing" which were used, level 0 being none: data chunks and their bytes before and after).
 *   "limits" (base/limits.h; each may be left out): what the run reads, and what an export sends over all its connections,
 *   or a copy to all of its blobs, again after a cut included; bytes or reads a second.
 *   "copy" is an export worker's, which writes its disks itself, each to the page blob that "at" names. A scan of a disk with
 *   "at", by either worker, reads that blob and no device; it has no "serial". The controller keeps the "lease" ("": none),
 *   renews the "token" (a shared access signature) in time, and says in "trust" whose certificates are good.
 *   "session" names this pair of runs, the same for both workers and drawn for every attempt; "connections": 1 to 8.
 *   A connection between the workers that breaks is made again while the run goes on ("link" of the status), for "reconnect_ms"
 *   without a frame getting through; then the run fails. So long a blob's service may refuse or not answer, too.
 *   "read_only" lets a target worker scan disks that are attached read-only (verify).
 *   "size" is the size of the copy; the device may be larger on the target (its tail is zeroed and verified).
 *
 *   "changed", for export and copy only, is the list of the chunks that are to be read: first how many are not, then how many are,
 *   and so on, in chunks from the start of the disk; [] is none. The controller makes it of its cloud's hints and of what
 *   the working manifest does not vouch for; chunks left out are taken for what the baseline says, after a random sample
 *   of them was compared with it (copy/sample.h). When the sample shows that the list is wrong, the worker says REFUTED
 *   and reads the whole disk. At most API_MAX_RANGES pairs in all disks together. Without it, all is read.
 *
 * The feed is the worker's queue to its controller: it asks for baseline pages, for leave to write, and reports what
 * is durable. A record is 24 bytes: u64 seq, u8 type, u8 0, u16 disk, u32 payload bytes, u64 page; then the payload.
 * Records are answered in order by "ack" (everything up to it is durable on the controller's disk).
 *   WANT     1  u32 count: send pages [page, page+count) of the baseline (PUT .../pages)        export, copy
 *   INTENT   2  about to change chunks of `page`: mark it unknown, durably, then ack           export, copy
 *   PAGE     3  127*32 bytes: the hashes of `page`, durable at the target (or just read: scan)  export, copy, scan
 *   DISK     4  32 bytes: root of this disk; where chunks were left out by "changed", over the   export, copy, scan
 *               pages that were read, in part or whole (manifest_rooter)
 *   FINISHED 5  everything is durable
 *   FAILED   6  u32 kind, then the sentence
 *   REFUTED  7  u32 n: chunk n of `page` differs and "changed" leaves it out: all is read       export, copy
 */
#ifndef WHERRY_NET_API_NAMES_H
#define WHERRY_NET_API_NAMES_H

#define API_PORT          4433
#define API_IDENTITY      "/v1/identity"
#define API_ENROL         "/v1/enrol"
#define API_STATUS        "/v1/status"
#define API_DISKS         "/v1/disks"
#define API_RUN           "/v1/run"
#define API_RUN_FEED      "/v1/run/feed"
#define API_RUN_DISKS     "/v1/run/disks/" /* I/pages */
#define API_RUN_LIMITS    "/v1/run/limits"
#define API_RUN_TOKENS    "/v1/run/tokens"
#define API_RUN_STOP      "/v1/run/stop"
#define API_POWEROFF      "/v1/poweroff"

#define API_ATTEMPT_LEN   16 /* hex digits */
#define API_FEED_HEADER   24
#define API_MAX_BODY      (4u << 20) /* of a request or a response */
#define API_MAX_RANGES    131072     /* of changed chunks, in one order for a run */

enum api_feed_type {
	API_FEED_WANT = 1, API_FEED_INTENT, API_FEED_PAGE, API_FEED_DISK, API_FEED_FINISHED, API_FEED_FAILED,
	API_FEED_REFUTED
};

/* Lines a worker prints on its console; the controller finds them there. */
#define API_CONSOLE_KEY   "wherry-worker: key sha256:"   /* then 64 hex digits */
#define API_CONSOLE_READY "wherry-worker: API ready"

#endif
