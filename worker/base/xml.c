// SPDX-License-Identifier: Apache-2.0
#include "base/xml.h"

#include <string.h>

/* Where "<name>" (or "</name>") begins at or behind p; NULL: nowhere. */
static const char *find_tag(const char *p, const char *end, const char *open, const char *name)
{
	size_t o = strlen(open), n = strlen(name);

	while (p < end && (p = memchr(p, '<', (size_t)(end - p))) != NULL) {
		if ((size_t)(end - p) > o + n && memcmp(p, open, o) == 0 && memcmp(p + o, name, n) == 0 && p[o + n] == '>')
			return p;
		p++;
	}
	return NULL;
}

bool xml_next(struct xml_text *doc, const char *name, struct xml_text *content)
{
	const char *end = doc->at + doc->len, *open = find_tag(doc->at, end, "<", name);
	const char *start = open != NULL ? open + strlen(name) + 2 : NULL;
	const char *close = open != NULL ? find_tag(start, end, "</", name) : NULL;

	if (close == NULL)
		return false;
	*content = (struct xml_text){.at = start, .len = (size_t)(close - start)};
	doc->at = close + strlen(name) + 3;
	doc->len = (size_t)(end - doc->at);
	return true;
}

bool xml_find(const struct xml_text *doc, const char *name, struct xml_text *content)
{
	struct xml_text rest = *doc;

	return xml_next(&rest, name, content);
}

static const struct {
	const char *name;
	char is;
} entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};

char *xml_copy(const struct xml_text *t, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0, k; i < t->len && n + 1 < size; i++) {
		const char *at = t->at + i;

		for (k = 0; k < sizeof entities / sizeof entities[0]; k++)
			if (t->len - i >= strlen(entities[k].name) && memcmp(at, entities[k].name, strlen(entities[k].name)) == 0)
				break;
		bool entity = k < sizeof entities / sizeof entities[0];
		out[n++] = entity ? entities[k].is : *at;
		i += entity ? strlen(entities[k].name) - 1 : 0;
	}
	out[n] = '\0';
	return out;
}

bool xml_number(const struct xml_text *t, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < t->len; i++) {
		unsigned digit = (unsigned)(unsigned char)t->at[i] - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return t->len > 0;
}
