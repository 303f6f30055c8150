// SPDX-License-Identifier: Apache-2.0
/*
 * Errors as sentences. A function that can fail takes `struct err *e` as its last parameter and returns
 * 0/-1 or a pointer/NULL; on failure *e holds a kind (drives retry and exit status), the errno where there
 * is one, and one sentence a stranger can act on: what failed, on what, why, what to do. `e` is never NULL.
 * The first error wins: a callee fills it, a caller may put context before it with err_wrap().
 */
#ifndef WHERRY_BASE_ERR_H
#define WHERRY_BASE_ERR_H

#include <stdbool.h>

enum err_kind {
	ERR_NONE = 0,
	ERR_INTERNAL,    /* a bug or an impossible state */
	ERR_USAGE,       /* command line */
	ERR_CONFIG,      /* job file, bootstrap data */
	ERR_NOT_FOUND,   /* machine, disk, file, snapshot is not there */
	ERR_BUSY,        /* held, locked or in use by somebody else */
	ERR_DENIED,      /* authentication, permission, wrong pin */
	ERR_NO_SPACE,    /* disk full, quota */
	ERR_IO,          /* a device or file failed */
	ERR_NETWORK,     /* connection refused, cut, name not resolved (retryable) */
	ERR_TIMEOUT,     /* a deadline passed (retryable) */
	ERR_PROTOCOL,    /* a peer broke the protocol, or its version is not ours */
	ERR_CORRUPT,     /* bytes are not what their hash or checksum says */
	ERR_REFUSED,     /* sizes, sector sizes, DIRTY replica: unsafe, so not done */
	ERR_UNSUPPORTED, /* this provider, kernel or disk cannot */
	ERR_CANCELED,    /* interrupted by the user or by shutdown */
	ERR_KINDS
};

struct err {
	enum err_kind kind;
	int sys; /* errno, or 0 */
	char msg[512];
};

#define ERR_INIT {.kind = ERR_NONE}

/* Fill *e; always returns -1 so that `return err_set(...)` reads well. A sys of non-zero appends ": strerror". */
int err_set(struct err *e, enum err_kind kind, int sys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Put "context: " before the message, keeping kind and sys; returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The kind an errno means for a file or device (ENOENT: NOT_FOUND, ENOSPC: NO_SPACE, ...). */
enum err_kind err_kind_of_errno(int sys);
/* Worth trying again unchanged: NETWORK, TIMEOUT. */
bool err_is_retryable(const struct err *e);
const char *err_kind_name(enum err_kind kind);      /* "no-space"; stable, used in JSON */
enum err_kind err_kind_by_name(const char *name);   /* ERR_INTERNAL when unknown */
/* Documented exit status of a kind: see err.c's table, printed by `wherry help exit`. */
int err_exit_status(enum err_kind kind);
const char *err_exit_meaning(enum err_kind kind);   /* one line for the documentation */

#endif
