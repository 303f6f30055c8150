// SPDX-License-Identifier: Apache-2.0
/*
 * One side of a session (net/wire.h), as its stages share it: the channels, who may read and write them, what happens
 * when a connection breaks, and how all of it ends.
 *
 * Threads. The connector brings connections that have said HELLO. Each channel has one reader (a thread of the listener
 * or receiver), which owns its connection: it greets on it, reads, hears why it broke, and closes it. Whoever has
 * claimed a channel writes. The tick watches over silence.
 *
 * On failure every connection that still carries a frame gets an ERROR as its last one: those that a reader has, greeted
 * or not, from the last thread of the writing stage; those on which HELLO is still being said, and those that no reader
 * has taken yet, from the connector. Whoever reads then takes what still comes until the peer hangs up, so that it reads
 * the ERROR instead of a reset; after SESSION_GRACE_NS the connections are aborted.
 */
#ifndef WHERRY_COPY_SESSION_H
#define WHERRY_COPY_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "copy/copy.h"
#include "copy/window.h"

#define SESSION_GRACE_NS INT64_C(2000000000)

enum channel_state {
	CHANNEL_DOWN,     /* no connection */
	CHANNEL_GREETING, /* its reader has a connection; nobody else writes but session_abandon() */
	CHANNEL_UP
};

struct channel {
	unsigned index;
	atomic_int_fast64_t deadline_ns; /* monotonic: what is being read must have come; 0: not reading */

	/* The reader's; target. */
	uint64_t taken, acked, taken_bytes; /* frames; plain bytes since the last ACK */
	bool ended;                         /* END was taken */

	/* Under the session's lock. */
	enum channel_state state;
	bool claimed;           /* somebody writes */
	bool gathered;          /* something waits in the stream for a flush */
	struct stream *stream;  /* NULL when DOWN */
	struct stream *next;    /* waits to take its place */
	struct err fault;       /* kind other than NONE: this side gives the connection up, since fault_ns */
	int64_t fault_ns;
	int64_t wrote_ns;
	int64_t lost_ns;        /* when the last connection broke */
	int64_t trouble_ns;     /* since when nothing got through; 0: it does */
	int64_t retry_ns, pause_ns;       /* the connector's: when to dial again, and the pause after that */
	uint64_t told_durable;            /* target: on this connection */
	bool told_end;
	struct window window;   /* source */
};

struct session {
	const struct copy_config *c;
	const struct copy_link *link;
	struct stream *first; /* the connector takes it */
	int64_t silence_ns, patience_ns;
	int64_t hello_ns;     /* for HELLO, both ways: the connector sees to one connection at a time */
	unsigned channels;
	struct channel channel[WIRE_MAX_CHANNELS];

	pthread_mutex_t lock; /* everything below, and the channels' */
	pthread_cond_t changed; /* the session or the state of a channel */
	pthread_cond_t freed;   /* besides: a channel was released, or its window moved; for every frame, so few wait for it */
	struct stream *door;  /* on which the connector says HELLO, */
	int64_t door_until_ns; /* until when, monotonic, */
	bool door_late;       /* and whether that took longer */
	bool stopped, closed;
	int64_t stopped_ns;   /* of the ticking thread */
	atomic_bool remote;   /* the failure is the peer's, by its ERROR */
	uint64_t asked;       /* source: the last checkpoint whose CHECKPOINT went out */
	bool sent_end;        /* source: END went out on every channel */
	bool ended;           /* END_OK: heard by the source, to be told by the target */
	int64_t ended_ns;
	uint64_t durable;     /* target: the last checkpoint */
	struct copy_link_status status;
};

void session_init(struct session *s, const struct copy_config *c, const struct copy_link *link);
/* Before anything runs: tell the peer why nothing will; always -1. */
int session_refuse(struct session *s, const struct err *why);
void session_fini(struct session *s); /* closes all connections */

void session_stop(void *session);                                /* a stop hook */
int session_tick(void *session, bool stopped, struct err *e);    /* a tick hook */
/* The session is over, well: connections are aborted, readers and the connector return. */
void session_close(struct session *s);
bool session_is_over(struct session *s); /* closed or stopped */
/* The two sides agree that all is done: END went out on every channel; END_OK was heard, or is to be told. */
void session_set_sent_end(struct session *s);
bool session_has_sent_end(struct session *s);
void session_set_ended(struct session *s);
bool session_has_ended(struct session *s);
/* Until something changed, at most ns. */
void session_wait(struct session *s, int64_t ns);

/* For channel.c and session_watch.c, with the lock held: until a channel was freed, at most ns; to wake all who wait for
 * anything; and a connection that this side gives up, whose reader will hear why. */
void session_wait_freed(struct session *s, int64_t ns);
void session_changed(struct session *s);
void session_give_up(struct channel *ch, enum err_kind kind, const char *why);
/* Without the lock: nobody is to wait for connections any more. */
void session_wake(struct session *s);

/* ---- Connections ---- */

/* For the connector: a channel that wants a connection now, or NULL and how long to wait for that. */
struct channel *session_next_down(struct session *s, int64_t *wait_ns);
/* A connection (taken) that has said HELLO for this channel: the newest one wins. */
void session_offer(struct session *s, unsigned channel, struct stream *stream);
/* When the pipeline was stopped: tell why on those that no reader will take. */
void session_abandon_offers(struct session *s, const struct err *why);
void session_close_stream(struct session *s, struct stream *stream);
/* HELLO is said on it now; it is aborted if that takes longer than hello_ns. */
void session_open_door(struct session *s, struct stream *stream);
bool session_shut_door(struct session *s); /* not any more; false: it was late */
/* An attempt to connect failed. */
void session_note(struct session *s, const struct err *why);

struct session_reader {
	/* The greeting behind HELLO. */
	int (*greet)(void *ctx, struct channel *ch, struct err *e);
	/* Before anything else is read on a connection; may be NULL. */
	void (*begin)(void *ctx, struct channel *ch);
	int (*take)(void *ctx, struct channel *ch, const struct wire_frame *f, bool *last, struct err *e);
	/* A PING came, or the connection broke: it may take long until the next frame. May be NULL. */
	int (*pause)(void *ctx, struct err *e);
};

/* Reads a channel over all its connections until the last frame or the end of the session. */
int session_read(struct session *s, struct channel *ch, const struct session_reader *r, void *ctx, struct err *e);
/* The reader failed, and it has been reported: take what still comes. */
void session_drain(struct session *s, struct channel *ch);

/* ---- Frames; by a channel's reader ---- */

/* The next frame that is no PING. An ERROR frame becomes *e. */
int channel_recv(struct session *s, struct channel *ch, struct wire_frame *f, struct err *e);
int channel_recv_any(struct session *s, struct channel *ch, struct wire_frame *f, struct err *e); /* also a PING */
int channel_recv_payload(struct session *s, struct channel *ch, void *to, size_t n, struct err *e);

/* ---- Frames; by whoever has claimed the channel, which nobody can any more once the session is stopped ---- */

/* One of the channels below `end` that is up, free and has room for so many plain bytes more; waits for it once, at most
 * wait_ns. NULL: there is none, or the session is over. */
struct channel *session_claim(struct session *s, unsigned end, uint64_t bytes, int64_t wait_ns);
/* For the reader's part in the greeting. False: stopped. */
bool session_claim_greeting(struct session *s, struct channel *ch);
/* Waits until it is free; false: it is not up. */
bool session_claim_up(struct session *s, struct channel *ch);
/* At once or not at all: it is up and free, and something waits to be sent or flushed. */
bool session_claim_if_waiting(struct session *s, struct channel *ch);
void session_release(struct session *s, struct channel *ch);
/* A frame and its payload in two parts (either may be empty). -1: the connection broke, which its reader deals with. */
int channel_send(struct session *s, struct channel *ch, const struct wire_frame *f, const void *a, size_t a_len,
		 const void *b, size_t b_len);
int channel_send_plain(struct session *s, struct channel *ch, enum wire_type type, uint64_t id); /* flushed */
int channel_flush(struct session *s, struct channel *ch);
/* The window's operations, under the lock. The next frame to send: false also when the channel is not up. */
void session_push_frame(struct session *s, struct channel *ch, const struct wire_frame *f, const uint8_t *hash);
bool session_next_frame(struct session *s, struct channel *ch, struct window_frame *out, bool *again);
int session_ack(struct session *s, struct channel *ch, uint64_t upto, struct err *e);
uint64_t session_last_asked(struct session *s); /* the last checkpoint whose CHECKPOINT went out */
void session_count_resent(struct session *s, uint64_t payload);
/* PING where it is due. */
void session_keep_alive(struct session *s);

/* The target's news, told on channel 0: again on every new connection, by its reader, and at once by whoever has some. */
void session_set_durable(struct session *s, uint64_t id);
void session_tell(struct session *s);

/* The writing stage's part when the pipeline was stopped: tell why on all channels. */
void session_abandon(struct session *s, const struct err *why);

#endif
