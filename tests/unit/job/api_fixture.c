// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/api_fixture.h"
#include "net/api_names.h"
#include "net/stream_mem.h"

/* ---- A disk source of one disk, an engine that does as it is told ---- */

static int fake_list(struct disk_source *s, struct disk_list *out, struct err *e)
{
	struct disk_entry *d = vec_push(&out->list);

	(void)s;
	(void)e;
	*d = (struct disk_entry){
		.name = "vda", .serial = "a", .size = 65536, .logical_sector = 512, .physical_sector = 4096};
	return 0;
}

static struct block *fake_open(struct disk_source *s, const char *serial, enum block_mode mode, unsigned depth,
			       struct err *e)
{
	struct fake_disks *f = (struct fake_disks *)s;

	f->mode = mode;
	if (!f->absent && strcmp(serial, "a") == 0)
		return block_mem_open(f->disk, mode, depth);
	err_set(e, ERR_NOT_FOUND, 0, "no disk %s", serial);
	return NULL;
}

static int fake_set_time(struct disk_source *s, int64_t wall_ns, struct err *e)
{
	(void)s;
	(void)wall_ns;
	return err_set(e, ERR_UNSUPPORTED, 0, "no clock");
}

static const struct disk_source_ops fake_disk_ops = {.list = fake_list, .open = fake_open, .set_time = fake_set_time};

struct script script;

static int play(const struct copy_config *c, bool peer, struct err *e)
{
	struct script *s = &script;

	s->epoch = c->hello.epoch;
	s->had_peer = peer;
	memcpy(s->job, c->hello.job, sizeof s->job);
	atomic_fetch_add(&c->disks[0].progress->scanned, 4096);
	atomic_fetch_add(&s->started, 1);
	while (!s->go_on && !*c->cancel)
		clock_sleep_ns(NS_PER_MS);
	if (*c->cancel)
		return err_set(e, ERR_NETWORK, 0, "cut while stopping");
	return s->kind == ERR_NONE ? 0 : err_set(e, s->kind, 0, "as told \"so\"");
}

static void open_after_wake(const struct copy_link *link)
{
	struct err e = ERR_INIT;

	link->wake(link->ctx);
	for (unsigned i = 0; i < script.opens; i++)
		script.unopened += link->open(link->ctx, &e) == NULL && e.kind == ERR_TIMEOUT;
}

static int play_linked(const struct copy_config *c, const struct copy_link *link, struct err *e)
{
	int rc = play(c, link->first != NULL, e);

	if (script.opens > 0)
		open_after_wake(link);
	link->close(link->ctx, link->first);
	return rc;
}

static int fake_export(const struct copy_config *c, const struct copy_link *link, struct ledger *l, struct err *e)
{
	(void)l;
	return play_linked(c, link, e);
}

static int fake_import(const struct copy_config *c, const struct copy_link *link, struct err *e)
{
	return play_linked(c, link, e);
}

static int fake_scan(const struct copy_config *c, struct ledger *l, struct err *e)
{
	uint64_t ticket;

	if (script.wants_page)
		return ledger_read_page(l, 0, 0, script.page, e);
	if (script.intends)
		return ledger_intend(l, 0, 0, &ticket, e) < 0 ? -1 : ledger_wait(l, ticket, e);
	return play(c, false, e);
}

static const struct run_engine fake_engine = {
	.export = fake_export, .import = fake_import, .scan = fake_scan, .local = fake_scan};

/* ---- A worker without network ---- */

static void count_enrolled(void *ctx)
{
	((struct worker *)ctx)->enrolled++;
}

static void count_off(void *ctx)
{
	((struct worker *)ctx)->off++;
}

static struct stream *fake_dial(void *ctx, const char *address, struct err *e)
{
	struct worker *w = ctx;
	struct stream *end[2];

	if (w->dials++ < 2) {
		err_set(e, ERR_NETWORK, 0, "%s refuses", address);
		return NULL;
	}
	stream_mem_pair(4096, end);
	w->far = end[1];
	return end[0];
}

struct worker *worker_new(enum wire_role role, bool enrolled)
{
	struct worker *w = mem_alloc(sizeof *w);
	struct err e = ERR_INIT;

	memset(&script, 0, sizeof script);
	w->boot = (struct bootdata){.job = "web1", .run = "r1", .epoch = 9, .role = role, .lease_seconds = 60};
	w->disks.source.ops = &fake_disk_ops;
	w->disks.disk = mem_disk_new("vda", 65536, 512, false);
	w->log = (struct log){.fd = -1, .level = LOG_ERROR, .name = "test"};
	lease_set(&w->lease, 60);
	struct runner_config config = {
		.boot = &w->boot, .engine = &fake_engine, .disks = &w->disks.source, .log = &w->log, .dial = fake_dial,
		.dial_ctx = w, .peer_timeout_ns = 20 * NS_PER_S,
	};
	w->api = (struct api){
		.boot = &w->boot,
		.identity = identity_new(&w->boot, &e),
		.lease = &w->lease,
		.runner = runner_new(&config),
		.disks = &w->disks.source,
		.log = &w->log,
		.enrolled = count_enrolled,
		.poweroff = count_off,
		.ctx = w,
	};
	w->conn = (struct api_conn){.api = &w->api};
	assert_non_null(w->api.identity);
	if (enrolled)
		assert_int_equal(identity_enrol(w->api.identity, "-----BEGIN CERTIFICATE-----\nca",
						"-----BEGIN CERTIFICATE-----\nx", INT64_C(1800000000) * NS_PER_S,
						&e),
				 0);
	return w;
}

void worker_free(struct worker *w)
{
	runner_shut(w->api.runner);
	runner_free(w->api.runner);
	identity_free(w->api.identity);
	mem_disk_free(w->disks.disk);
	stream_close(w->far);
	buf_fini(&w->res.body);
	free(w);
}

int ask(struct worker *w, const char *method, const char *path, const char *body)
{
	struct http_request req = {.body = BUF_INIT};
	const char *query = strchr(path, '?');

	strcpy(req.method, method);
	memcpy(req.path, path, query != NULL ? (size_t)(query - path) : strlen(path));
	strcpy(req.query, query != NULL ? query + 1 : "");
	buf_adds(&req.body, body);
	buf_fini(&w->res.body);
	w->res = (struct http_response){.status = 200};
	api_handle(&w->conn, &req, &w->res);
	buf_fini(&req.body);
	return w->res.status;
}

void assert_body_has(struct worker *w, const char *text)
{
	if (strstr(buf_str(&w->res.body), text) == NULL)
		fail_msg("no %s in %s", text, buf_str(&w->res.body));
}

void wait_for_state(struct worker *w, const char *state)
{
	char *want = mem_printf("\"state\":\"%s\"", state);

	for (int i = 0; i < 20000; i++) {
		assert_int_equal(ask(w, "GET", API_STATUS, ""), 200);
		if (strstr(buf_str(&w->res.body), want) != NULL)
			break;
		clock_sleep_ns(NS_PER_MS);
	}
	assert_body_has(w, want);
	free(want);
}
