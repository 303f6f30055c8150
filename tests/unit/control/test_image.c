// SPDX-License-Identifier: Apache-2.0
/* Worker images: which one is used, what an upload sends, what is old; and the commands on top. The cloud keeps its images
 * in memory, one list per region. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/hex.h"
#include "commands.h"
#include "image.h"
#include "net/pki.h"
#include "net/wire.h"
#include "unit.h"

/* `sha512sum` of "image one" and of "image two". */
#define SUM_ONE "407b7f0901b57d9cccc90e777c4cf9619c21afcdd4b485721fc0ac39f9b4b825" \
	"d423b2247b697b2602811f729a2f584c67e106eefd31cbce98a0235c14e1abc4"
#define SUM_TWO "4bb4a3c15a3da9d8a7827fb8184e0fcf0b3b5789075a3ee6f9a84906fafbd2bc" \
	"f739645ca4250c83d8aff1e488cdf3969c02dfd397b04fb02507d26cdebeebec"

struct kept {
	struct cloud_image image;
	char firmware[8], region[8];
	bool removed;
};

/* A provider's open() gets no context. */
static struct {
	VEC(struct kept) images;
	unsigned sends;
	unsigned finished;
	enum err_kind refuse_send, refuse_remove, refuse_finish;
	enum step { NONE, LIST, CREATE, SEND, LIST_SENT, REMOVE } lost; /* the reply of that call, once */
	uint64_t lose;       /* bytes of the next image that get lost */
	const char *sum;     /* of the next image; NULL: the cloud makes none */
	unsigned never;      /* images that stay PENDING after they were sent */
	atomic_bool *cancel; /* set when the next bytes are sent */
	const char *rebuild; /* a file that is written to when the next bytes are sent */
} cloud;

struct kept_provider {
	struct provider p;
	char region[8];
};

/* Once: whatever the call did, its caller hears nothing of it. */
static int reply(enum step step, struct err *e)
{
	if (cloud.lost != step)
		return 0;
	cloud.lost = NONE;
	return err_set(e, ERR_NETWORK, 0, "connection reset");
}

static int list(struct provider *p, struct cloud_images *out, struct err *e)
{
	const struct kept_provider *k = (struct kept_provider *)p;

	if (reply(cloud.sends == 0 ? LIST : LIST_SENT, e) < 0)
		return -1;
	for (size_t i = 0; i < cloud.images.len; i++)
		if (!cloud.images.at[i].removed && strcmp(cloud.images.at[i].region, k->region) == 0)
			*vec_push(&out->list) = cloud.images.at[i].image;
	return 0;
}

static int create(struct provider *p, const struct image_bytes *bytes, struct cloud_image *image, struct err *e)
{
	struct kept *k = vec_push(&cloud.images);

	k->image = *image;
	snprintf(k->image.id, sizeof image->id, "id%zu", cloud.images.len);
	snprintf(k->image.made, sizeof image->made, "2026-01-01T00:00:%02zuZ", cloud.images.len);
	k->image.state = RES_PENDING;
	snprintf(k->firmware, sizeof k->firmware, "%s", bytes->firmware);
	snprintf(k->region, sizeof k->region, "%s", ((struct kept_provider *)p)->region);
	if (reply(CREATE, e) < 0)
		return -1;
	*image = k->image;
	return 0;
}

static struct kept *by_id(const char *id)
{
	for (size_t i = 0; i < cloud.images.len; i++)
		if (strcmp(cloud.images.at[i].image.id, id) == 0)
			return &cloud.images.at[i];
	fail_msg("there is no image %s", id);
	return NULL;
}

static int send_bytes(struct provider *p, const struct cloud_image *image, const struct image_bytes *bytes, uint64_t *sent,
		      struct err *e)
{
	struct kept *k = by_id(image->id);

	(void)p;
	cloud.sends++;
	if (cloud.refuse_send != ERR_NONE)
		return err_set(e, cloud.refuse_send, 0, "the cloud refused");
	if (cloud.cancel != NULL)
		atomic_store(cloud.cancel, true);
	if (cloud.rebuild != NULL)
		temp_write(cloud.rebuild, "image of another build", 22);
	if (bytes->sent(bytes->ctx, bytes->size / 2) != 0)
		return err_set(e, ERR_CANCELED, 0, "interrupted");
	bytes->sent(bytes->ctx, bytes->size);
	*sent = bytes->size;
	k->image.size = bytes->size - cloud.lose;
	snprintf(k->image.sha512, sizeof k->image.sha512, "%s", cloud.sum != NULL ? cloud.sum : "");
	k->image.state = cloud.never > 0 ? RES_PENDING : RES_READY;
	return reply(SEND, e);
}

static int take_away(struct provider *p, const struct cloud_image *image, struct err *e)
{
	(void)p;
	if (cloud.refuse_remove != ERR_NONE)
		return err_set(e, cloud.refuse_remove, 0, "not now");
	by_id(image->id)->removed = true;
	return reply(REMOVE, e);
}

/* Of an image that is there, each upload; a lost reply is none of the others'. */
static int finish(struct provider *p, const struct cloud_image *image, struct err *e)
{
	(void)p;
	assert_int_equal(by_id(image->id)->image.state, RES_READY);
	cloud.finished++;
	return cloud.refuse_finish == ERR_NONE ? 0 : err_set(e, cloud.refuse_finish, 0, "not now");
}

static const struct image_ops images = {.formats = (const char *const[]){"qcow2", "raw", NULL}, .region_key = "place", .image_key = "image",
					.by_environment = true, .finish = finish,
					.list = list, .create = create, .send = send_bytes, .remove = take_away};

static void close_kept(struct provider *p)
{
	free(p);
}

static struct provider *open_kept(struct json_at *block, const struct log *log, struct err *e);
static const struct provider_ops kept_ops = {.name = "kept", .images = &images, .open = open_kept, .close = close_kept};
static const struct provider_ops bare_ops = {.name = "bare", .open = open_kept, .close = close_kept};
const struct provider_ops *const provider_table[] = {&kept_ops, &bare_ops, NULL};

static struct provider *open_kept(struct json_at *block, const struct log *log, struct err *e)
{
	struct kept_provider *k = mem_alloc(sizeof *k);

	(void)e;
	json_string(block, "machine", JSON_OPTIONAL, NULL);
	k->p = (struct provider){.ops = &kept_ops, .log = log};
	snprintf(k->region, sizeof k->region, "%s", json_string(block, "place", JSON_OPTIONAL, "home"));
	snprintf(k->p.place, sizeof k->p.place, "kept cloud in %s", k->region);
	json_no_more(block);
	return &k->p;
}

/* ---- World ---- */

struct world {
	char *dir, *file, *manifest, *out;
	struct log log;
	atomic_bool cancel;
	struct kept_provider k;
	struct cloud c;
	struct image_file f;
};

/* The folder of an image of those bytes. */
static void write_image(const struct world *w, const char *bytes, const char *version, unsigned wire)
{
	uint8_t sum[32];
	char hex[65];

	assert_int_equal(pki_sha256(bytes, strlen(bytes), sum), 0);
	char *text = mem_printf("{\"version\":\"%s\",\"wire\":%u,\"files\":[{\"name\":\"wherry.qcow2\",\"sha256\":\"%s\"}]}", version, wire,
				hex_encode(sum, sizeof sum, hex));
	temp_write(w->file, bytes, strlen(bytes));
	temp_write(w->manifest, text, strlen(text));
	free(text);
}

static int set_up(void **state)
{
	struct world *w = mem_alloc(sizeof *w);

	memset(&cloud, 0, sizeof cloud);
	w->dir = temp_make();
	w->file = mem_printf("%s/wherry.qcow2", w->dir);
	w->manifest = mem_printf("%s/manifest.json", w->dir);
	w->out = mem_printf("%s/out", w->dir);
	w->log = (struct log){.fd = -1, .level = LOG_ERROR, .name = "test"};
	w->k = (struct kept_provider){.p = {.ops = &kept_ops, .place = "kept cloud in home"}, .region = "home"};
	w->c = (struct cloud){.p = &w->k.p, .cancel = &w->cancel, .log = &w->log, .patience_ns = 1};
	w->f.fd = -1;
	write_image(w, "image one", "1.0", WIRE_VERSION);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	image_file_close(&w->f);
	vec_fini(&cloud.images);
	temp_remove(w->dir);
	free(w->file);
	free(w->manifest);
	free(w->out);
	free(w);
	return 0;
}

static struct image_upload upload_of(struct world *w)
{
	image_file_close(&w->f);
	ok(image_file_open(w->dir, images.formats, &w->f, e));
	return (struct image_upload){.file = &w->f, .firmware = "any", .cancel = &w->cancel, .patience_ns = 1};
}

/* ---- Files ---- */

static void file_open_what_is_not_of_one_build_is_refused(void **state)
{
	struct world *w = *state;
	struct image_file f;
	char *raw = mem_printf("%s/x.vhd", w->dir);

	ok(image_file_open(w->file, images.formats, &f, e));
	assert_string_equal(f.format, "qcow2");
	assert_string_equal(f.version, "1.0");
	assert_int_equal(f.wire, WIRE_VERSION);
	assert_int_equal(f.size, 9);
	assert_string_equal(f.sha512, SUM_ONE);
	image_file_close(&f);
	temp_write(w->file, "image two", 9);
	refused(image_file_open(w->dir, images.formats, &f, e), ERR_CONFIG, "is not the file that");
	temp_write(w->manifest, "{}", 2);
	refused(image_file_open(w->dir, images.formats, &f, e), ERR_CONFIG, "does not say what version");
	temp_write(raw, "x", 1);
	refused(image_file_open(raw, images.formats, &f, e), ERR_CONFIG, "does not end in .qcow2 or raw");
	unlink(w->file);
	refused(image_file_open(w->dir, images.formats, &f, e), ERR_NOT_FOUND, "has no disk image wherry.qcow2 or raw");
	refused(image_file_open("/nowhere", images.formats, &f, e), ERR_NOT_FOUND, "no worker image /nowhere");
	free(raw);
}

/* ---- Rules ---- */

static void upload_twice_sends_once_and_workers_boot_from_it(void **state)
{
	struct world *w = *state;
	char id[RES_ID_SIZE];

	refused(image_choose(&w->k.p, id, e), ERR_NOT_FOUND, "run `wherry image upload`");
	struct image_upload u = upload_of(w);
	ok(image_upload(&w->k.p, &u, e));
	assert_true(u.sent && u.made.use == IMAGE_USED);
	assert_starts(u.made.image.name, "wherry-1.0-");
	u = upload_of(w);
	ok(image_upload(&w->k.p, &u, e));
	assert_false(u.sent);
	assert_int_equal(cloud.sends, 1);
	assert_int_equal(cloud.images.len, 1);
	assert_int_equal(cloud.finished, 2);
	ok(image_choose(&w->k.p, id, e));
	assert_string_equal(id, "id1");
	u = upload_of(w);
	u.firmware = "uefi";
	ok(image_upload(&w->k.p, &u, e));
	assert_true(u.sent);
	assert_string_equal(cloud.images.at[1].firmware, "uefi");
}

static void list_each_image_has_its_use(void **state)
{
	static const struct {
		unsigned wire;
		enum res_state state;
		enum image_use use;
	} cases[] = { /* the newest last */
		{WIRE_VERSION, RES_READY, IMAGE_OLD}, {WIRE_VERSION - 1, RES_READY, IMAGE_OLD}, {WIRE_VERSION, RES_READY, IMAGE_USED},
		{WIRE_VERSION + 1, RES_READY, IMAGE_NEWER}, {WIRE_VERSION, RES_PENDING, IMAGE_UNFINISHED},
		{WIRE_VERSION, RES_FAILED, IMAGE_BROKEN},
	};
	struct world *w = *state;
	size_t n = sizeof cases / sizeof cases[0];
	struct image_list l;
	unsigned removed = 0;

	for (size_t i = 0; i < n; i++) {
		struct kept *k = vec_push(&cloud.images);

		snprintf(k->region, sizeof k->region, "home");
		k->image.state = cases[i].state;
		snprintf(k->image.id, sizeof k->image.id, "id%zu", i);
		snprintf(k->image.made, sizeof k->image.made, "2026-01-0%zuT00:00:00Z", i + 1);
		snprintf(k->image.about, sizeof k->image.about, "wherry1 v=1.0 w=%u s=abc f=any n=0", cases[i].wire);
	}
	*vec_push(&cloud.images) = (struct kept){.region = "home", .image = {.about = "somebody's own"}};
	ok(image_list(&w->c, &l, e));
	assert_int_equal(l.list.len, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(l.list.at[i].use, cases[n - 1 - i].use);
	image_list_fini(&l);
	/* An upload that began now may be under way. */
	snprintf(cloud.images.at[4].image.made, sizeof cloud.images.at[4].image.made, "2999-01-01T00:00:00Z");
	ok(image_remove(&w->c, NULL, &removed, e));
	assert_int_equal(removed, 3);
	assert_false(cloud.images.at[2].removed || cloud.images.at[3].removed || cloud.images.at[4].removed);
	refused(image_remove(&w->c, "id9", &removed, e), ERR_NOT_FOUND, "no worker image \"id9\"");
}

static void upload_that_died_is_gone_on_with(void **state)
{
	struct world *w = *state;
	struct image_upload u = upload_of(w);

	cloud.refuse_send = ERR_NETWORK;
	cloud.refuse_remove = ERR_NETWORK;
	refused(image_upload(&w->k.p, &u, e), ERR_NETWORK, "stays in kept cloud in home until the next upload goes on with it");
	cloud.refuse_send = cloud.refuse_remove = ERR_NONE;
	u = upload_of(w);
	ok(image_upload(&w->k.p, &u, e));
	assert_true(u.sent);
	assert_int_equal(cloud.images.len, 1);
}

static void upload_each_failure_leaves_nothing_or_says_so(void **state)
{
	struct world *w = *state;
	struct image_upload u = upload_of(w);

	cloud.refuse_send = ERR_NO_SPACE;
	refused(image_upload(&w->k.p, &u, e), ERR_NO_SPACE, "the cloud refused");
	assert_true(cloud.images.at[0].removed);
	cloud.refuse_send = ERR_NONE;
	cloud.lose = 1;
	u = upload_of(w);
	refused(image_upload(&w->k.p, &u, e), ERR_CORRUPT, "of 8 bytes");
	assert_true(cloud.images.at[1].removed);
	cloud.lose = 0;
	cloud.never = 1;
	u = upload_of(w);
	refused(image_upload(&w->k.p, &u, e), ERR_TIMEOUT, "find out there what holds it up");
	assert_false(cloud.images.at[2].removed);
	cloud.images.at[2].removed = true;
	cloud.never = 0;
	cloud.cancel = &w->cancel;
	u = upload_of(w);
	refused(image_upload(&w->k.p, &u, e), ERR_CANCELED, "interrupted");
	assert_true(cloud.images.at[3].removed);
	/* Another upload of the same bytes is under way: it is not taken away. */
	cloud.cancel = NULL;
	atomic_store(&w->cancel, false);
	cloud.refuse_send = ERR_BUSY;
	u = upload_of(w);
	refused(image_upload(&w->k.p, &u, e), ERR_BUSY, "if there is none any more, `wherry image remove` with its id id5");
	assert_false(cloud.images.at[4].removed);
	/* Nor is it when that refusal is lost with the connection. */
	cloud.refuse_send = ERR_NETWORK;
	u = upload_of(w);
	refused(image_upload(&w->k.p, &u, e), ERR_NETWORK, "the cloud refused");
	assert_int_equal(cloud.images.len, 5);
	assert_false(cloud.images.at[4].removed);
}

/* Whichever reply is lost, one image is there in the end, sent as often as it takes. */
static void upload_that_loses_a_reply_goes_on(void **state)
{
	struct world *w = *state;

	for (enum step lost = LIST; lost <= LIST_SENT; lost++) {
		struct image_upload u = upload_of(w);

		cloud.images.len = 0;
		cloud.sends = 0;
		cloud.lost = lost;
		u.patience_ns = 60 * NS_PER_S;
		ok(image_upload(&w->k.p, &u, e));
		assert_true(u.sent);
		assert_int_equal(cloud.lost, NONE);
		assert_int_equal(cloud.sends, 1);
		assert_int_equal(cloud.images.len, 1);
		assert_false(cloud.images.at[0].removed);
	}
}

static void upload_that_was_sent_stays_when_nothing_more_is_heard(void **state)
{
	struct world *w = *state;
	struct image_upload u = upload_of(w);

	cloud.lost = LIST_SENT;
	refused(image_upload(&w->k.p, &u, e), ERR_NETWORK, "was sent and stays in kept cloud in home");
	assert_false(cloud.images.at[0].removed);
}

/* Nor does it go when what its upload needed stays: the next one takes that away. */
static void upload_whose_finish_fails_says_so_and_the_next_one_finishes(void **state)
{
	struct world *w = *state;
	struct image_upload u = upload_of(w);

	cloud.refuse_finish = ERR_DENIED;
	refused(image_upload(&w->k.p, &u, e), ERR_DENIED, "is ready in kept cloud in home, and what its upload needed stays");
	assert_false(cloud.images.at[0].removed);
	cloud.refuse_finish = ERR_NONE;
	u = upload_of(w);
	ok(image_upload(&w->k.p, &u, e));
	assert_false(u.added);
	assert_int_equal(cloud.sends, 1);
	assert_int_equal(cloud.finished, 2);
}

static void upload_of_what_the_cloud_holds_a_part_of_sends_all_anew(void **state)
{
	struct world *w = *state;
	struct image_upload u = upload_of(w);
	char id[RES_ID_SIZE];
	unsigned removed = 0;

	cloud.lose = 1;
	cloud.refuse_remove = ERR_NETWORK;
	refused(image_upload(&w->k.p, &u, e), ERR_CORRUPT, "of 8 bytes");
	cloud.lose = 0;
	cloud.refuse_remove = ERR_NONE;
	refused(image_choose(&w->k.p, id, e), ERR_NOT_FOUND, "`wherry image list` shows those it has");
	u = upload_of(w);
	ok(image_upload(&w->k.p, &u, e));
	assert_true(u.sent);
	ok(image_choose(&w->k.p, id, e));
	assert_string_equal(id, "id2");
	ok(image_remove(&w->c, NULL, &removed, e));
	assert_true(cloud.images.at[0].removed && !cloud.images.at[1].removed);
}

static void upload_that_the_cloud_sums_up_otherwise_is_taken_back(void **state)
{
	struct world *w = *state;
	struct image_upload u = upload_of(w);

	cloud.sum = SUM_TWO;
	cloud.refuse_remove = ERR_DENIED;
	refused(image_upload(&w->k.p, &u, e), ERR_CORRUPT, "instead of 9 bytes, and with another SHA-512: try again");
	/* What it could not take away is not what the next one asks for. */
	cloud.sum = SUM_ONE;
	cloud.refuse_remove = ERR_NONE;
	u = upload_of(w);
	ok(image_upload(&w->k.p, &u, e));
	assert_true(u.sent);
	assert_string_equal(u.made.image.id, "id2");
	u = upload_of(w);
	ok(image_upload(&w->k.p, &u, e));
	assert_false(u.sent);
}

static void list_and_removal_each_lost_reply_is_asked_for_again(void **state)
{
	struct world *w = *state;
	struct image_upload u = upload_of(w);
	struct image_list l;
	unsigned removed = 0;

	ok(image_upload(&w->k.p, &u, e));
	cloud.lost = LIST_SENT;
	refused(image_list(&w->c, &l, e), ERR_NETWORK, "gave up after 1 tries");
	w->c.patience_ns = 60 * NS_PER_S;
	cloud.lost = LIST_SENT;
	ok(image_list(&w->c, &l, e));
	assert_int_equal(l.list.len, 1);
	image_list_fini(&l);
	cloud.lost = REMOVE;
	ok(image_remove(&w->c, "id1", &removed, e));
	assert_int_equal(removed, 1);
	assert_int_equal(cloud.lost, NONE);
}

static void upload_of_a_file_that_changes_on_the_way_is_taken_back(void **state)
{
	struct world *w = *state;
	struct image_upload u = upload_of(w);

	cloud.rebuild = w->file;
	refused(image_upload(&w->k.p, &u, e), ERR_CORRUPT, "was written to while it was read");
	assert_true(cloud.images.at[0].removed);
}

/* ---- Commands ---- */

/* stdout of a command line is in `text`. */
static int run(struct world *w, char *const argv[], int argc, char text[4096], struct err *e)
{
	struct cmd c = {.log = &w->log, .cancel = &w->cancel};
	int out, real;

	*e = (struct err)ERR_INIT;
	assert_int_equal(cmd_parse(argc, argv, &c, e), 0);
	fflush(stdout);
	real = dup(STDOUT_FILENO);
	out = open(w->out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	dup2(out, STDOUT_FILENO);
	int rc = c.command->run(&c, e);
	fflush(stdout);
	dup2(real, STDOUT_FILENO);
	ssize_t n = pread(out, text, 4095, 0);
	text[n > 0 ? n : 0] = '\0';
	close(real);
	close(out);
	return rc;
}

#define RUN(w, text, e, ...) run(w, (char *const[]){__VA_ARGS__}, (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), text, e)

static void upload_goes_to_each_region_and_place_once(void **state)
{
	struct world *w = *state;
	char *job = mem_printf("%s/job.json", w->dir), text[4096];
	struct err e;
	static const char one[] = "{\"job\":\"j\",\"source\":{\"provider\":\"kept\",\"machine\":\"m\"},\"target\":{\"provider\":\"kept\"}}";
	static const char none[] = "{\"source\":{\"provider\":\"bare\"},\"target\":{\"provider\":\"bare\"}}";

	temp_write(job, one, sizeof one - 1);
	assert_int_equal(RUN(w, text, &e, "image", "upload", "--file", w->dir, job), 0);
	assert_has(text, "kept cloud in home: image wherry-1.0-");
	assert_int_equal(cloud.images.len, 1);
	assert_int_equal(RUN(w, text, &e, "image", "upload", "--region", "a", "--region", "b", "--file", w->dir, job), 0);
	assert_int_equal(cloud.images.len, 3);
	assert_string_equal(cloud.images.at[1].region, "a");
	assert_string_equal(cloud.images.at[2].region, "b");
	assert_has(text, "kept in 2 places: 18 B, which is 0.000 GiB-months of storage a month");
	assert_int_equal(RUN(w, text, &e, "image", "upload", "--region", "b", "--file", w->dir, "kept"), 0);
	assert_has(text, "is there already, nothing was sent");
	assert_int_equal(RUN(w, text, &e, "image", "list", "--region", "a", "--region", "c"), 0);
	assert_has(text, "used");
	assert_has(text, "kept cloud in c: no worker images");
	assert_int_equal(RUN(w, text, &e, "image", "remove", "--region", "a", "kept", "id2"), 0);
	assert_has(text, "kept cloud in a: 1 worker image removed");
	assert_int_equal(RUN(w, text, &e, "image", "remove", "kept"), -1);
	assert_has(e.msg, "say which image goes");
	temp_write(job, none, sizeof none - 1);
	assert_int_equal(RUN(w, text, &e, "image", "upload", job), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	assert_has(e.msg, "workers of bare boot from files of this host");
	temp_write(job, "{\"provider\":\"who\"}", 18);
	assert_int_equal(RUN(w, text, &e, "image", "list", job), -1);
	assert_has(e.msg, "there is no provider \"who\": expected one of \"kept\", \"bare\"");
	free(job);
}

static void remove_is_done_where_the_image_is(void **state)
{
	struct world *w = *state;
	char text[4096];
	struct err e;

	assert_int_equal(RUN(w, text, &e, "image", "upload", "--region", "a", "--region", "b", "--file", w->dir, "kept"), 0);
	assert_int_equal(RUN(w, text, &e, "image", "remove", "--region", "a", "--region", "b", "kept", "id2"), 0);
	assert_has(text, "kept cloud in b: 1 worker image removed");
	assert_true(!cloud.images.at[0].removed && cloud.images.at[1].removed);
	assert_int_equal(RUN(w, text, &e, "image", "remove", "--region", "a", "--region", "b", "kept", "id2"), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	/* Two uploads at once may make two of one name. */
	struct kept twin = cloud.images.at[0];
	*vec_push(&cloud.images) = twin;
	snprintf(cloud.images.at[2].image.id, sizeof cloud.images.at[2].image.id, "id3");
	assert_int_equal(RUN(w, text, &e, "image", "remove", "--region", "a", "kept", cloud.images.at[0].image.name), -1);
	assert_has(e.msg, "name one by its id, of id1, id3");
	assert_false(cloud.images.at[0].removed || cloud.images.at[2].removed);
	assert_int_equal(RUN(w, text, &e, "image", "remove", "--region", "a", "kept", "id3"), 0);
	assert_true(!cloud.images.at[0].removed && cloud.images.at[2].removed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(file_open_what_is_not_of_one_build_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_twice_sends_once_and_workers_boot_from_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(list_each_image_has_its_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_that_died_is_gone_on_with, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_each_failure_leaves_nothing_or_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_that_loses_a_reply_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_that_was_sent_stays_when_nothing_more_is_heard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_whose_finish_fails_says_so_and_the_next_one_finishes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_of_what_the_cloud_holds_a_part_of_sends_all_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_that_the_cloud_sums_up_otherwise_is_taken_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(list_and_removal_each_lost_reply_is_asked_for_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_of_a_file_that_changes_on_the_way_is_taken_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_goes_to_each_region_and_place_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remove_is_done_where_the_image_is, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
