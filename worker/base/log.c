// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *const prefix[] = {
	[LOG_ERROR] = "error: ",
	[LOG_WARN] = "warning: ",
	[LOG_INFO] = "",
	[LOG_DEBUG] = "debug: ",
};

void log_line(const struct log *log, enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (log == NULL || level > log->level)
		return;
	int n = snprintf(line, sizeof line, "%s: %s", log->name, prefix[level]);
	va_start(ap, fmt);
	int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = m < 0 || (size_t)(n + m) >= sizeof line - 1 ? (int)sizeof line - 2 : n + m;
	line[n++] = '\n';
	if (write(log->fd, line, (size_t)n) < 0)
		return; /* a console that cannot be written to has nobody to tell */
}
