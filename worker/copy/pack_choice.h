// SPDX-License-Identifier: Apache-2.0
/*
 * Chooses how hard to compress, so that the whole copy is as fast as it can be: by a model of what a byte of disk takes,
 *
 *     sent as it is:  link                          nanoseconds a byte on the wire
 *     at a level:     max(link * ratio, cost / spare)
 *
 * and the level whose figure is the least. `ratio` and `cost` (processor time) of all levels are measured on the same
 * chunks, a few at first and one in PACK_PROBE later, so levels are compared without being tried. `spare` is how many
 * processors packing gets: all at first, and what was seen when a level turned out slower than the model has it. So it
 * does not matter what else runs there, and sending that competes with packing for the processors shows in it, too.
 *
 * `link` is measured in epochs (some chunks and some 10 ms). A slow one shows while packing: the sender always has
 * something to send, and a byte takes longer than any processor needs for it; so there it costs nothing. A fast one is
 * measured by sending as it is for an epoch, since packing competes with the sender: once behind the first MiB, then ever
 * more rarely, never for more than a small part of the time, and when the model does not explain what is seen. A `spare`
 * that has become too pessimistic is forgotten slowly.
 *
 * No clock, no threads: the caller brings monotonic nanoseconds and a lock.
 */
#ifndef WHERRY_COPY_PACK_CHOICE_H
#define WHERRY_COPY_PACK_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACK_RUNGS 5
#define PACK_RAW   0   /* the rung, not a level of zstd */
#define PACK_PROBE 256
#define PACK_QUEUE 64  /* chunks that may wait to be sent, as far as is looked at */

/* zstd's levels of the rungs above PACK_RAW. */
extern const int pack_ladder[PACK_RUNGS];

struct pack_choice {
	unsigned home; /* the rung in use */

	/* Private. */
	unsigned rung;      /* home, or PACK_RAW while the link is measured */
	unsigned threads;
	uint64_t given;     /* chunks */
	struct {
		double cost, ratio; /* ns of a processor, bytes sent; a byte */
	} level[PACK_RUNGS];
	unsigned probes;
	double link;        /* ns a byte; 0: not measured yet */
	double spare;       /* processors */
	int64_t measured_ns, took_ns; /* when the link was, and how long that took */
	unsigned pause;     /* until the next time, in took_ns */
	struct {
		double time, used; /* ns a byte, processors packing: of home's last epoch */
	} seen;
	struct pack_epoch {
		bool settled;       /* what was chosen before has left the queue */
		int64_t chosen_ns, began_ns;
		size_t queue;       /* of the sender, at began_ns */
		size_t chunks, fed; /* fed: others waited to be packed */
		bool starved;       /* the sender had nothing to do for a moment */
		uint64_t bytes, left; /* left: what had left the queue at began_ns, of p->sent */
		int64_t cpu_ns;
	} epoch;
	uint64_t passed, sent; /* chunks and bytes handed to the sender */
	uint64_t last[PACK_QUEUE]; /* `sent` as it was before each of the last chunks */
};

void pack_choice_init(struct pack_choice *p, unsigned threads);

/* The rung for the next chunk. *probe: pack it at all levels, say so with pack_choice_learn(), and send any. */
unsigned pack_choice_next(struct pack_choice *p, bool *probe);

struct pack_result {
	int64_t cpu_ns;
	uint64_t sent; /* bytes; those of the chunk if it did not shrink */
};
/* of: indexed by rung, that of PACK_RAW ignored */
void pack_choice_learn(struct pack_choice *p, uint64_t bytes, const struct pack_result of[PACK_RUNGS]);

struct pack_sample {
	unsigned rung;     /* as chosen */
	uint64_t bytes;    /* of the chunk */
	struct pack_result result;
	size_t to_pack;    /* chunks that now wait to be packed, */
	size_t to_send;    /* ... and to be sent */
};
/* A chunk was handed to the sender. */
void pack_choice_passed(struct pack_choice *p, int64_t now_ns, const struct pack_sample *s);

#endif
