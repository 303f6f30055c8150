// SPDX-License-Identifier: Apache-2.0
#include "job/server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/thread.h"
#include "net/api_names.h"
#include "net/stream_tcp.h"

#define MAX_CONNECTIONS 16                 /* accepted ones; more wait in the backlog */
#define DIALED_OUT      3                  /* calls, feed, and one to spare for when either breaks */
#define ACCEPT_SLICE_NS (500 * NS_PER_MS)
#define DIAL_TIMEOUT_NS (5 * NS_PER_S)
#define FIRST_PAUSE_NS  (200 * NS_PER_MS)
#define LAST_PAUSE_NS   (5 * NS_PER_S)
#define MAX_COMPLAINTS  20                 /* about strangers at the door, for all of this boot */

struct server {
	struct server_config config;
	pthread_mutex_t lock; /* everything below */
	pthread_cond_t changed;
	unsigned accepted;    /* connections with a thread */
	unsigned active;      /* connections that are past their handshake */
	unsigned threads;
	unsigned complaints;
	bool stopping;
};

struct accepted {
	struct server *server;
	struct stream *tcp;
};

static void leave(struct server *s, bool accepted)
{
	pthread_mutex_lock(&s->lock);
	s->threads--;
	if (accepted)
		s->accepted--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static bool is_stopping(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	bool stopping = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return stopping;
}

static void add_active(struct server *s, int by)
{
	pthread_mutex_lock(&s->lock);
	s->active += (unsigned)by;
	pthread_mutex_unlock(&s->lock);
}

unsigned server_active(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned active = s->active;
	pthread_mutex_unlock(&s->lock);
	return active;
}

/* Whoever knocks can make these lines, so there is an end to them. */
static void complain(struct server *s, const struct err *e)
{
	pthread_mutex_lock(&s->lock);
	bool more = !s->stopping && s->complaints < MAX_COMPLAINTS && ++s->complaints > 0;
	pthread_mutex_unlock(&s->lock);
	if (more && (e->kind == ERR_DENIED || e->kind == ERR_PROTOCOL))
		log_warn(s->config.log, "a connection was refused: %s", e->msg);
}

/* ---- One connection ---- */

static void serve_http(struct server *s, struct stream *tls, bool pinned)
{
	struct api_conn conn = {.api = s->config.api, .pinned = pinned};
	struct err e = ERR_INIT;

	/* An idle connection is no longer wanted when the lease it should have renewed is over. */
	stream_set_timeout(tls, atomic_load(&s->config.api->lease->length_ns));
	add_active(s, 1);
	if (http_serve(tls, API_MAX_BODY, api_handle, &conn, &e) < 0)
		complain(s, &e);
	add_active(s, -1);
	stream_close(tls);
}

/* After the handshake: `tls` (taken) goes where its ALPN and its peer's certificate both say. */
static void dispatch(struct server *s, struct stream *tls, const struct identity_tls *t)
{
	bool controller = stream_tls_trust_index(tls) == 0;
	bool http = strcmp(stream_tls_alpn(tls), TLS_ALPN_HTTP) == 0;
	struct err e = ERR_INIT;

	if (controller && http) {
		serve_http(s, tls, !t->enrolled);
	} else if (!controller && !http) {
		runner_offer_peer(s->config.api->runner, tls);
	} else {
		err_set(&e, ERR_DENIED, 0, "the %s's certificate does not allow %s",
			controller ? "controller" : "other worker", stream_tls_alpn(tls));
		complain(s, &e);
		stream_close(tls);
	}
}

static void *accepted_main(void *arg)
{
	struct accepted *a = arg;
	struct server *s = a->server;
	struct identity_tls t;
	struct err e = ERR_INIT;

	identity_tls_init(s->config.api->identity, IDENTITY_ACCEPT, &t);
	struct stream *tls = stream_tls_server(conns_track(s->config.conns, a->tcp, CONN_OTHER), &t.config, &e);
	if (tls == NULL)
		complain(s, &e);
	else
		dispatch(s, tls, &t);
	identity_tls_fini(&t);
	free(a);
	leave(s, true);
	return NULL;
}

/* ---- Listening ---- */

static void start_accepted(struct server *s, struct stream *tcp)
{
	struct accepted *a = mem_alloc(sizeof *a);
	struct err e = ERR_INIT;

	*a = (struct accepted){.server = s, .tcp = tcp};
	pthread_mutex_lock(&s->lock);
	s->accepted++;
	s->threads++;
	pthread_mutex_unlock(&s->lock);
	if (thread_start(NULL, accepted_main, a, &e) == 0)
		return;
	log_error(s->config.log, "%s", e.msg);
	stream_close(tcp);
	free(a);
	leave(s, true);
}

/* false: stop. */
static bool wait_for_room(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->stopping && s->accepted >= MAX_CONNECTIONS)
		pthread_cond_wait(&s->changed, &s->lock);
	bool stopping = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return !stopping;
}

static void *listen_main(void *arg)
{
	struct server *s = arg;

	while (wait_for_room(s)) {
		struct err e = ERR_INIT;
		struct stream *tcp = stream_tcp_accept(s->config.listener, ACCEPT_SLICE_NS, &e);

		if (tcp != NULL) {
			start_accepted(s, tcp);
		} else if (e.kind != ERR_TIMEOUT && !is_stopping(s)) {
			complain(s, &e);
			clock_sleep_ns(ACCEPT_SLICE_NS); /* out of descriptors, say: it may pass */
		}
	}
	leave(s, false);
	return NULL;
}

/* ---- Dialing out ---- */

static void pause_dialing(struct server *s, int64_t ns)
{
	int64_t until = clock_mono_ns() + ns;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping && thread_cond_wait_until(&s->changed, &s->lock, until))
		;
	pthread_mutex_unlock(&s->lock);
}

/* One connection from dialing to its end. */
static int dial_and_serve(struct server *s, struct err *e)
{
	struct stream *tcp = stream_tcp_dial(s->config.boot->controller_address, DIAL_TIMEOUT_NS, e);
	struct identity_tls t;

	if (tcp == NULL)
		return -1;
	/* On the list before the identity is looked at: an enrolment in between either is seen or aborts the
	 * handshake. */
	struct stream *tracked = conns_track(s->config.conns, tcp, CONN_WAITING);
	identity_tls_init(s->config.api->identity, IDENTITY_DIAL_CONTROL, &t);
	struct stream *tls = stream_tls_client(tracked, &t.config, e);
	if (tls != NULL) {
		conns_set_kind(tracked, CONN_OTHER);
		serve_http(s, tls, !t.enrolled);
	}
	identity_tls_fini(&t);
	return tls != NULL ? 0 : -1;
}

static void *dial_main(void *arg)
{
	struct server *s = arg;
	int64_t pause = FIRST_PAUSE_NS;
	bool said = false;

	while (!is_stopping(s)) {
		struct err e = ERR_INIT;
		int rc = dial_and_serve(s, &e);

		/* CANCELED: a new identity is in force, or all ends. */
		if (rc == 0 || e.kind == ERR_CANCELED) {
			pause = FIRST_PAUSE_NS;
			said = false;
		} else if (!said) {
			log_warn(s->config.log, "dialing the controller at %s: %s; trying again",
				 s->config.boot->controller_address, e.msg);
			said = true;
		}
		pause_dialing(s, pause);
		if (rc < 0)
			pause = pause * 2 < LAST_PAUSE_NS ? pause * 2 : LAST_PAUSE_NS;
	}
	leave(s, false);
	return NULL;
}

/* ---- Beginning and end ---- */

static int start(struct server *s, void *(*main)(void *arg), struct err *e)
{
	pthread_mutex_lock(&s->lock);
	s->threads++;
	pthread_mutex_unlock(&s->lock);
	if (thread_start(NULL, main, s, e) == 0)
		return 0;
	leave(s, false);
	return -1;
}

struct server *server_new(const struct server_config *c, struct err *e)
{
	struct server *s = mem_alloc(sizeof *s);
	unsigned dialers = c->boot->control == BOOT_DIAL_OUT ? DIALED_OUT : 0;

	s->config = *c;
	pthread_mutex_init(&s->lock, NULL);
	thread_cond_init(&s->changed);
	int rc = start(s, listen_main, e);
	for (unsigned i = 0; rc == 0 && i < dialers; i++)
		rc = start(s, dial_main, e);
	if (rc == 0)
		return s;
	server_free(s);
	return NULL;
}

void server_free(struct server *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	shutdown(s->config.listener, SHUT_RDWR); /* wakes the accept */
	conns_shut(s->config.conns);
	pthread_mutex_lock(&s->lock);
	while (s->threads > 0)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s);
}

struct stream *server_dial_peer(void *ctx, const char *address, struct err *e)
{
	const struct server_peer *p = ctx;
	struct stream *tcp = stream_tcp_dial(address, DIAL_TIMEOUT_NS, e);
	struct identity_tls t;

	if (tcp == NULL)
		return NULL;
	identity_tls_init(p->identity, IDENTITY_DIAL_PEER, &t);
	struct stream *tls = stream_tls_client(conns_track(p->conns, tcp, CONN_OTHER), &t.config, e);
	identity_tls_fini(&t);
	return tls;
}
