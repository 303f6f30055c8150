// SPDX-License-Identifier: Apache-2.0
#include "block_fixture.h"

#include <pthread.h>
#include <sys/socket.h>

#include "block/disk_broker.h"

/* PID 1's end: answers one request after the other from a script. */
struct answer {
	const char *request; /* what must be asked */
	const char *reply;   /* NULL: hang up */
	const char *path;    /* opened and sent along, unless NULL */
	size_t size;         /* of the reply when it holds a NUL, else 0 */
};

struct rig {
	struct disk_source *source;
	int fd;
	const struct answer *script;
	size_t length, asked;
	bool as_scripted;
	pthread_t thread;
	struct err e;
};

static void reply(int to, const struct answer *a)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = (char *)a->reply, .iov_len = a->size ? a->size : strlen(a->reply)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	int fd = a->path != NULL ? open(a->path, O_RDWR) : -1;

	if (fd >= 0) {
		m.msg_control = control.space;
		m.msg_controllen = sizeof control.space;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	(void)!sendmsg(to, &m, MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
}

static void *serve(void *arg)
{
	struct rig *r = arg;
	char request[300];

	r->as_scripted = true;
	while (r->asked < r->length) {
		const struct answer *a = &r->script[r->asked];
		ssize_t n = recv(r->fd, request, sizeof request - 1, 0);

		if (n <= 0)
			break;
		request[n] = '\0';
		r->asked++;
		r->as_scripted &= strcmp(request, a->request) == 0;
		if (a->reply == NULL)
			break;
		reply(r->fd, a);
	}
	close(r->fd);
	return NULL;
}

static void start(struct rig *r, const struct answer *script, size_t length)
{
	int ends[2];

	*r = (struct rig){.script = script, .length = length};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	r->fd = ends[0];
	r->source = disk_broker_new(ends[1]);
	assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
}

static void finish(struct rig *r)
{
	disk_source_close(r->source);
	pthread_join(r->thread, NULL);
	assert_int_equal(r->asked, r->length);
	assert_true(r->as_scripted);
}

/* How many descriptors this process has: a reply's must not be lost. */
static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void disk_broker_list_of_disks_gives_each_field(void **state)
{
	(void)state;
	static const struct answer script[] = {
		{"list\n", "ok\nvda 1073741824 512 512 0 src-0\nnvme0n1 35184372088832 4096 4096 1 -\n", NULL, 0},
		{"list\n", "ok\n", NULL, 0},
	};
	struct disk_list l = {0};
	struct rig r;

	start(&r, script, 2);
	assert_int_equal(disk_source_list(r.source, &l, &r.e), 0);
	assert_int_equal(l.list.len, 2);
	assert_string_equal(l.list.at[0].name, "vda");
	assert_string_equal(l.list.at[0].serial, "src-0");
	assert_true(l.list.at[0].size == 1073741824);
	assert_int_equal(l.list.at[0].logical_sector, 512);
	assert_false(l.list.at[0].read_only);
	assert_string_equal(l.list.at[1].name, "nvme0n1");
	assert_string_equal(l.list.at[1].serial, "");
	assert_true(l.list.at[1].size == UINT64_C(1) << 45);
	assert_int_equal(l.list.at[1].physical_sector, 4096);
	assert_true(l.list.at[1].read_only);
	assert_int_equal(disk_source_list(r.source, &l, &r.e), 0);
	assert_int_equal(l.list.len, 2);
	vec_fini(&l.list);
	finish(&r);
}

static void disk_broker_open_gives_a_disk_of_the_descriptor_sent(void **state)
{
	(void)state;
	char *path = temp_file("/tmp", 8192);
	uint8_t *data = pattern(8192, 1), *got;
	const struct answer script[] = {{"open src-0 rw\n", "ok vdb 8192 512 512 0 src-0\n", path, 0}};
	struct rig r;

	start(&r, script, 1);
	struct block *b = disk_source_open(r.source, "src-0", BLOCK_RW, 2, &r.e);
	assert_non_null(b);
	assert_string_equal(b->info.name, "vdb (src-0)");
	assert_true(b->info.size == 8192);
	assert_int_equal(block_io(b, BLOCK_WRITE, 0, data, 8192, &r.e), 0);
	finish(&r);
	assert_int_equal(block_flush(b, &r.e), 0); /* lives on */
	block_close(b);
	got = slurp(path, 8192);
	assert_memory_equal(got, data, 8192);
	free(got);
	free(data);
	remove_file(path);
}

static void disk_broker_refusal_is_its_sentence_with_a_fitting_kind(void **state)
{
	(void)state;
	static const struct {
		const char *reply, *sentence;
		enum err_kind kind;
		int sys;
	} cases[] = {
		{"err 19 No disk with serial x is attached; attach it.\n", "No disk with serial x is attached; attach it.",
			ERR_NOT_FOUND, ENODEV},
		{"err 16 In use.\n", "In use.", ERR_BUSY, EBUSY},
		{"err 30 A source of this boot.\n", "A source of this boot.", ERR_REFUSED, EROFS},
		{"err 76 Two disks.\n", "Two disks.", ERR_CONFIG, ENOTUNIQ},
		{"err 5\n", NULL, ERR_IO, EIO},
	};

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		const struct answer script[] = {{"open x ro\n", cases[c].reply, NULL, 0}, {"list\n", "ok\n", NULL, 0}};
		struct disk_list l = {0};
		struct rig r;

		start(&r, script, 2);
		assert_null(disk_source_open(r.source, "x", BLOCK_RO, 1, &r.e));
		assert_int_equal(r.e.kind, cases[c].kind);
		assert_int_equal(r.e.sys, cases[c].sys);
		if (cases[c].sentence != NULL)
			assert_string_equal(r.e.msg, cases[c].sentence);
		assert_int_equal(disk_source_list(r.source, &l, &r.e), 0); /* a refusal breaks nothing */
		finish(&r);
	}
}

static void disk_broker_nonsense_is_protocol_and_leaves_no_descriptor(void **state)
{
	(void)state;
	char *path = temp_file("/tmp", 8192);
	const struct answer cases[] = {
		{"open x ro\n", "ok vdb 8192 512 512 0 x", path, 0},
		{"open x ro\n", "ok vdb 8192 512 512 0 x\n", NULL, 0},
		{"open x ro\n", "ok vdb 8192 512 512 x\n", path, 0},
		{"open x ro\n", "ok vdb -1 512 512 7 x\n", path, 0},
		{"open x ro\n", "ok vdb 8192 512 512 0 x more\n", path, 0},
		{"open x ro\n", "okay\n", path, 0},
		{"open x ro\n", "maybe\n", path, 0},
		{"open x ro\n", "ok vdb\0 8192 512 512 0 x\n", path, 25},
		{"open x ro\n", "\n", path, 0},
	};

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		int before = open_descriptors();
		struct rig r;

		start(&r, &cases[c], 1);
		assert_null(disk_source_open(r.source, "x", BLOCK_RO, 1, &r.e));
		assert_int_equal(r.e.kind, ERR_PROTOCOL);
		finish(&r);
		assert_int_equal(open_descriptors(), before);
	}
	remove_file(path);
}

static void disk_broker_descriptor_nobody_asked_for_is_closed(void **state)
{
	(void)state;
	char *path = temp_file("/tmp", 512);
	const struct answer script[] = {{"settime 5\n", "ok\n", path, 0}};
	int before = open_descriptors();
	struct rig r;

	start(&r, script, 1);
	assert_int_equal(disk_source_set_time(r.source, 5, &r.e), 0);
	finish(&r);
	assert_int_equal(open_descriptors(), before);
	remove_file(path);
}

static void disk_broker_that_hangs_up_is_not_asked_again(void **state)
{
	(void)state;
	static const struct answer script[] = {{"poweroff\n", NULL, NULL, 0}};
	struct rig r;

	start(&r, script, 1);
	assert_int_equal(disk_source_poweroff(r.source, &r.e), -1);
	assert_int_equal(r.e.kind, ERR_INTERNAL);
	assert_int_equal(disk_source_poweroff(r.source, &r.e), -1);
	finish(&r);
}

static void disk_source_open_of_a_wrong_serial_asks_nobody(void **state)
{
	(void)state;
	char long_serial[DISK_SERIAL_MAX + 2];
	const char *const wrong[] = {"", "a b", "a\nb", "x ro\npoweroff", "\xc3\xa4", long_serial};
	struct rig r;

	memset(long_serial, 'a', sizeof long_serial - 1);
	long_serial[sizeof long_serial - 1] = '\0';
	start(&r, NULL, 0);
	for (size_t c = 0; c < sizeof wrong / sizeof wrong[0]; c++) {
		assert_null(disk_source_open(r.source, wrong[c], BLOCK_RO, 1, &r.e));
		assert_int_equal(r.e.kind, ERR_CONFIG);
	}
	assert_true(disk_serial_is_valid("lun:*:0:0:3"));
	assert_true(disk_serial_is_valid(long_serial + 1));
	finish(&r);
}

struct caller {
	struct disk_source *source;
	bool good;
};

static void *ask_often(void *arg)
{
	struct caller *c = arg;
	struct err e;

	c->good = true;
	for (int i = 0; i < 50; i++)
		c->good &= disk_source_set_time(c->source, 7, &e) == 0;
	return NULL;
}

static void disk_broker_of_several_threads_answers_each(void **state)
{
	(void)state;
	struct answer script[150];
	struct caller c[3];
	pthread_t t[3];
	struct rig r;

	for (int i = 0; i < 150; i++)
		script[i] = (struct answer){"settime 7\n", "ok\n", NULL, 0};
	start(&r, script, 150);
	for (int i = 0; i < 3; i++) {
		c[i].source = r.source;
		assert_int_equal(pthread_create(&t[i], NULL, ask_often, &c[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		assert_true(c[i].good);
	}
	finish(&r);
}

/* ---- A plain host ---- */

static void disk_broker_host_allow_of_wrong_text_is_usage(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "=", "a", "a=", "=/p", "a b=/p", "a/b=/p", "good=/again"};
	struct disk_source *h = disk_broker_host_new();
	struct err e;

	assert_int_equal(disk_broker_host_allow(h, "good=/path=with=signs", &e), 0);
	for (size_t c = 0; c < sizeof wrong / sizeof wrong[0]; c++) {
		assert_int_equal(disk_broker_host_allow(h, wrong[c], &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
	}
	disk_source_close(h);
	disk_source_close(NULL);
}

static void disk_broker_host_gives_what_was_allowed_only(void **state)
{
	(void)state;
	char *path = temp_file("/tmp", 70000), *allow = NULL;
	struct disk_source *h = disk_broker_host_new();
	struct disk_list l = {0};
	struct err e = ERR_INIT;

	assert_true(asprintf(&allow, "disk-0=%s", path) > 0);
	assert_int_equal(disk_broker_host_allow(h, allow, &e), 0);
	assert_int_equal(disk_broker_host_allow(h, "later=/tmp/wherry-no-such-file", &e), 0);
	assert_int_equal(disk_source_list(h, &l, &e), 0);
	assert_int_equal(l.list.len, 1);
	assert_string_equal(l.list.at[0].serial, "disk-0");
	assert_string_equal(l.list.at[0].name, strrchr(path, '/') + 1);
	assert_true(l.list.at[0].size == 70000);
	struct block *b = disk_source_open(h, "disk-0", BLOCK_RW, 1, &e);
	assert_non_null(b);
	assert_null(disk_source_open(h, "disk-0", BLOCK_RW, 1, &e));
	assert_int_equal(e.kind, ERR_BUSY);
	block_close(b);
	assert_null(disk_source_open(h, "disk-1", BLOCK_RO, 1, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_null(disk_source_open(h, "later", BLOCK_RO, 1, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(disk_source_poweroff(h, &e), 0); /* still here */
	assert_int_equal(disk_source_set_time(h, 1, &e), 0);
	vec_fini(&l.list);
	disk_source_close(h);
	free(allow);
	remove_file(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_broker_list_of_disks_gives_each_field),
		cmocka_unit_test(disk_broker_open_gives_a_disk_of_the_descriptor_sent),
		cmocka_unit_test(disk_broker_refusal_is_its_sentence_with_a_fitting_kind),
		cmocka_unit_test(disk_broker_nonsense_is_protocol_and_leaves_no_descriptor),
		cmocka_unit_test(disk_broker_descriptor_nobody_asked_for_is_closed),
		cmocka_unit_test(disk_broker_that_hangs_up_is_not_asked_again),
		cmocka_unit_test(disk_source_open_of_a_wrong_serial_asks_nobody),
		cmocka_unit_test(disk_broker_of_several_threads_answers_each),
		cmocka_unit_test(disk_broker_host_allow_of_wrong_text_is_usage),
		cmocka_unit_test(disk_broker_host_gives_what_was_allowed_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
