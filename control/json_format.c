// SPDX-License-Identifier: Apache-2.0
#include "json_format.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

static void add_text(struct buf *b, const char *s)
{
	if (s == NULL) {
		buf_adds(b, "null");
		return;
	}
	buf_add(b, "\"", 1);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_addf(b, "\\u%04x", c);
		else
			buf_add(b, s, 1);
	}
	buf_add(b, "\"", 1);
}

static void add_template(struct buf *b, const char *fmt, va_list ap)
{
	for (; *fmt != '\0'; fmt++) {
		if (*fmt == '\'') {
			buf_add(b, "\"", 1);
			continue;
		}
		if (*fmt != '%') {
			buf_add(b, fmt, 1);
			continue;
		}
		switch (*++fmt) {
		case 's':
			add_text(b, va_arg(ap, const char *));
			break;
		case 'j':
			buf_adds(b, va_arg(ap, const char *));
			break;
		case 'u':
			buf_addf(b, "%" PRIu64, va_arg(ap, uint64_t));
			break;
		case 'd':
			buf_addf(b, "%d", va_arg(ap, int));
			break;
		case 'b':
			buf_adds(b, va_arg(ap, int) ? "true" : "false");
			break;
		default:
			return; /* a template is a literal: a wrong one is seen by the first test that uses it */
		}
	}
}

void json_format_add(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_template(b, fmt, ap);
	va_end(ap);
}

char *json_format(const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	add_template(&b, fmt, ap);
	va_end(ap);
	return buf_take(&b);
}
