// SPDX-License-Identifier: Apache-2.0
/* The calls under way of one user of a blob (sink_blob.c), one thread: begun, made again where that helps, and ended. */
#ifndef WHERRY_COPY_BLOB_CALLS_H
#define WHERRY_COPY_BLOB_CALLS_H

#include <pthread.h>
#include <stdatomic.h>

#include "copy/blob_call.h"

#define BLOB_CALLS_MAX 17

/* What all users of a blob share, in whatever threads. */
struct blob_shared {
	char *url, *lease, *ca;
	int64_t patience_ns;             /* without a success, before a call fails */
	atomic_bool canceled;
	atomic_int_fast64_t resume_ns;   /* monotonic: nothing is asked before, the service wants a rest */
	pthread_mutex_t lock;            /* below */
	char *token;
	unsigned tokens;                 /* so many until now */
};

struct blob_calls {
	struct blob_shared *shared;
	CURLM *multi;
	struct blob_call call[BLOB_CALLS_MAX];
	unsigned count;
	int64_t good_ns;   /* when anything last succeeded, or began after nothing was under way */
	struct err why;    /* of the first that failed */
};

int blob_calls_init(struct blob_calls *s, struct blob_shared *shared, unsigned count, struct err *e);
void blob_calls_fini(struct blob_calls *s); /* cuts off what is under way; also after init failed */

/* At most `count` may be under way; started by the next call of one of those below. */
struct blob_call *blob_calls_begin(struct blob_calls *s, enum blob_op op, uint64_t offset, uint64_t length, void *data);
/* Whatever can move moves, without waiting. */
void blob_calls_push(struct blob_calls *s);
/* One step of whatever is under way, of at most `ns`, less when c (NULL: any call) is done. After a cancel all are done. */
void blob_calls_drive(struct blob_calls *s, const struct blob_call *c, int64_t ns);
/* One call from its beginning to its end. What it holds lives until the next one. */
const struct blob_call *blob_calls_run(struct blob_calls *s, enum blob_op op, uint64_t offset, uint64_t length, void *data,
				       struct err *e);

#endif
