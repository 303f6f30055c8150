// SPDX-License-Identifier: Apache-2.0
/*
 * A controller small enough to be believed, for tests of `wherry-worker serve`: keys and working manifests in a folder,
 * one command at a time. It shares the floors below the worker's job (net, manifest) and nothing above them.
 *
 *   worker_controller DIR init                                   make keys; prints the pin for bootstrap data
 *   worker_controller DIR enrol ROLE ADDRESS CONSOLE LEASE       pin the key printed in CONSOLE, enrol with it
 *   worker_controller DIR call ROLE ADDRESS METHOD PATH [BODY]   prints the HTTP status and the body
 *   worker_controller DIR sync SOURCE TARGET WAY DIAL CHUNK CHECKPOINT [xN] [KILL] -- SERIAL:SERIAL:SIZE...
 *       export -> import; WAY is source-dials or target-dials, DIAL what the dialer is told; over N connections; KILL is
 *       PAGES:PID, to SIGKILL a process once so many pages are durable. Prints what was sent, in bytes.
 *       $RUN_OPTIONS: keys for both orders (net/api_names.h), instead of the compression, which is zstd's level 1.
 *
 * ADDRESS is host:port, or @PORT to listen there for a worker that dials out. ROLE is source or target.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "manifest/manifest.h"
#include "net/feed.h"
#include "net/http.h"
#include "net/pki.h"
#include "net/stream_tcp.h"
#include "net/stream_tls.h"

#define RUN          "run-1"
#define PATIENCE_NS  (20 * NS_PER_S)
#define MAX_DISKS    32

struct controller {
	const char *dir;
	struct pki_key *key, *ca;
	char *ca_pem;
	struct buf cert;
	uint8_t secret[32];
	struct manifest_keys keys;
};

/* One worker: how to reach it, and whom to believe it is. */
struct worker {
	struct controller *c;
	const char *role, *address;
	uint8_t pin[PKI_PIN_SIZE];
	bool pinned;
	char attempt[API_ATTEMPT_LEN + 1]; /* of the run that was ordered */
	int listener; /* -1: none */
	struct stream *s;
};

static int64_t now_s(void)
{
	return clock_wall_ns() / NS_PER_S;
}

/* ---- Keys ---- */

static char *path_of(const struct controller *c, const char *name)
{
	return mem_printf("%s/%s", c->dir, name);
}

static int read_or_make(const char *path, void *p, size_t n, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(e, ERR_IO, errno, "%s", path);
	if (read(fd, p, n) == (ssize_t)n)
		return 0;
	if (pki_random(p, n, e) < 0)
		return -1;
	return write(fd, p, n) == (ssize_t)n ? 0 : err_set(e, ERR_IO, errno, "%s", path);
}

static int load_ca(struct controller *c, struct err *e)
{
	cleanup(cleanup_free) char *path = path_of(c, "ca.pem");
	cleanup(cleanup_file) FILE *f = fopen(path, "a+e");
	struct buf pem = BUF_INIT;
	char part[4096];
	size_t n;

	if (f == NULL)
		return err_set(e, ERR_IO, errno, "%s", path);
	rewind(f);
	while ((n = fread(part, 1, sizeof part, f)) > 0)
		buf_add(&pem, part, n);
	if (pem.len == 0 && (pki_ca_new(c->ca, "web1", now_s() - 3600, now_s() + 86400, &pem, e) < 0 ||
			     fwrite(pem.data, 1, pem.len, f) != pem.len))
		return -1;
	c->ca_pem = buf_take(&pem);
	return 0;
}

static int load(struct controller *c, struct err *e)
{
	cleanup(cleanup_free) char *key = path_of(c, "controller.key"), *ca = path_of(c, "ca.key");
	cleanup(cleanup_free) char *secret = path_of(c, "secret");
	cleanup(buf_fini) struct buf spki = BUF_INIT;

	mkdir(c->dir, 0700);
	c->key = pki_key_load_or_make(key, e);
	if (c->key == NULL || (c->ca = pki_key_load_or_make(ca, e)) == NULL || load_ca(c, e) < 0 ||
	    read_or_make(secret, c->secret, sizeof c->secret, e) < 0 || pki_key_spki(c->key, &spki, e) < 0)
		return -1;
	manifest_keys_derive(c->secret, &c->keys);
	return pki_issue(c->ca, c->ca_pem, spki.data, spki.len, "controller", RUN, now_s() - 60, now_s() + 3600,
			 &c->cert, e);
}

static int init(struct controller *c, struct err *e)
{
	uint8_t pin[PKI_PIN_SIZE];
	char hex[2 * sizeof pin + 1];

	if (pki_key_pin(c->key, pin, e) < 0)
		return -1;
	puts(hex_encode(pin, sizeof pin, hex));
	return 0;
}

/* ---- Connections ---- */

static struct stream *connect_once(struct worker *w, const struct tls_config *tls, struct err *e)
{
	struct stream *tcp = w->listener >= 0 ? stream_tcp_accept(w->listener, PATIENCE_NS, e)
					      : stream_tcp_dial(w->address, PATIENCE_NS, e);

	if (tcp == NULL)
		return NULL;
	return w->listener >= 0 ? stream_tls_server(tcp, tls, e) : stream_tls_client(tcp, tls, e);
}

/* A listener may meet the other worker first, or a connection that was given up meanwhile. */
static struct stream *connect_worker(struct worker *w, struct err *e)
{
	struct tls_trust trust = {
		.kind = w->pinned ? TLS_TRUST_PIN : TLS_TRUST_CA,
		.ca_pem = w->c->ca_pem,
		.role = w->role,
		.run = RUN,
		.now_s = now_s(),
	};
	struct tls_config tls = {
		.key = w->c->key,
		.cert_pem = buf_str(&w->c->cert),
		.trust = &trust,
		.trust_count = 1,
		.alpn = {TLS_ALPN_HTTP},
		.handshake_timeout_ns = PATIENCE_NS,
	};
	int64_t until = clock_mono_ns() + PATIENCE_NS;
	struct stream *s;

	memcpy(trust.pin, w->pin, sizeof trust.pin);
	do
		s = connect_once(w, &tls, e);
	while (s == NULL && w->listener >= 0 && clock_mono_ns() < until);
	if (s != NULL)
		stream_set_timeout(s, 2 * PATIENCE_NS);
	return s;
}

/* listener: of another worker on the same port, or -1. */
static int open_worker(struct worker *w, int listener, struct err *e)
{
	cleanup(cleanup_free) char *address = mem_printf("127.0.0.1:%s", w->address + 1);

	w->listener = w->address[0] != '@' ? -1 : listener >= 0 ? listener : stream_tcp_listen(address, e);
	if (w->address[0] == '@' && w->listener < 0)
		return -1;
	w->s = connect_worker(w, e);
	return w->s == NULL ? -1 : 0;
}

static int call(struct worker *w, const char *method, const char *path, const void *body, size_t len,
		struct http_response *res, struct err *e)
{
	if (http_call(w->s, method, path, len != 0 ? "application/json" : NULL, body, len, API_MAX_BODY, res, e) < 0)
		return err_wrap(e, "%s %s of the %s", method, path, w->role);
	return 0;
}

/* Wants a success; the worker's own error else. */
static int call_good(struct worker *w, const char *method, const char *path, const void *body, size_t len,
		     struct buf *out, struct err *e)
{
	struct http_response res = {.body = BUF_INIT};
	int rc = call(w, method, path, body, len, &res, e);

	if (rc == 0 && res.status / 100 != 2) {
		yyjson_doc *doc = yyjson_read(buf_str(&res.body), res.body.len, 0);
		yyjson_val *error = yyjson_obj_get(yyjson_doc_get_root(doc), "error");
		const char *kind = yyjson_get_str(yyjson_obj_get(error, "kind"));

		rc = err_set(e, kind != NULL ? err_kind_by_name(kind) : ERR_PROTOCOL, 0, "%s: %d %s", path, res.status,
			     buf_str(&res.body));
		yyjson_doc_free(doc);
	}
	if (rc == 0 && out != NULL)
		buf_add(out, res.body.data, res.body.len);
	buf_fini(&res.body);
	return rc;
}

/* ---- enrol ---- */

static int read_console(const char *path, uint8_t pin[PKI_PIN_SIZE], struct err *e)
{
	cleanup(cleanup_file) FILE *f = fopen(path, "re");
	char line[512], hex[65] = "";

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		const char *at = strstr(line, API_CONSOLE_KEY);

		if (at != NULL)
			memcpy(hex, at + strlen(API_CONSOLE_KEY), 64);
	}
	return hex_decode(hex, pin, PKI_PIN_SIZE) == 0 ? 0 : err_set(e, ERR_NOT_FOUND, 0, "no key in %s", path);
}

static int enrol(struct worker *w, const char *console, const char *lease, struct err *e)
{
	cleanup(buf_fini) struct buf spki = BUF_INIT, cert = BUF_INIT;

	w->pinned = true;
	if (read_console(console, w->pin, e) < 0 || open_worker(w, -1, e) < 0 ||
	    stream_tls_peer_spki(w->s, &spki, e) < 0 ||
	    pki_issue(w->c->ca, w->c->ca_pem, spki.data, spki.len, w->role, RUN, now_s() - 60, now_s() + 3600,
		      &cert, e) < 0)
		return -1;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_str(doc, root, "ca", w->c->ca_pem);
	yyjson_mut_obj_add_str(doc, root, "cert", buf_str(&cert));
	yyjson_mut_obj_add_int(doc, root, "time_ns", clock_wall_ns());
	yyjson_mut_obj_add_uint(doc, root, "lease_seconds", strtoul(lease, NULL, 10));
	cleanup(cleanup_free) char *body = yyjson_mut_write(doc, 0, NULL);
	yyjson_mut_doc_free(doc);
	return call_good(w, "POST", API_ENROL, body, strlen(body), NULL, e);
}

/* ---- sync ---- */

struct sync {
	struct worker source, target;
	bool source_dials;
	const char *dial;
	uint32_t chunk_size;
	uint64_t checkpoint_bytes;
	unsigned long kill_pages; /* 0: no */
	pid_t kill_pid;
	unsigned disks;
	struct {
		char source[64], target[64];
		uint64_t size;
		struct manifest *working;
		uint8_t root[MANIFEST_HASH];
		bool done;
	} disk[MAX_DISKS];
	char session[API_ATTEMPT_LEN + 1];
	unsigned connections;
	uint64_t acked;
	unsigned long pages;
	bool finished;
};

static int open_manifests(struct sync *y, struct err *e)
{
	for (unsigned i = 0; i < y->disks; i++) {
		cleanup(cleanup_free) char *path = mem_printf("%s/working-%u", y->source.c->dir, i);
		struct manifest_info info = {.size = y->disk[i].size,
					     .chunk_size = y->chunk_size,
					     .sector_size = 512,
					     .epoch = 1,
					     .job = "web1"};

		snprintf(info.disk, sizeof info.disk, "%s", y->disk[i].source);
		if (access(path, F_OK) == 0)
			y->disk[i].working = manifest_open(path, MANIFEST_WRITE, &y->source.c->keys, e);
		else
			y->disk[i].working = manifest_create(path, &info, &y->source.c->keys, e);
		if (y->disk[i].working == NULL)
			return -1;
	}
	return 0;
}

static int post_run(struct sync *y, bool source, struct err *e)
{
	struct worker *w = source ? &y->source : &y->target;
	cleanup(buf_fini) struct buf b = BUF_INIT;
	const char *options = getenv("RUN_OPTIONS");
	uint8_t id[API_ATTEMPT_LEN / 2];
	char key[65];

	if (pki_random(id, sizeof id, e) < 0)
		return -1;
	buf_addf(&b,
		 "{\"attempt\":\"%s\",\"kind\":\"%s\",\"key\":\"%s\",\"chunk_size\":%u,\"checkpoint_bytes\":%" PRIu64
		 ",\"checkpoint_ms\":60000,%s,\"read_back\":true,\"disks\":[",
		 hex_encode(id, sizeof id, w->attempt), source ? "export" : "import",
		 hex_encode(y->source.c->secret, 32, key), y->chunk_size, y->checkpoint_bytes,
		 options != NULL ? options : "\"compression\":\"zstd\",\"level\":1");
	for (unsigned i = 0; i < y->disks; i++)
		buf_addf(&b, "%s{\"index\":%u,\"serial\":\"%s\",\"size\":%" PRIu64 "}", i > 0 ? "," : "", i,
			 source ? y->disk[i].source : y->disk[i].target, y->disk[i].size);
	if (y->source_dials == source)
		buf_addf(&b, "],\"reconnect_ms\":8000,\"peer\":{\"dial\":\"%s\"", y->dial);
	else
		buf_adds(&b, "],\"reconnect_ms\":8000,\"peer\":{\"listen\":true");
	buf_addf(&b, ",\"session\":\"%s\",\"connections\":%u}}", y->session, y->connections);
	return call_good(w, "POST", API_RUN, b.data, b.len, NULL, e);
}

static int answer_want(struct sync *y, const struct feed_record *r, struct err *e)
{
	cleanup(cleanup_free) char *path = mem_printf(API_RUN_DISKS "%u/pages?attempt=%s&first=%" PRIu64, r->disk,
						      y->source.attempt, r->page);
	cleanup(buf_fini) struct buf body = BUF_INIT;

	for (uint64_t i = 0; i < r->count; i++) {
		if (manifest_read_page(y->disk[r->disk].working, r->page + i, buf_reserve(&body, FEED_PAGE_BYTES),
				       NULL, e) < 0)
			return -1;
		body.len += FEED_PAGE_BYTES;
	}
	return call_good(&y->source, "PUT", path, body.data, body.len, NULL, e);
}

static int act(struct sync *y, const struct feed_record *r, struct err *e)
{
	static const uint8_t unknown[MANIFEST_PAGE_HASHES];

	if (r->type < API_FEED_FINISHED && r->disk >= y->disks)
		return err_set(e, ERR_PROTOCOL, 0, "a record of disk %u", r->disk);
	switch (r->type) {
	case API_FEED_WANT:
		return answer_want(y, r, e);
	case API_FEED_INTENT:
		return manifest_write_page(y->disk[r->disk].working, r->page, unknown, e);
	case API_FEED_PAGE:
		if (manifest_write_page(y->disk[r->disk].working, r->page, r->payload, e) < 0)
			return -1;
		if (++y->pages == y->kill_pages && kill(y->kill_pid, SIGKILL) == 0)
			puts("killed");
		return 0;
	case API_FEED_DISK:
		memcpy(y->disk[r->disk].root, r->payload, MANIFEST_HASH);
		y->disk[r->disk].done = true;
		return 0;
	case API_FEED_FINISHED:
		y->finished = true;
		return 0;
	default:
		return err_set(e, r->kind, 0, "the run failed: %s", r->message);
	}
}

static int pump(struct sync *y, struct err *e)
{
	cleanup(buf_fini) struct buf body = BUF_INIT;
	struct feed_record r;
	char ask[96];
	int got, rc = 0;

	snprintf(ask, sizeof ask, "{\"attempt\":\"%s\",\"ack\":%" PRIu64 ",\"wait_ms\":1000}",
		 y->source.attempt, y->acked);
	if (call_good(&y->source, "POST", API_RUN_FEED, ask, strlen(ask), &body, e) < 0)
		return -1;
	const uint8_t *at = (const uint8_t *)body.data;
	size_t left = body.len;
	uint64_t seq = y->acked;
	while (rc == 0 && (got = feed_decode(&at, &left, &r, e)) != 0) {
		if (got < 0 || r.seq != seq + 1)
			return got < 0 ? -1 : err_set(e, ERR_PROTOCOL, 0, "the feed jumps to %" PRIu64, r.seq);
		rc = act(y, &r, e);
		seq = r.seq;
	}
	for (unsigned i = 0; i < y->disks; i++) {
		struct err second = ERR_INIT;

		if (manifest_sync(y->disk[i].working, rc < 0 ? &second : e) < 0)
			rc = -1;
	}
	if (rc == 0)
		y->acked = seq;
	return rc;
}

static int check_manifests(struct sync *y, struct err *e)
{
	for (unsigned i = 0; i < y->disks; i++) {
		uint8_t root[MANIFEST_HASH];
		uint64_t unknown;

		if (manifest_root(y->disk[i].working, root, &unknown, e) < 0)
			return -1;
		if (unknown != 0 || !y->disk[i].done || memcmp(root, y->disk[i].root, sizeof root) != 0)
			return err_set(e, ERR_CORRUPT, 0, "disk %u: %" PRIu64 " chunks unknown, root %s", i, unknown,
				       y->disk[i].done ? "differs or not" : "missing");
	}
	return 0;
}

/* Sums over all disks of a status. */
static int print_sums(struct worker *w, struct err *e)
{
	static const char *const names[] = {"size", "scanned",   "zero",    "unchanged",
					    "sent", "sent_wire", "written", "verified"};
	cleanup(buf_fini) struct buf body = BUF_INIT;

	if (call_good(w, "GET", API_STATUS, NULL, 0, &body, e) < 0)
		return -1;
	yyjson_doc *doc = yyjson_read(buf_str(&body), body.len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *disk;
	printf("%s %s", w->role, yyjson_get_str(yyjson_obj_get(root, "state")));
	for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
		uint64_t sum = 0;
		size_t i, count;

		yyjson_arr_foreach(yyjson_obj_get(root, "disks"), i, count, disk)
			sum += yyjson_get_uint(yyjson_obj_get(disk, names[n]));
		printf(" %s=%" PRIu64, names[n], sum);
	}
	yyjson_val *link = yyjson_obj_get(root, "link");
	printf(" cuts=%" PRIu64 " resent=%" PRIu64, yyjson_get_uint(yyjson_obj_get(link, "cuts")),
	       yyjson_get_uint(yyjson_obj_get(link, "resent")));
	printf(" wire_in=%" PRIu64 " wire_out=%" PRIu64 "\n",
	       yyjson_get_uint(yyjson_obj_get(yyjson_obj_get(root, "wire"), "in")),
	       yyjson_get_uint(yyjson_obj_get(yyjson_obj_get(root, "wire"), "out")));
	yyjson_doc_free(doc);
	return 0;
}

static int wait_finished(struct worker *w, struct err *e)
{
	for (int64_t until = clock_mono_ns() + PATIENCE_NS; clock_mono_ns() < until; clock_sleep_ns(50 * NS_PER_MS)) {
		cleanup(buf_fini) struct buf body = BUF_INIT;

		if (call_good(w, "GET", API_STATUS, NULL, 0, &body, e) < 0)
			return -1;
		if (strstr(buf_str(&body), "\"state\":\"running\"") == NULL)
			return 0;
	}
	return err_set(e, ERR_TIMEOUT, 0, "the %s still runs", w->role);
}

static int sync_disks(struct sync *y, struct err *e)
{
	uint8_t session[API_ATTEMPT_LEN / 2];

	if (open_worker(&y->source, -1, e) < 0 || open_worker(&y->target, y->source.listener, e) < 0 ||
	    open_manifests(y, e) < 0)
		return -1;
	if (pki_random(session, sizeof session, e) < 0)
		return -1;
	hex_encode(session, sizeof session, y->session);
	/* The listener first, then the dialer; the other order must do as well, within seconds. */
	if (post_run(y, !y->source_dials, e) < 0 || post_run(y, y->source_dials, e) < 0)
		return -1;
	while (!y->finished)
		if (pump(y, e) < 0)
			return -1;
	if (check_manifests(y, e) < 0 || wait_finished(&y->target, e) < 0)
		return -1;
	return print_sums(&y->source, e) < 0 ? -1 : print_sums(&y->target, e);
}

static int parse_sync(struct sync *y, int argc, char **argv, struct err *e)
{
	int at = 6;

	if (argc < 8)
		return err_set(e, ERR_USAGE, 0, "sync wants more arguments");
	y->source = (struct worker){.c = y->source.c, .role = "source", .address = argv[0]};
	y->target = (struct worker){.c = y->source.c, .role = "target", .address = argv[1]};
	y->source_dials = strcmp(argv[2], "source-dials") == 0;
	y->dial = argv[3];
	y->chunk_size = (uint32_t)strtoul(argv[4], NULL, 10);
	y->checkpoint_bytes = strtoull(argv[5], NULL, 10);
	y->connections = 1;
	if (sscanf(argv[at], "x%u", &y->connections) == 1)
		at++;
	if (strcmp(argv[at], "--") != 0) {
		int pid;

		if (sscanf(argv[at++], "%lu:%d", &y->kill_pages, &pid) != 2)
			return err_set(e, ERR_USAGE, 0, "KILL is PAGES:PID");
		y->kill_pid = pid;
	}
	for (at++; at < argc && y->disks < MAX_DISKS; at++, y->disks++)
		if (sscanf(argv[at], "%63[^:]:%63[^:]:%" SCNu64, y->disk[y->disks].source, y->disk[y->disks].target,
			   &y->disk[y->disks].size) != 3)
			return err_set(e, ERR_USAGE, 0, "a disk is SERIAL:SERIAL:SIZE");
	return 0;
}

static int cmd_sync(struct controller *c, int argc, char **argv, struct err *e)
{
	struct sync *y = mem_alloc(sizeof *y);

	y->source.c = c;
	int rc = parse_sync(y, argc, argv, e) < 0 ? -1 : sync_disks(y, e);
	for (unsigned i = 0; i < y->disks; i++)
		manifest_close(y->disk[i].working);
	stream_close(y->source.s);
	stream_close(y->target.s);
	free(y);
	return rc;
}

static int cmd_call(struct controller *c, int argc, char **argv, struct err *e)
{
	struct worker w = {.c = c, .role = argv[0], .address = argv[1]};
	struct http_response res = {.body = BUF_INIT};
	const char *body = argc > 4 ? argv[4] : "";

	int rc = open_worker(&w, -1, e) < 0 ? -1 : call(&w, argv[2], argv[3], body, strlen(body), &res, e);
	if (rc == 0)
		printf("%d %s\n", res.status, buf_str(&res.body));
	buf_fini(&res.body);
	stream_close(w.s);
	return rc;
}

static int command(struct controller *c, int argc, char **argv, struct err *e)
{
	if (argc == 1 && strcmp(argv[0], "init") == 0)
		return init(c, e);
	if (argc == 5 && strcmp(argv[0], "enrol") == 0) {
		struct worker w = {.c = c, .role = argv[1], .address = argv[2]};
		int rc = enrol(&w, argv[3], argv[4], e);

		stream_close(w.s);
		return rc;
	}
	if (argc >= 5 && strcmp(argv[0], "call") == 0)
		return cmd_call(c, argc - 1, argv + 1, e);
	if (argc > 1 && strcmp(argv[0], "sync") == 0)
		return cmd_sync(c, argc - 1, argv + 1, e);
	return err_set(e, ERR_USAGE, 0, "no such command; see the top of worker_controller.c");
}

int main(int argc, char **argv)
{
	struct controller c = {.dir = argc > 1 ? argv[1] : "."};
	struct err e = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	int rc = argc < 3 ? err_set(&e, ERR_USAGE, 0, "DIR and a command are missing") : load(&c, &e);
	if (rc == 0)
		rc = command(&c, argc - 2, argv + 2, &e);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", err_kind_name(e.kind), e.msg);
	pki_key_free(c.key);
	pki_key_free(c.ca);
	free(c.ca_pem);
	buf_fini(&c.cert);
	return rc < 0 ? err_exit_status(e.kind) : 0;
}
