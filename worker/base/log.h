// SPDX-License-Identifier: Apache-2.0
/*
 * Talk for people, one line each, to a stream (stderr; the console in the appliance). Results never come through
 * here, secrets never at all. Only `job`, `provider` and `main` log; everything lower returns errors. Lines are
 * written with one write(2), so threads do not mix them.
 */
#ifndef WHERRY_BASE_LOG_H
#define WHERRY_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log {
	int fd;
	enum log_level level; /* lines above it are dropped */
	const char *name;     /* printed as "name: "; borrowed */
};

void log_line(const struct log *log, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(l, ...) log_line(l, LOG_ERROR, __VA_ARGS__)
#define log_warn(l, ...)  log_line(l, LOG_WARN, __VA_ARGS__)
#define log_info(l, ...)  log_line(l, LOG_INFO, __VA_ARGS__)
#define log_debug(l, ...) log_line(l, LOG_DEBUG, __VA_ARGS__)

#endif
