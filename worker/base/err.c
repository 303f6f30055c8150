// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int status;
	const char *meaning;
} kinds[ERR_KINDS] = {
	[ERR_NONE] = {"none", 0, "done"},
	[ERR_INTERNAL] = {"internal", 1, "internal error: please report it"},
	[ERR_USAGE] = {"usage", 2, "wrong command line"},
	[ERR_CONFIG] = {"config", 3, "the job file or the bootstrap data is wrong"},
	[ERR_NOT_FOUND] = {"not-found", 4, "a machine, disk, file or snapshot is not there"},
	[ERR_BUSY] = {"busy", 5, "the job, the replica or a disk is held by somebody else"},
	[ERR_DENIED] = {"denied", 6, "authentication or permission"},
	[ERR_NO_SPACE] = {"no-space", 7, "a disk or quota is full"},
	[ERR_IO] = {"io", 8, "a device or file failed"},
	[ERR_NETWORK] = {"network", 9, "a connection failed; the same command may work later"},
	[ERR_TIMEOUT] = {"timeout", 10, "a deadline passed; the same command may work later"},
	[ERR_PROTOCOL] = {"protocol", 11, "a peer broke the protocol, or has another version"},
	[ERR_CORRUPT] = {"corrupt", 12, "bytes differ from what their hash says"},
	[ERR_REFUSED] = {"refused", 13, "not done because it would be unsafe"},
	[ERR_UNSUPPORTED] = {"unsupported", 14, "this provider, kernel or disk cannot do that"},
	[ERR_CANCELED] = {"canceled", 15, "interrupted"},
};

int err_set(struct err *e, enum err_kind kind, int sys, const char *fmt, ...)
{
	va_list ap;

	e->kind = kind;
	e->sys = sys;
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	if (sys != 0 && n >= 0 && (size_t)n < sizeof e->msg)
		snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %s", strerror(sys));
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char context[sizeof e->msg], rest[sizeof e->msg];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(context, sizeof context, fmt, ap);
	va_end(ap);
	memcpy(rest, e->msg, sizeof rest);
	if (snprintf(e->msg, sizeof e->msg, "%s: %s", context, rest) < 0)
		e->msg[0] = '\0';
	return -1;
}

enum err_kind err_kind_of_errno(int sys)
{
	switch (sys) {
	case 0:
		return ERR_INTERNAL;
	case ENOENT:
	case ENODEV:
	case ENXIO:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	case EBUSY:
	case EAGAIN:
	case ETXTBSY:
	case EADDRINUSE:
		return ERR_BUSY;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_NO_SPACE;
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENOTCONN:
		return ERR_NETWORK;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case EOPNOTSUPP:
	case ENOSYS:
		return ERR_UNSUPPORTED;
	case ECANCELED:
	case EINTR:
		return ERR_CANCELED;
	default:
		return ERR_IO;
	}
}

bool err_is_retryable(const struct err *e)
{
	return e->kind == ERR_NETWORK || e->kind == ERR_TIMEOUT;
}

static enum err_kind known(enum err_kind kind)
{
	return (unsigned)kind < ERR_KINDS ? kind : ERR_INTERNAL;
}

const char *err_kind_name(enum err_kind kind)
{
	return kinds[known(kind)].name;
}

enum err_kind err_kind_by_name(const char *name)
{
	for (int k = 0; k < ERR_KINDS; k++)
		if (strcmp(kinds[k].name, name) == 0)
			return (enum err_kind)k;
	return ERR_INTERNAL;
}

int err_exit_status(enum err_kind kind)
{
	return kinds[known(kind)].status;
}

const char *err_exit_meaning(enum err_kind kind)
{
	return kinds[known(kind)].meaning;
}
