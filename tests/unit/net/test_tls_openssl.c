// SPDX-License-Identifier: Apache-2.0
/* OpenSSL at the other end: megabytes both ways at once under each cipher, as its client and as its server,
 * and new keys asked for by either end. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/net_fixture.h"
#include "net/stream_tcp.h"

#define BYTES (((size_t)4 << 20) + 12345)
#define PIECE ((size_t)100000)

static const struct {
	enum tls_cipher cipher;
	const char *name;
} ciphers[] = {
	{TLS_CIPHER_AES_128_GCM, "TLS_AES_128_GCM_SHA256"},
	{TLS_CIPHER_AES_256_GCM, "TLS_AES_256_GCM_SHA384"},
	{TLS_CIPHER_CHACHA20_POLY1305, "TLS_CHACHA20_POLY1305_SHA256"},
};

/* ---- The other program ---- */

struct openssl {
	pid_t pid;
	int in, out; /* its standard input and output */
	char folder[32];
	struct fx_side side[2]; /* [0] is ours */
};

static void put_file(const char *folder, const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	free(path);
}

/* What it says of itself comes between the data, or is lost. */
static void exec_openssl(const struct openssl *o, int in, int out, const char *const args[], bool talks)
{
	int err = talks ? out : open("/dev/null", O_WRONLY);

	if (chdir(o->folder) == 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2) {
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		execvp("openssl", (char *const *)args);
	}
	_exit(127);
}

static void openssl_start(struct openssl *o, const char *const args[], bool talks)
{
	int in[2], out[2];
	struct err e = ERR_INIT;
	struct buf pem = BUF_INIT;

	*o = (struct openssl){
		.folder = "/tmp/test_openssl.XXXXXX", .side = {fx_side("ours"), fx_side("theirs")}};
	assert_non_null(mkdtemp(o->folder));
	assert_done(pki_key_to_pem(o->side[1].key, &pem, &e), &e);
	put_file(o->folder, "key", pem.data);
	put_file(o->folder, "cert", o->side[1].cert.data);
	buf_fini(&pem);
	fx_trust_key(&o->side[0], o->side[1].key);
	o->side[0].config.trust = o->side[0].trust;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	o->pid = fork();
	assert_true(o->pid >= 0);
	if (o->pid == 0)
		exec_openssl(o, in[0], out[1], args, talks);
	close(in[0]);
	close(out[1]);
	o->in = in[1];
	o->out = out[0];
}

static void openssl_stop(struct openssl *o)
{
	static const char *const files[] = {"key", "cert"};

	close(o->in);
	close(o->out);
	kill(o->pid, SIGKILL);
	waitpid(o->pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		char *path = mem_printf("%s/%s", o->folder, files[i]);

		unlink(path);
		free(path);
	}
	rmdir(o->folder);
	fx_side_fini(&o->side[0]);
	fx_side_fini(&o->side[1]);
}

/* Their client, connected with our server. */
static struct stream *meet_client(struct openssl *o, enum tls_cipher cipher, const char *name, bool talks)
{
	struct err e = ERR_INIT;
	char address[32];
	int listener = stream_tcp_listen("127.0.0.1:0", &e);

	assert_done(listener, &e);
	snprintf(address, sizeof address, "127.0.0.1:%d", stream_tcp_port(listener));
	openssl_start(o,
		(const char *const[]){"openssl", "s_client", "-connect", address, "-tls1_3", "-alpn",
			"http/1.1", "-cert", "cert", "-key", "key", "-ciphersuites", name,
			talks ? NULL : "-quiet", NULL},
		talks);
	struct stream *lower = stream_tcp_accept(listener, 20 * NS_PER_S, &e);
	close(listener);
	if (lower == NULL)
		fail_msg("%s", e.msg);
	o->side[0].config.cipher = cipher;
	o->side[0].config.records_per_key = 50;
	struct stream *s = stream_tls_server(lower, &o->side[0].config, &e);
	if (s == NULL)
		fail_msg("%s: %s", name, e.msg);
	return s;
}

/* A port that nobody has at the moment. */
static void free_port(char port[8])
{
	struct err e = ERR_INIT;
	int listener = stream_tcp_listen("127.0.0.1:0", &e);

	assert_done(listener, &e);
	snprintf(port, 8, "%d", stream_tcp_port(listener));
	close(listener);
}

/* Our client, connected with their server once that listens. */
static struct stream *meet_server(struct openssl *o, enum tls_cipher cipher, const char *name)
{
	int64_t until = clock_mono_ns() + 20 * NS_PER_S;
	struct err e = ERR_INIT;
	struct stream *lower;
	char port[8], address[32];

	free_port(port);
	openssl_start(o,
		(const char *const[]){"openssl", "s_server", "-accept", port, "-tls1_3", "-alpn", "http/1.1",
			"-cert", "cert", "-key", "key", "-Verify", "1", "-ciphersuites", name, "-quiet",
			NULL},
		false);
	snprintf(address, sizeof address, "127.0.0.1:%s", port);
	while ((lower = stream_tcp_dial(address, NS_PER_S, &e)) == NULL && clock_mono_ns() < until)
		clock_sleep_ns(20 * NS_PER_MS);
	if (lower == NULL)
		fail_msg("%s", e.msg);
	o->side[0].config.cipher = cipher;
	o->side[0].config.records_per_key = 50;
	struct stream *s = stream_tls_client(lower, &o->side[0].config, &e);
	if (s == NULL)
		fail_msg("%s: %s", name, e.msg);
	return s;
}

/* ---- Both ways ---- */

struct mover {
	struct stream *s; /* or else: */
	int fd;
	bool writes;
	uint64_t seed;
	int rc;
	struct err e;
};

static int move_piece(struct mover *m, uint8_t *data, size_t n)
{
	if (m->s != NULL)
		return m->writes ? stream_write(m->s, data, n, &m->e)
				 : stream_read_full(m->s, data, n, &m->e);
	for (size_t at = 0; at < n;) {
		ssize_t moved = m->writes ? write(m->fd, data + at, n - at) : read(m->fd, data + at, n - at);

		if (moved <= 0)
			return err_set(&m->e, ERR_IO, 0, "openssl has ended after %zu bytes", at);
		at += (size_t)moved;
	}
	return 0;
}

static void *move(void *p)
{
	struct mover *m = p;
	uint8_t *data = mem_alloc(PIECE), *expected = mem_alloc(PIECE);

	for (size_t done = 0, n; done < BYTES && m->rc == 0; done += n) {
		n = BYTES - done < PIECE ? BYTES - done : PIECE;
		fx_fill(m->seed, done, expected, n);
		if (m->writes)
			memcpy(data, expected, n);
		m->rc = move_piece(m, data, n);
		if (m->rc == 0 && memcmp(data, expected, n) != 0)
			m->rc = err_set(&m->e, ERR_CORRUPT, 0, "wrong bytes after %zu", done);
	}
	if (m->s != NULL && m->writes && m->rc == 0)
		m->rc = stream_flush(m->s, &m->e);
	free(data);
	free(expected);
	return NULL;
}

static void move_both_ways(struct stream *s, struct openssl *o)
{
	struct mover m[4] = {
		{.s = s, .seed = 1, .writes = true},
		{.fd = o->out, .seed = 1},
		{.fd = o->in, .seed = 2, .writes = true},
		{.s = s, .seed = 2},
	};
	pthread_t thread[4];

	stream_set_timeout(s, 60 * NS_PER_S);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, move, &m[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 4; i++)
		assert_done(m[i].rc, &m[i].e);
}

static void need_openssl(void)
{
	if (system("openssl version >/dev/null 2>&1") != 0) {
		print_message("skipped: openssl is not installed\n");
		skip();
	}
}

static void stream_tls_openssl_client_both_ways_all_bytes_right(void **state)
{
	(void)state;
	need_openssl();
	for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
		struct openssl o;
		struct stream *s = meet_client(&o, ciphers[i].cipher, ciphers[i].name, false);

		move_both_ways(s, &o);
		stream_close(s);
		openssl_stop(&o);
	}
}

static void stream_tls_openssl_server_both_ways_all_bytes_right(void **state)
{
	(void)state;
	need_openssl();
	for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
		struct openssl o;
		struct stream *s = meet_server(&o, ciphers[i].cipher, ciphers[i].name);

		move_both_ways(s, &o);
		stream_close(s);
		openssl_stop(&o);
	}
}

/* Everything it says up to `text`. */
static void wait_for(int fd, const char *text)
{
	char all[16384] = "";

	for (size_t n = 0; strstr(all, text) == NULL;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got = poll(&p, 1, 20000) == 1 ? read(fd, all + n, sizeof all - 1 - n) : 0;

		if (got <= 0)
			fail_msg("openssl has not said '%s' but: %s", text, all);
		n += (size_t)got;
		all[n] = '\0';
	}
}

/* "K" and "k" alone on a line: s_client renews its keys, and asks for ours, too, or does not. */
static void stream_tls_openssl_renews_keys_goes_on(void **state)
{
	static const char *const commands[] = {"K\n", "k\n", "K\n"};
	struct openssl o;
	struct err e = ERR_INIT;
	char got[8];

	(void)state;
	need_openssl();
	struct stream *s = meet_client(&o, TLS_CIPHER_AES_128_GCM, ciphers[0].name, true);
	stream_set_timeout(s, 20 * NS_PER_S);
	for (size_t i = 0; i < 3; i++) {
		assert_done(stream_write(s, "welcome\n", 8, &e), &e);
		assert_done(stream_flush(s, &e), &e);
		wait_for(o.out, "welcome");
		assert_int_equal(write(o.in, commands[i], 2), 2);
		wait_for(o.out, "KEYUPDATE");
		assert_int_equal(write(o.in, "thanks!\n", 8), 8);
		assert_done(stream_read_full(s, got, 8, &e), &e);
		assert_memory_equal(got, "thanks!\n", 8);
	}
	assert_done(stream_write(s, "goodbye\n", 8, &e), &e);
	stream_close(s);
	wait_for(o.out, "goodbye");
	openssl_stop(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_tls_openssl_client_both_ways_all_bytes_right),
		cmocka_unit_test(stream_tls_openssl_server_both_ways_all_bytes_right),
		cmocka_unit_test(stream_tls_openssl_renews_keys_goes_on),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
