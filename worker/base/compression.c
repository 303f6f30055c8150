// SPDX-License-Identifier: Apache-2.0
#include "base/compression.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
	[COMPRESSION_NONE] = "none",
	[COMPRESSION_ZSTD] = "zstd",
	[COMPRESSION_AUTO] = "auto",
};

const char *compression_name(enum compression c)
{
	return names[c];
}

/* strtol() would take blanks and a plus sign, too. */
static bool parse_level(const char *text, int *level)
{
	const char *digits = text + (*text == '-');
	char *end;

	if (*digits < '0' || *digits > '9')
		return false;
	long n = strtol(text, &end, 10);
	*level = (int)n;
	return *end == '\0' && n >= COMPRESSION_LEVEL_MIN && n <= COMPRESSION_LEVEL_MAX && n != 0;
}

int compression_parse(const char *text, enum compression *c, int *level, struct err *e)
{
	int n;

	for (int i = COMPRESSION_NONE; i <= COMPRESSION_AUTO; i++)
		if (strcmp(text, names[i]) == 0) {
			*c = (enum compression)i;
			*level = COMPRESSION_LEVEL_DEFAULT;
			return 0;
		}
	if (strncmp(text, "zstd:", 5) != 0 || !parse_level(text + 5, &n))
		return err_set(e, ERR_USAGE, 0,
			       "expected \"auto\", \"none\", \"zstd\" or \"zstd:LEVEL\" with a level from %d to %d but 0, found \"%.40s\"",
			       COMPRESSION_LEVEL_MIN, COMPRESSION_LEVEL_MAX, text);
	*c = COMPRESSION_ZSTD;
	*level = n;
	return 0;
}
