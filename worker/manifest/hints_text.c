// SPDX-License-Identifier: Apache-2.0
#include "manifest/hints_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANK " \t\r\n"

struct text {
	struct hints *hints;
	const char *name;
	unsigned long line;
	uint64_t generation; /* 0: not said */
	uint64_t last;       /* offset of the range before */
	bool any;
};

static int wrong(const struct text *t, const char *why, struct err *e)
{
	return err_set(e, ERR_CONFIG, 0, "%s, line %lu: %s", t->name, t->line, why);
}

/* The next word of *at, which must be a whole number. */
static int take_number(char **at, uint64_t *out)
{
	char *word = strtok_r(NULL, BLANK, at);

	if (word == NULL || strspn(word, "0123456789") != strlen(word))
		return -1;
	errno = 0;
	*out = strtoull(word, NULL, 10);
	return errno == 0 ? 0 : -1;
}

static int take_generation(struct text *t, char **at, struct err *e)
{
	if (t->any || t->generation != 0)
		return wrong(t, "\"generation\" belongs once, before the first range", e);
	if (take_number(at, &t->generation) < 0 || t->generation == 0 || strtok_r(NULL, BLANK, at) != NULL)
		return wrong(t, "\"generation\" wants one number from 1", e);
	return 0;
}

static int take_range(struct text *t, char *line, struct err *e)
{
	uint64_t offset, length, size = t->hints->size;
	char *at = line;

	if (take_number(&at, &offset) < 0 || take_number(&at, &length) < 0 || strtok_r(NULL, BLANK, &at) != NULL)
		return wrong(t, "a range is two numbers of bytes, \"offset length\"", e);
	if (length == 0)
		return wrong(t, "a range of no bytes means nothing; leave it out", e);
	if (offset >= size || length > size - offset)
		return err_set(e, ERR_CONFIG, 0,
			       "%s, line %lu: the range ends after the disk, which has %llu bytes; is the list of this disk?",
			       t->name, t->line, (unsigned long long)size);
	if (t->any && offset < t->last)
		return wrong(t, "the offset is lower than the one before; sort the list with `sort -n`", e);
	t->any = true;
	t->last = offset;
	hints_add(t->hints, offset, length);
	return 0;
}

static int take_line(struct text *t, char *line, struct err *e)
{
	static const char generation[] = "generation";
	char *word, *at;

	line[strcspn(line, "#")] = '\0';
	word = line + strspn(line, BLANK);
	if (*word == '\0')
		return 0;
	if (strcspn(word, BLANK) != strlen(generation) || strncmp(word, generation, strlen(generation)) != 0)
		return take_range(t, word, e);
	at = word + strlen(generation);
	return take_generation(t, &at, e);
}

int hints_read_text(struct hints *h, FILE *from, const char *name, uint64_t *generation, struct err *e)
{
	struct text t = {.hints = h, .name = name};
	char line[256];

	while (fgets(line, sizeof line, from) != NULL) {
		t.line++;
		if (strlen(line) == sizeof line - 1 && line[sizeof line - 2] != '\n')
			return wrong(&t, "the line is too long; it has at most 254 bytes", e);
		if (strchr(line, '\n') == NULL && !feof(from))
			return wrong(&t, "there is a zero byte in the line; is this a text file?", e);
		if (take_line(&t, line, e) < 0)
			return -1;
	}
	if (ferror(from))
		return err_set(e, err_kind_of_errno(errno), errno, "cannot read %s", name);
	*generation = t.generation;
	return 0;
}
