// SPDX-License-Identifier: Apache-2.0
/*
 * Who one is to a cloud, read as the cloud's own tools read it: a table says where each text stands in their file and in the
 * environment. Every text is owned by the struct it is read into, NULL when it was not given, and wiped at the end.
 */
#ifndef WHERRY_CONTROL_SETTINGS_H
#define WHERRY_CONTROL_SETTINGS_H

#include <stddef.h>

#include "base/err.h"

struct setting {
	size_t at;           /* of a char * in the struct */
	const char *section; /* mapping of the file that the key stands in, below the top; NULL: the top */
	const char *key;
	const char *env;     /* NULL: not in the environment */
	const char *old_env; /* an older name; NULL: none */
};

/* Of the mapping `name` below `top` in a YAML file; what is there replaces what was read before. what: for people, "cloud";
 * where there is none of that name that is CONFIG, listing those there are, or, what being NULL, nothing to read. */
int settings_from_yaml(const struct setting *table, size_t n, const char *file, const char *top, const char *name, const char *what,
		       void *out, struct err *e);
void settings_from_env(const struct setting *table, size_t n, void *out);
/* One of them, as somebody says it himself. */
void setting_put(char **text, const char *value);
void settings_fini(const struct setting *table, size_t n, void *out);
/* The file that is named (NULL or "": none is), or that `env` names, else the first that is there of NAME, ~/.config/APP/NAME
 * and /etc/APP/NAME. Caller frees; NULL: none. */
char *settings_find(const char *named, const char *env, const char *app, const char *name);

#endif
