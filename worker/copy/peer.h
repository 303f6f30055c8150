// SPDX-License-Identifier: Apache-2.0
/*
 * The other end of the chunk stream, as the stages of one side share it: greeting, frames with a watch over silence,
 * and how a connection ends when something fails.
 *
 * One thread reads (listener or receiver), and until `ready` also writes: the greeting. From then on another thread
 * writes (sender or replier). On failure the writing thread sends ERROR; the reading one then takes what still comes
 * until the peer hangs up, so that the peer reads the ERROR instead of a reset; after PEER_GRACE_NS the stream is
 * aborted.
 */
#ifndef WHERRY_COPY_PEER_H
#define WHERRY_COPY_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "copy/copy.h"

#define PEER_GRACE_NS INT64_C(2000000000)

struct peer {
	const struct copy_config *c;
	struct stream *stream;
	int64_t silence_ns;
	atomic_int_fast64_t deadline_ns; /* monotonic: what is being read must have come; 0: not reading */
	atomic_bool dead;                /* it passed */
	atomic_uint open_checkpoints;    /* target: without their DURABLE */
	int64_t stopped_ns;              /* of the ticking thread */
	pthread_mutex_t lock;            /* everything below */
	pthread_cond_t changed;
	bool ready;    /* greeted */
	bool sent_end; /* source */
	bool ended;    /* END_OK came */
	bool gone;     /* the reading thread has nothing more to say */
	bool remote;   /* the failure is the peer's, by its ERROR */
	bool stopped;
};

/* Tell a peer why this is the end; always -1. By whoever may write. */
int peer_refuse(struct stream *s, const struct err *why);

void peer_init(struct peer *p, const struct copy_config *c, struct stream *s);
void peer_fini(struct peer *p);

/* The greeting of each side, up to READY. */
int peer_greet_as_source(struct peer *p, struct err *e);
int peer_greet_as_target(struct peer *p, struct err *e);
int peer_wait_ready(struct peer *p, struct err *e); /* -1: stopped */

/* The next frame that is no PING. An ERROR frame becomes *e. */
int peer_recv(struct peer *p, struct wire_frame *f, struct err *e);
int peer_read(struct peer *p, void *to, size_t n, struct err *e);
/* A frame whose payload comes in two parts (either may be empty). The peer's ERROR goes before an error of ours. */
int peer_send(struct peer *p, const struct wire_frame *f, const void *a, size_t a_len, const void *b, size_t b_len,
	      struct err *e);
int peer_send_plain(struct peer *p, enum wire_type type, uint64_t id, struct err *e); /* no payload; flushed */

/* Source: END has been sent; wait for END_OK and keep the connection alive meanwhile. */
int peer_wait_ended(struct peer *p, struct err *e);
void peer_set_ended(struct peer *p);
bool peer_has_sent_end(struct peer *p);

/* The reading thread failed with *e: it has been reported; take what still comes, then be gone. */
void peer_reader_failed(struct peer *p);
/* The writing thread's part when the pipeline was stopped. */
void peer_abandon(struct peer *p, const struct err *why);
void peer_stop(void *peer);                                  /* a stop hook */
int peer_tick(void *peer, bool stopped, struct err *e);      /* a tick hook */

#endif
