// SPDX-License-Identifier: Apache-2.0
#include "json_line.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

/* Length of the well-formed UTF-8 sequence at s (RFC 3629), 0 when there is none. */
static size_t sequence(const unsigned char *s)
{
	size_t n = 0;

	if (s[0] < 0x80)
		n = 1;
	else if (s[0] >= 0xc2 && s[0] < 0xe0)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] < 0xf5)
		n = 4;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static yyjson_mut_val *text_value(yyjson_mut_doc *doc, const char *text)
{
	if (text == NULL)
		return yyjson_mut_null(doc);
	yyjson_mut_val *v = yyjson_mut_strcpy(doc, text);
	/* The document owns this copy. */
	for (unsigned char *s = (unsigned char *)(uintptr_t)yyjson_mut_get_str(v); *s != '\0';) {
		size_t n = sequence(s);

		if (n == 0)
			*s = '?';
		s += n == 0 ? 1 : n;
	}
	return v;
}

static yyjson_mut_val *value(yyjson_mut_doc *doc, char type, va_list *ap)
{
	switch (type) {
	case 's':
		return text_value(doc, va_arg(*ap, const char *));
	case 'u':
		return yyjson_mut_uint(doc, va_arg(*ap, uint64_t));
	case 'i':
		return yyjson_mut_sint(doc, va_arg(*ap, int64_t));
	case 'b':
		return yyjson_mut_bool(doc, va_arg(*ap, int) != 0);
	case 'j':
		return yyjson_mut_rawcpy(doc, va_arg(*ap, const char *));
	default:
		abort(); /* a wrong key list is a bug in the line above the call */
	}
}

void json_line(FILE *out, const char *keys, ...)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	va_list ap;

	yyjson_mut_doc_set_root(doc, root);
	va_start(ap, keys);
	while (*keys != '\0') {
		size_t n = strcspn(keys, ":");

		yyjson_mut_obj_add(root, yyjson_mut_strncpy(doc, keys, n), value(doc, keys[n + 1], &ap));
		keys += n + 2;
		keys += strspn(keys, " ");
	}
	va_end(ap);
	char *text = yyjson_mut_write(doc, 0, NULL);
	if (text != NULL) {
		fprintf(out, "%s\n", text);
		fflush(out);
	}
	free(text);
	yyjson_mut_doc_free(doc);
}
