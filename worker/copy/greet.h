// SPDX-License-Identifier: Apache-2.0
/* How every connection of a session begins (net/wire.h): HELLO by the connector, the rest by the channel's reader. */
#ifndef WHERRY_COPY_GREET_H
#define WHERRY_COPY_GREET_H

#include <stdbool.h>
#include <stdint.h>

#include "copy/session.h"

/* HELLO both ways. named: the channel, when this side dials; WIRE_ANY_CHANNEL otherwise. *channel: what it is for.
 * *stray: it belongs to another session, and that was told. */
int greet_hello(struct session *s, struct stream *stream, uint16_t named, uint16_t *channel, bool *stray,
		struct err *e);
/* DISKs against READY. The source's window knows afterwards what to send again. */
int greet_as_source(struct session *s, struct channel *ch, struct err *e);
int greet_as_target(struct session *s, struct channel *ch, struct err *e);

/* Tell a peer why this is the end; always -1. By whoever may write. */
int greet_refuse(struct stream *stream, const struct err *why);
/* Take what it still sends, until it hangs up or the stream is aborted: closing over unread bytes would be a reset, which
 * could overtake the reason. By whoever may read. */
void greet_hear_out(struct stream *stream);

#endif
