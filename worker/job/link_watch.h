// SPDX-License-Identifier: Apache-2.0
/* What a run's connections to the other worker did, for the status: bytes, whether they are up, why not. Any thread. */
#ifndef WHERRY_JOB_LINK_WATCH_H
#define WHERRY_JOB_LINK_WATCH_H

#include "base/log.h"
#include "copy/link.h"

struct link_watch;

/* wire: what is below a stream, for the bytes on the wire; NULL: itself. */
struct link_watch *link_watch_new(const struct log *log, struct stream *(*wire)(struct stream *s));
void link_watch_free(struct link_watch *w); /* NULL is fine */

void link_watch_opened(struct link_watch *w, struct stream *s);
void link_watch_close(struct link_watch *w, struct stream *s); /* closes it */
void link_watch_report(struct link_watch *w, const struct copy_link_status *st);

struct link_state {
	uint64_t in, out;           /* bytes of all connections so far */
	struct copy_link_status st; /* channels 0: nothing was reported yet */
	int64_t down_ns;            /* for how long one has been missing that was there; 0: none is */
};
void link_watch_read(struct link_watch *w, struct link_state *out);

#endif
