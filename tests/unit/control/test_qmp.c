// SPDX-License-Identifier: Apache-2.0
/* The monitor client against a scripted monitor. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json_format.h"
#include "qmp.h"

#define GREETING "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n"
#define WAIT     (10 * NS_PER_S)
#define SHORT    (50 * NS_PER_MS)

/* One step of a script: wait for a line with `expect` in it (NULL: do not wait), then say `say` (NULL: nothing). */
struct step {
	const char *expect, *say;
};

/* Of one test; ended by the tear-down, too, so that a test that fails leaves neither process nor folder. */
struct monitor {
	char *top; /* of the folders; NULL: not running */
	char *dir; /* the socket's */
	pid_t pid;
};

static void play(int fd, const struct step *steps)
{
	char line[4096];

	for (; steps->expect != NULL || steps->say != NULL; steps++) {
		size_t n = 0;

		while (steps->expect != NULL && n < sizeof line - 1 && read(fd, line + n, 1) == 1 &&
		       line[n++] != '\n')
			;
		line[n] = '\0';
		if (steps->expect != NULL && strstr(line, steps->expect) == NULL)
			_exit(3);
		if (steps->say != NULL && write(fd, steps->say, strlen(steps->say)) < 0)
			_exit(4);
	}
}

static void serve(struct monitor *m, const struct step *steps, bool hang)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "qmp.sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char *home = getcwd(NULL, 0);

	assert_int_equal(chdir(m->dir), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(chdir(home), 0);
	free(home);
	m->pid = fork();
	if (m->pid == 0) {
		int peer = accept(fd, NULL, NULL);

		play(peer, steps);
		while (hang)
			pause();
		_exit(0);
	}
	close(fd);
}

/* below: "", or one more folder, after a slash. */
static void monitor_start(struct monitor *m, const char *below, const struct step *steps, bool hang)
{
	m->top = temp_make();
	m->dir = mem_printf("%s%s", m->top, below);
	if (below[0] != '\0')
		assert_int_equal(mkdir(m->dir, 0700), 0);
	serve(m, steps, hang);
}

static void monitor_stop(struct monitor *m)
{
	if (m->top == NULL)
		return;
	if (m->pid > 0) {
		kill(m->pid, SIGKILL);
		waitpid(m->pid, NULL, 0);
	}
	free(m->dir);
	temp_remove(m->top);
	*m = (struct monitor){0};
}

static int set_up(void **state)
{
	*state = mem_alloc(sizeof(struct monitor));
	return 0;
}

static int tear_down(void **state)
{
	monitor_stop(*state);
	free(*state);
	return 0;
}

static struct qmp *open_monitor(const struct monitor *m)
{
	struct err e = ERR_INIT;
	struct qmp *q = qmp_open(m->dir, WAIT, &e);

	if (q == NULL)
		fail_msg("%s", e.msg);
	return q;
}

#define HELLO {NULL, GREETING}, {"qmp_capabilities", "{\"return\":{},\"id\":1}\r\n"}

static void qmp_ask_answer_givesReturn(void **state)
{
	const struct step steps[] = {
		HELLO, {"\"arguments\":{\"a\":1}", "{\"return\":{\"b\":2},\"id\":2}\r\n"}, {NULL, NULL}};
	struct monitor *m = *state;
	struct err e = ERR_INIT;

	monitor_start(m, "", steps, true);
	struct qmp *q = open_monitor(m);
	struct yyjson_doc *doc;
	struct yyjson_val *value;

	assert_int_equal(qmp_ask(q, "x", "{\"a\":1}", &doc, &value, &e), 0);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(value, "b")), 2);
	qmp_doc_cleanup(&doc);
	qmp_close(q);
	monitor_stop(m);
}

static void qmp_do_error_tellsQemusWordsAndKind(void **state)
{
	static const struct {
		const char *class, *desc;
		enum err_kind kind;
	} cases[] = {
		{"DeviceNotFound", "Device 'x' not there", ERR_NOT_FOUND},
		{"GenericError", "Failed to find node with node-name='f-1'", ERR_NOT_FOUND},
		{"GenericError", "Export 'e' is not found", ERR_NOT_FOUND},
		{"GenericError", "Failed to get \\\"write\\\" lock", ERR_BUSY},
		{"GenericError", "Could not write: No space left on device", ERR_NO_SPACE},
		{"GenericError", "something else", ERR_IO},
	};
	struct monitor *m = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *answer = mem_printf("{\"error\":{\"class\":\"%s\",\"desc\":\"%s\"},\"id\":2}\r\n",
					  cases[i].class, cases[i].desc);
		const struct step steps[] = {HELLO, {"frob", answer}, {NULL, NULL}};
		struct err e = ERR_INIT;

		monitor_start(m, "", steps, true);
		struct qmp *q = open_monitor(m);
		assert_int_equal(qmp_do(q, "frob", NULL, &e), -1);
		assert_int_equal(e.kind, cases[i].kind);
		assert_has(e.msg, "refuses frob");
		qmp_close(q);
		monitor_stop(m);
		free(answer);
	}
}

static void qmp_waitEvent_amongAnswers_isKeptAndGivenOnce(void **state)
{
	const struct step steps[] = {HELLO,
				     {"del", "{\"event\":\"GONE\",\"data\":{\"device\":\"b\"}}\r\n{\"event\":"
					     "\"GONE\",\"data\":{\"device\":\"a\"}}\r\n"
					     "{\"return\":{},\"id\":2}\r\n"},
				     {NULL, NULL}};
	struct monitor *m = *state;
	struct err e = ERR_INIT;

	monitor_start(m, "", steps, true);
	struct qmp *q = open_monitor(m);

	assert_int_equal(qmp_do(q, "del", NULL, &e), 0);
	assert_true(qmp_wait_event(q, "GONE", "device", "a", WAIT));
	assert_false(qmp_wait_event(q, "GONE", "device", "a", SHORT));
	assert_true(qmp_wait_event(q, "GONE", NULL, NULL, WAIT));
	qmp_close(q);
	monitor_stop(m);
}

static void qmp_ask_lateAnswerOfEarlierCall_isPassedOver(void **state)
{
	const struct step steps[] = {
		HELLO, {"one", "{\"return\":1,\"id\":77}\r\n{\"return\":5,\"id\":2}\r\n"}, {NULL, NULL}};
	struct monitor *m = *state;
	struct err e = ERR_INIT;

	monitor_start(m, "", steps, true);
	struct qmp *q = open_monitor(m);
	struct yyjson_doc *doc;
	struct yyjson_val *value;

	assert_int_equal(qmp_ask(q, "one", NULL, &doc, &value, &e), 0);
	assert_int_equal(yyjson_get_int(value), 5);
	qmp_doc_cleanup(&doc);
	qmp_close(q);
	monitor_stop(m);
}

static void qmp_open_badMonitor_saysWhatIsWrong(void **state)
{
	static const struct {
		struct step first;
		bool hang;
		enum err_kind kind;
		const char *word;
	} cases[] = {
		{{NULL, NULL}, true, ERR_TIMEOUT, "does not answer"},
		{{NULL, "hello\r\n"}, true, ERR_PROTOCOL, "not JSON"},
		{{NULL, "{\"x\":1}\r\n"}, true, ERR_PROTOCOL, "did not greet"},
		{{NULL, "{\"QMP\""}, false, ERR_NETWORK, "ended"},
	};
	struct monitor *m = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct step steps[] = {cases[i].first, {NULL, NULL}};
		struct err e = ERR_INIT;

		monitor_start(m, "", steps, cases[i].hang);
		assert_null(qmp_open(m->dir, cases[i].kind == ERR_TIMEOUT ? SHORT : WAIT, &e));
		assert_int_equal(e.kind, cases[i].kind);
		assert_has(e.msg, cases[i].word);
		monitor_stop(m);
	}
}

static void qmp_open_noSocket_isNetwork(void **state)
{
	(void)state;
	char *dir = temp_make();
	struct err e = ERR_INIT;

	assert_null(qmp_open(dir, WAIT, &e));
	assert_int_equal(e.kind, ERR_NETWORK);
	temp_remove(dir);
}

static void qmp_open_pathLongerThanASocketName_works(void **state)
{
	const struct step steps[] = {HELLO, {NULL, NULL}};
	struct monitor *m = *state;
	char below[122];

	memset(below, 'd', sizeof below - 1);
	below[0] = '/';
	below[sizeof below - 1] = '\0';
	monitor_start(m, below, steps, true);
	qmp_close(open_monitor(m));
	monitor_stop(m);
}

static void json_format_values_areEscaped(void **state)
{
	(void)state;
	char *s = json_format("{'a':%s,'b':%u,'c':%d,'d':%b,'e':%j,'f':%s}", "x\"\\\n,\x7f", (uint64_t)1 << 63, -4,
			     1, "[1]", NULL);

	assert_string_equal(s, "{\"a\":\"x\\\"\\\\\\u000a,\\u007f\",\"b\":9223372036854775808,\"c\":-4,\"d\":true,"
			       "\"e\":[1],"
			       "\"f\":null}");
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(qmp_ask_answer_givesReturn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(qmp_do_error_tellsQemusWordsAndKind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(qmp_waitEvent_amongAnswers_isKeptAndGivenOnce, set_up, tear_down),
		cmocka_unit_test_setup_teardown(qmp_ask_lateAnswerOfEarlierCall_isPassedOver, set_up, tear_down),
		cmocka_unit_test_setup_teardown(qmp_open_badMonitor_saysWhatIsWrong, set_up, tear_down),
		cmocka_unit_test(qmp_open_noSocket_isNetwork),
		cmocka_unit_test_setup_teardown(qmp_open_pathLongerThanASocketName_works, set_up, tear_down),
		cmocka_unit_test(json_format_values_areEscaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
