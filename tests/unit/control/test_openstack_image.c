// SPDX-License-Identifier: Apache-2.0
/* Worker images in Glance. */
#include <fcntl.h>
#include <sys/stat.h>

#include "image.h"
#include "openstack_fixture.h"

#define ABOUT   "wherry1 v=0.1.0 w=2 s=5cb138284d431abd6a053a56625ec088bfb88912bec9a2fb6a1b8d1a9ef0cfb4 f=any n=9"
#define IMAGES  "GET /9292/v2/images?"
#define OURS    "8d1aff806790464497953ef6d5914827"
#define IMAGE   "{\"id\":\"i1\",\"owner\":\"" OURS "\",\"name\":\"wherry-0.1.0-5cb13828\",\"status\":\"%s\",\"size\":%s,\"created_at\":\"2026-11-21T13:00:00Z\"," \
		"\"min_ram\":256,\"min_disk\":0,\"hw_disk_bus\":\"virtio\",\"wherry_image\":\"" ABOUT "\"}"

static int set_up(void **state)
{
	return set_up_with(state, "read.txt");
}

static void images_are(struct world *w, const char *status, const char *size, unsigned times)
{
	char reply[600];

	snprintf(reply, sizeof reply, "{\"images\":[{\"id\":\"i0\",\"name\":\"theirs\",\"status\":\"active\"}," IMAGE "]}", status, size);
	rest_replay_fault(w->cloud, IMAGES, 200, reply, 0, times);
}

static int set_up_real(void **state)
{
	return set_up_with(state, "image.txt");
}

static void remember(struct image_file *f)
{
	struct stat st;

	assert_int_equal(fstat(f->fd, &st), 0);
	f->changed = st.st_mtim;
}

/* What a real Glance said to two uploads of one file. */
static void upload_twice_to_a_real_cloud_sends_once(void **state)
{
	struct world *w = opened(state);
	struct image_file f = {.format = "qcow2", .size = 13500416, .version = "0.1.0", .wire = 2,
			       .sha256 = "90da7bd94a79f86f1b96bcaafa68e08db3199f7f4f2dd1c859d04748b4db0efa",
			       .sha512 = "21c252b483979ee2bbaad418a6f4c72fd35e5a2d8e2124ddd3a5214c3cdbde2f"
					 "d0b03eb8038e1599f0e9ef7ff7086dc5abe2b905cb3c63bd39702239d9083a3c"};
	struct image_upload u = {.file = &f, .firmware = "any", .patience_ns = 1};
	struct cloud c = {.p = w->p, .patience_ns = 1};
	struct image_list l;
	char id[RES_ID_SIZE];

	snprintf(f.path, sizeof f.path, "%s/wherry.qcow2", w->dir);
	f.fd = open(f.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(f.fd, (off_t)f.size), 0);
	remember(&f);
	ok(image_list(&c, &l, e));
	assert_int_equal(l.list.len, 0);
	ok(image_upload(w->p, &u, e));
	assert_true(u.sent);
	ok(image_upload(w->p, &u, e));
	assert_false(u.sent);
	assert_int_equal(rest_replay_seen(w->cloud, "PUT /9292"), 1);
	ok(image_choose(w->p, id, e));
	assert_string_equal(id, "9a2106fc-015e-48ba-b211-1b24cf96293a");
	image_file_close(&f);
}

/* A file of "image one" and what is known of it. */
static struct image_file a_file(struct world *w)
{
	struct image_file f = {.format = "qcow2", .size = 9, .version = "0.1.0", .wire = 2,
			       .sha256 = "5cb138284d431abd6a053a56625ec088bfb88912bec9a2fb6a1b8d1a9ef0cfb4"};

	snprintf(f.path, sizeof f.path, "%s/wherry.qcow2", w->dir);
	temp_write(f.path, "image one", 9);
	f.fd = open(f.path, O_RDONLY | O_CLOEXEC);
	remember(&f);
	return f;
}

static void count(void *ctx, uint64_t sent)
{
	uint64_t *most = ctx;

	*most = sent > *most ? sent : *most;
}

static void upload_sends_the_file_with_what_a_worker_needs(void **state)
{
	struct world *w = opened(state);
	struct image_file f = a_file(w);
	uint64_t most = 0;
	struct image_upload u = {.file = &f, .firmware = "uefi", .progress = count, .ctx = &most, .patience_ns = 1};

	rest_replay_fault(w->cloud, IMAGES, 200, "{\"images\":[]}", 0, 1);
	rest_replay_fault(w->cloud, "POST /9292/v2/images", 201, "{\"id\":\"i1\",\"status\":\"queued\"}", 0, 1);
	rest_replay_fault(w->cloud, "PUT /9292/v2/images/i1/file", 204, "", 0, 1);
	images_are(w, "active", "9", 2);
	ok(image_upload(w->p, &u, e));
	assert_true(u.sent);
	const char *body = rest_replay_body(w->cloud, "POST /9292/v2/images");
	assert_has(body, "{\"name\":\"wherry-0.1.0-5cb13828-uefi\",\"disk_format\":\"qcow2\",\"container_format\":\"bare\",\"min_ram\":256");
	assert_has(body, "\"hw_disk_bus\":\"virtio\",\"hw_vif_model\":\"virtio\"");
	assert_has(body, "\"hw_firmware_type\":\"uefi\"");
	assert_string_equal(rest_replay_body(w->cloud, "PUT /9292/v2/images/i1/file"), "image one");
	assert_int_equal(most, 9);
	u.firmware = "any";
	ok(image_upload(w->p, &u, e));
	assert_false(u.sent);
	assert_int_equal(rest_replay_seen(w->cloud, "PUT /9292"), 1);
	image_file_close(&f);
}

static void upload_of_what_is_queued_goes_on_with_it(void **state)
{
	struct world *w = opened(state);
	struct image_file f = a_file(w);
	struct image_upload u = {.file = &f, .firmware = "any", .patience_ns = 1};

	images_are(w, "queued", "null", 1);
	rest_replay_fault(w->cloud, "PUT /9292/v2/images/i1/file", 204, "", 0, 1);
	images_are(w, "active", "9", 1);
	ok(image_upload(w->p, &u, e));
	assert_true(u.sent);
	assert_int_equal(rest_replay_seen(w->cloud, "POST /9292"), 0);
	image_file_close(&f);
}

static void upload_each_refusal_is_a_sentence(void **state)
{
	static const struct {
		const char *call;
		int status;
		const char *reply;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{"POST /9292/v2/images", 403, "<html><h1>403 Forbidden</h1>You are not authorized</html>", ERR_DENIED,
		 "creating image wherry-0.1.0-5cb13828 in openstack project lab"},
		{"POST /9292/v2/images", 413, "{\"message\":\"Request returned a quota failure\"}", ERR_NO_SPACE, "a quota failure (HTTP 413"},
		{"PUT /9292/v2/images/i1/file", 413, "Denying attempt to upload image because it exceeds the quota", ERR_NO_SPACE,
		 "sending image wherry-0.1.0-5cb13828 (i1) to openstack project lab"},
		{"PUT /9292/v2/images/i1/file", 409, "Image status transition from saving to saving is not allowed", ERR_BUSY, "from saving"},
		{"PUT /9292/v2/images/i1/file", 0, "", ERR_NETWORK, "sending image"},
	};
	struct world *w = opened(state);
	struct image_file f = a_file(w);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct image_upload u = {.file = &f, .firmware = "any", .patience_ns = 1};
		unsigned removed = rest_replay_seen(w->cloud, "DELETE /9292/v2/images/i1");
		bool made = cases[i].call[1] == 'U';

		rest_replay_fault(w->cloud, IMAGES, 200, "{\"images\":[]}", 0, 1);
		if (made)
			rest_replay_fault(w->cloud, "POST /9292/v2/images", 201, "{\"id\":\"i1\"}", 0, 1);
		if (made && cases[i].kind != ERR_BUSY)
			rest_replay_fault(w->cloud, "DELETE /9292/v2/images/i1", 204, "", 0, 1);
		rest_replay_fault(w->cloud, cases[i].call, cases[i].status, cases[i].reply, 0, 1);
		refused(image_upload(w->p, &u, e), cases[i].kind, cases[i].words);
		/* What was made for nothing is taken away, but not from under another upload. */
		assert_int_equal(rest_replay_seen(w->cloud, "DELETE /9292/v2/images/i1") - removed, made && cases[i].kind != ERR_BUSY);
	}
	image_file_close(&f);
}

/* An administrator's list has the images of all projects, a member's those that others share. */
static void images_of_other_projects_are_neither_booted_nor_removed(void **state)
{
	struct world *w = opened(state);
	struct cloud c = {.p = w->p, .patience_ns = 1};
	char id[RES_ID_SIZE];
	unsigned removed = 0;

	rest_replay_fault(w->cloud, IMAGES, 200, "{\"images\":[{\"id\":\"i2\",\"owner\":\"another\",\"name\":\"wherry-0.1.0-5cb13828\","
			  "\"status\":\"active\",\"size\":9,\"wherry_image\":\"" ABOUT "\"}]}", 0, 2);
	refused(image_choose(w->p, id, e), ERR_NOT_FOUND, "has no worker image");
	refused(image_remove(&c, "wherry-0.1.0-5cb13828", &removed, e), ERR_NOT_FOUND, "has no worker image");
	assert_int_equal(rest_replay_seen(w->cloud, "DELETE /9292"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(upload_twice_to_a_real_cloud_sends_once, set_up_real, tear_down),
		cmocka_unit_test_setup_teardown(upload_sends_the_file_with_what_a_worker_needs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_of_what_is_queued_goes_on_with_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_each_refusal_is_a_sentence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(images_of_other_projects_are_neither_booted_nor_removed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
