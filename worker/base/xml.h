// SPDX-License-Identifier: Apache-2.0
/*
 * As much of XML as answers of storage services need: finding elements by their names, and their text. No attributes, no
 * name spaces, no CDATA; elements of one name are not nested in each other. Nothing is copied: texts point into the
 * document, which may be cut off anywhere and need not end in NUL.
 */
#ifndef WHERRY_BASE_XML_H
#define WHERRY_BASE_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xml_text {
	const char *at;
	size_t len;
};

/* The next whole element `name` in *doc: its content, and *doc goes on behind it. False: there is none; *doc stays. */
bool xml_next(struct xml_text *doc, const char *name, struct xml_text *content);
/* The first one, *doc untouched. */
bool xml_find(const struct xml_text *doc, const char *name, struct xml_text *content);
/* Its characters, entities resolved; cut off at size - 1, always ends in NUL. Returns out. */
char *xml_copy(const struct xml_text *t, char *out, size_t size);
/* Decimal digits and nothing else. */
bool xml_number(const struct xml_text *t, uint64_t *out);

#endif
