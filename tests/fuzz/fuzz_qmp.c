// SPDX-License-Identifier: Apache-2.0
/* A monitor that says anything: greeting, answers, events, all at once. RUNS: 3000 */
#include "fuzz/fuzz.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "qmp.h"

struct monitor {
	int listener;
	const uint8_t *data;
	size_t size;
};

/* Made once, under a folder that goes when the program ends. */
static char *folder;

static void remove_folder(void)
{
	char *path = mem_printf("%s/qmp.sock", folder);

	unlink(path);
	rmdir(folder);
	free(path);
	free(folder);
}

static int make_listener(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	folder = mem_strdup("/tmp/wherry-fuzz-XXXXXX");
	fuzz_check(mkdtemp(folder) != NULL);
	snprintf(a.sun_path, sizeof a.sun_path, "%s/qmp.sock", folder);
	fuzz_check(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 4) == 0);
	atexit(remove_folder);
	return fd;
}

static void *play(void *arg)
{
	struct monitor *m = arg;
	int fd = accept(m->listener, NULL, NULL);
	char sink[4096];

	for (size_t done = 0; done < m->size;) {
		ssize_t n = send(fd, m->data + done, m->size - done, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	shutdown(fd, SHUT_WR);
	while (read(fd, sink, sizeof sink) > 0)
		;
	close(fd);
	return NULL;
}

static void ask(struct qmp *q)
{
	struct yyjson_doc *doc = NULL;
	struct yyjson_val *value = NULL;
	struct err e = ERR_INIT;

	if (qmp_ask(q, "query-status", NULL, &doc, &value, &e) == 0)
		yyjson_get_bool(yyjson_obj_get(value, "running"));
	qmp_doc_cleanup(&doc);
	qmp_wait_event(q, "BLOCK_JOB_COMPLETED", "device", "job0", 0);
	while (qmp_do(q, "stop", "{\"a\":1}", &e) == 0)
		;
	fuzz_check(e.kind != ERR_NONE && e.kind != ERR_TIMEOUT && e.kind < ERR_KINDS);
	qmp_wait_event(q, "STOP", NULL, NULL, NS_PER_S);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int listener = -1;
	struct err e = ERR_INIT;
	pthread_t thread;

	if (listener < 0)
		listener = make_listener();
	struct monitor m = {.listener = listener, .data = data, .size = size};
	fuzz_check(pthread_create(&thread, NULL, play, &m) == 0);
	struct qmp *q = qmp_open(folder, 10 * NS_PER_S, &e);
	if (q != NULL)
		ask(q);
	else
		fuzz_check(e.kind != ERR_NONE && e.kind != ERR_TIMEOUT);
	qmp_close(q);
	pthread_join(thread, NULL);
	return 0;
}

#define HELLO "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n{\"return\":{},\"id\":1}\r\n"

void fuzz_seeds(struct fuzz_corpus *to)
{
	fuzz_seed_text(to, HELLO "{\"return\":{\"running\":true},\"id\":2}\r\n{\"return\":{},\"id\":3}\r\n");
	fuzz_seed_text(to, HELLO "{\"event\":\"STOP\",\"data\":{}}\r\n{\"event\":\"BLOCK_JOB_COMPLETED\",\"data\":"
				 "{\"device\":\"job0\"}}\r\n{\"error\":{\"class\":\"DeviceNotFound\",\"desc\":\"x\"},\"id\":2}\r\n");
	fuzz_seed_text(to, HELLO "{\"error\":{\"class\":\"GenericError\",\"desc\":\"No space left\"},\"id\":2}\r\n");
	fuzz_seed_text(to, "{\"QMP\":1}\r\n");
}
