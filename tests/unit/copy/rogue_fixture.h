// SPDX-License-Identifier: Apache-2.0
/* A peer that breaks wherry/1, and the side that has to bear it. */
#ifndef WHERRY_TESTS_ROGUE_FIXTURE_H
#define WHERRY_TESTS_ROGUE_FIXTURE_H

#include <pthread.h>

#include "copy/copy_fixture.h"
#include "net/wire.h"

#define ROGUE_SIZE (3 * (uint64_t)FX_CHUNK + 4096) /* of the one disk, mostly */

struct rogue {
	struct fx *f;
	struct stream *s;
	struct err heard; /* the ERROR the victim sent */
	struct err e;
};

struct rogue_case {
	const char *name;
	void (*act)(struct rogue *r);
	enum err_kind kind; /* 0: REFUSED or PROTOCOL or DENIED, as wire.c says */
};

/* A chunk of bytes 'x' that claims to be anything. */
struct claim {
	uint16_t disk;
	uint64_t id;         /* checkpoint; 0 stands for 1 */
	uint64_t offset, length;
	uint32_t bytes;      /* really sent */
	uint32_t plain;      /* hashed, and packed when flags say so */
	uint8_t flags;
	bool wrong_hash;
	bool trailing;       /* a second zstd frame behind the first */
};

#define GOOD {.length = FX_CHUNK, .bytes = FX_CHUNK, .plain = FX_CHUNK}

void send_frame(struct rogue *r, struct wire_frame f, const void *payload);
void send_hello(struct rogue *r, const struct wire_hello *h);
void send_chunk(struct rogue *r, struct claim c);
void send_disk(struct rogue *r, uint16_t index, uint64_t size, uint32_t chunk, uint32_t sector);
/* A source's HELLO and DISK, and what the target answers. */
void announce(struct rogue *r, uint16_t channel, uint16_t channels);
void hear_ready(struct rogue *r);
/* A target's part up to READY, which has taken nothing; and a CHUNK that comes after it. */
void answer(struct rogue *r);
void hear_chunk(struct rogue *r);
void expect(struct rogue *r, enum wire_type type);
/* What the victim still says, up to its ERROR or its end. */
void hear_out(struct rogue *r);

struct victim {
	struct copy_config c;
	struct copy_link link; /* one channel, open already */
	struct ledger *ledger;
	struct err e;
	int rc;
};

/* A rogue and its victim, which runs in a thread of its own. */
struct duel {
	struct fx *f;
	struct copy_progress progress;
	struct copy_disk disk;
	struct victim victim;
	struct rogue rogue;
	pthread_t thread;
	struct stream *waiting; /* the victim's next connection; NULL: none */
};

void duel_init(struct duel *u, enum wire_role role, uint64_t size); /* role: the victim's; size: of the disk */
/* The rogue's end of one more connection, which the victim gets when it wants one. Before duel_start(). */
struct stream *duel_connect(struct duel *u);
void duel_start(struct duel *u); /* the victim */
void duel_begin(struct duel *u, enum wire_role role); /* both, with ROGUE_SIZE */
void duel_join(struct duel *u, bool listens);         /* the rogue hangs up; listens: after it has heard the victim out */
void duel_end(struct duel *u);
/* A whole one up to the join: the victim must fail with the case's kind. */
void duel_of(struct duel *u, enum wire_role role, const struct rogue_case *c);
/* A whole one in which the victim is canceled while it waits for HELLO or, greeted, for the frame behind it: it must fail
 * with that and tell it. */
void duel_of_cancel(enum wire_role role, bool greeted);

#endif
