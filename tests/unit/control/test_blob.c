// SPDX-License-Identifier: Apache-2.0
/* Whose a blob is: leases, what stands beside it, and what would go with it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "fakes/rest_replay.h"
#include "provider_blob.h"
#include "unit.h"

#define KEY    "c2VjcmV0LWNhbmFyeQ==" /* of any length */
#define VHD    "/acct/disks/wherry-t-disk0.vhd"
#define NOTE   "/acct/disks/wherry-t-disk0.json"
#define LEASE  "PUT " VHD "?comp=lease"
#define LIST   "GET /acct/disks?comp=list"
#define OURS   "ETag: \"e7\"\r\nx-ms-meta-wherry: wherry1 o=me j=t r=run1 e=3 p=replica x=0 g=1 d=0 n=wherry-t-disk0\r\n"
#define OTHERS "ETag: \"e8\"\r\nx-ms-meta-wherry: wherry1 o=you j=t r=run1 e=3 p=replica x=0 g=1 d=0 n=wherry-t-disk0\r\n"
#define PAGE(blobs, marker) "<?xml?><EnumerationResults><Blobs>" blobs "</Blobs><NextMarker>" marker "</NextMarker></EnumerationResults>"
#define SNAPSHOT(name, tags) "<Blob><Name>" name "</Name><Snapshot>2026-11-21T00:00:00Z</Snapshot><Metadata>" tags "</Metadata></Blob>"
#define KEPT "<wherry>wherry1 o=me j=t r=run1 e=3 p=generation x=0 g=1 d=0 n=gen1</wherry>"

struct world {
	struct rest_replay *store;
	struct log log;
	struct provider *p;
	struct res_ref disk;
};

static int set_up(void **state)
{
	struct world *w = mem_alloc(sizeof *w);

	*w = (struct world){.disk = {.kind = RES_DISK, .name = "wherry-t-disk0", .id = "wherry-t-disk0.vhd",
				     .tags = {.owner = "me", .job = "t", .run = "run1", .epoch = 3, .purpose = PURPOSE_REPLICA}}};
	w->store = rest_replay_start(NULL);
	w->log = (struct log){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC), .level = LOG_WARN, .name = "test"};
	unsetenv("AZURE_STORAGE_CONNECTION_STRING");
	setenv("AZURE_STORAGE_KEY", KEY, 1);
	cleanup(cleanup_free) char *block = mem_printf("{\"provider\":\"blob\",\"storage_account_name\":\"acct\",\"lease_seconds\":15,"
						       "\"storage_container_name\":\"disks\",\"endpoint\":\"http://127.0.0.1:%d/acct\"}",
						       rest_replay_port(w->store));
	struct err e = ERR_INIT;
	struct json_doc *doc = json_parse(block, strlen(block), "job", &e);
	struct json_at at = json_root(doc);
	w->p = provider_blob_ops.open(&at, &w->log, &e);
	assert_string_equal(json_findings(doc), "");
	json_free(doc);
	assert_non_null(w->p);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	provider_close(w->p);
	rest_replay_stop(w->store);
	close(w->log.fd);
	free(w);
	return 0;
}

static void is_there(struct world *w, const char *blob, const char *headers)
{
	cleanup(cleanup_free) char *part = mem_printf("HEAD %s", blob);

	rest_replay_answer(w->store, part, headers != NULL ? 200 : 404, headers != NULL ? headers : "", "", 1000);
}

static int lock(struct world *w, struct err *e)
{
	return w->p->ops->replica_lock(w->p, &w->disk, "a run", e);
}

static void locked(struct world *w)
{
	is_there(w, VHD, OURS);
	rest_replay_answer(w->store, LEASE, 201, "", "", 1);
	rest_replay_answer(w->store, "PUT " VHD "?comp=metadata", 200, "", "", 1);
	ok(lock(w, e));
}

static char *lease_id(struct world *w)
{
	static const char name[] = "x-ms-proposed-lease-id: ";
	const char *at = strstr(rest_replay_head(w->store, LEASE), name);

	assert_non_null(at);
	return mem_printf("%.36s", at + strlen(name));
}

/* ---- Leases ---- */

static void replica_lock_lost_reply_asks_for_the_same_lease(void **state)
{
	struct world *w = *state;

	rest_replay_answer(w->store, LEASE, 0, "", "", 1);
	is_there(w, VHD, OURS);
	refused(lock(w, e), ERR_NETWORK, VHD);
	cleanup(cleanup_free) char *first = lease_id(w);
	locked(w);
	cleanup(cleanup_free) char *second = lease_id(w);
	assert_string_equal(first, second);
	assert_has(rest_replay_head(w->store, "comp=metadata"), first);
	assert_has(rest_replay_head(w->store, "comp=metadata"), "If-Match: \"e7\"");
}

static void replica_lock_held_one_is_not_asked_for_again(void **state)
{
	struct world *w = *state;

	locked(w);
	unsigned seen = rest_replay_seen(w->store, LEASE);
	ok(lock(w, e));
	assert_int_equal(rest_replay_seen(w->store, LEASE), seen);
}

/* Renewed by itself; once it is refused, who holds it is told so, and goes on naming it: the service refuses the rest. */
static void replica_lock_taken_away_is_told(void **state)
{
	struct world *w = *state;
	struct err why = ERR_INIT;

	locked(w);
	cleanup(cleanup_free) char *id = lease_id(w);
	rest_replay_answer(w->store, LEASE, 503, "", "", 1);
	rest_replay_answer(w->store, LEASE, 409, "x-ms-error-code: LeaseIsBrokenAndCannotBeRenewed\r\n", "", 1000);
	for (int i = 0; i < 300 && lock(w, &why) == 0; i++)
		clock_sleep_ns(100 * NS_PER_MS);
	assert_int_equal(why.kind, ERR_BUSY);
	assert_has(why.msg, "taken away (409 LeaseIsBrokenAndCannotBeRenewed)");
	assert_int_equal(rest_replay_seen(w->store, LEASE), 3);
	rest_replay_answer(w->store, "?comp=properties", 412, "x-ms-error-code: LeaseLost\r\n", "", 1);
	refused(w->p->ops->disk_resize(w->p, &w->disk, 1 << 20, e), ERR_BUSY, "the lease of this run has ended");
	assert_has(rest_replay_head(w->store, "?comp=properties"), id);
}

static void disk_access_without_a_lease_is_for_reading(void **state)
{
	struct world *w = *state;
	struct disk_access a;

	refused(w->p->ops->disk_access(w->p, &w->disk, false, "10.0.2.2", &a, e), ERR_INTERNAL, "without a lease");
	ok(w->p->ops->disk_access(w->p, &w->disk, true, "10.0.2.2", &a, e));
	assert_has(a.token, "sr=b&sp=r&");
	assert_string_equal(a.lease, "");
	disk_access_fini(&a);
	locked(w);
	cleanup(cleanup_free) char *id = lease_id(w);
	ok(w->p->ops->disk_access(w->p, &w->disk, false, "10.0.2.2", &a, e));
	assert_has(a.token, "sr=b&sp=rw&");
	assert_string_equal(a.lease, id);
	disk_access_fini(&a);
}

/* ---- What stands beside it ---- */

static void replica_describe_writes_over_nothing_but_its_own(void **state)
{
	static const struct {
		const char *there, *condition; /* condition NULL: refused */
	} cases[] = {
		{NULL, "If-None-Match: *"},
		{OURS, "If-Match: \"e7\""},
		{OTHERS, NULL},
		{"ETag: \"e9\"\r\n", NULL},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unsigned puts = rest_replay_seen(w->store, "PUT " NOTE);

		rest_replay_answer(w->store, "HEAD " NOTE, cases[i].there != NULL ? 200 : 404, cases[i].there != NULL ? cases[i].there : "",
				   "", 1);
		if (cases[i].condition == NULL) {
			refused(w->p->ops->replica_describe(w->p, &w->disk, "{}", e), ERR_BUSY, "is left alone");
			assert_int_equal(rest_replay_seen(w->store, "PUT " NOTE), puts);
			continue;
		}
		rest_replay_answer(w->store, "PUT " NOTE, 201, "", "", 1);
		ok(w->p->ops->replica_describe(w->p, &w->disk, "{}", e));
		assert_has(rest_replay_head(w->store, "PUT " NOTE), cases[i].condition);
		assert_has(rest_replay_head(w->store, "PUT " NOTE), "x-ms-meta-wherry: wherry1 o=me j=t ");
	}
}

/* ---- Removing ---- */

static void remove_takes_its_own_description_and_leaves_anothers(void **state)
{
	struct world *w = *state;

	is_there(w, VHD, OURS);
	rest_replay_answer(w->store, LIST, 200, "", PAGE("", ""), 1000);
	rest_replay_answer(w->store, "DELETE ", 202, "", "", 1000);
	rest_replay_answer(w->store, "HEAD " NOTE, 200, OTHERS, "", 1);
	ok(w->p->ops->remove(w->p, &w->disk, e));
	assert_int_equal(rest_replay_seen(w->store, "DELETE " NOTE), 0);
	assert_int_equal(rest_replay_seen(w->store, "DELETE " VHD), 1);
	assert_has(rest_replay_head(w->store, "DELETE " VHD), "If-Match: \"e7\"");
	rest_replay_answer(w->store, "HEAD " NOTE, 200, OURS, "", 1);
	ok(w->p->ops->remove(w->p, &w->disk, e));
	assert_has(rest_replay_head(w->store, "DELETE " NOTE), "If-Match: \"e7\"");
}

static void remove_foreign_snapshot_on_any_page_keeps_the_blob(void **state)
{
	struct world *w = *state;

	is_there(w, VHD, OURS);
	is_there(w, NOTE, NULL);
	rest_replay_answer(w->store, "DELETE ", 202, "", "", 1000);
	rest_replay_answer(w->store, LIST, 200, "", PAGE("", "m1"), 1);
	rest_replay_answer(w->store, "marker=m1", 200, "", PAGE(SNAPSHOT("wherry-t-disk0.vhd", KEPT), "m2"), 1);
	rest_replay_answer(w->store, "marker=m2", 200, "", PAGE(SNAPSHOT("wherry-t-disk0.vhd", ""), ""), 1);
	refused(w->p->ops->remove(w->p, &w->disk, e), ERR_REFUSED, "was not made by this program and would go with it");
	assert_int_equal(rest_replay_seen(w->store, "DELETE "), 0);
	/* Of another blob whose name begins so. */
	rest_replay_answer(w->store, LIST, 200, "", PAGE(SNAPSHOT("wherry-t-disk0.vhd", KEPT) SNAPSHOT("wherry-t-disk0.vhdx", ""), ""), 1);
	ok(w->p->ops->remove(w->p, &w->disk, e));
	assert_int_equal(rest_replay_seen(w->store, "DELETE " VHD), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replica_lock_lost_reply_asks_for_the_same_lease, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_lock_held_one_is_not_asked_for_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_lock_taken_away_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(disk_access_without_a_lease_is_for_reading, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_describe_writes_over_nothing_but_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remove_takes_its_own_description_and_leaves_anothers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remove_foreign_snapshot_on_any_page_keeps_the_blob, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
