// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "yaml_read.h"

static char **slot(const struct setting *s, void *out)
{
	return (char **)((char *)out + s->at);
}

void setting_put(char **text, const char *value)
{
	if (*text != NULL)
		mem_wipe(*text, strlen(*text));
	free(*text);
	*text = mem_strdup(value);
}

static void take(const struct setting *table, size_t n, struct yaml_file *f, const char *top, const char *name, void *out)
{
	for (const struct setting *s = table; s < table + n; s++) {
		const char *v = s->section != NULL ? yaml_text(f, (const char *const[]){top, name, s->section, s->key, NULL})
						   : yaml_text(f, (const char *const[]){top, name, s->key, NULL});

		if (v != NULL)
			setting_put(slot(s, out), v);
	}
}

int settings_from_yaml(const struct setting *table, size_t n, const char *file, const char *top, const char *name, const char *what,
		       void *out, struct err *e)
{
	cleanup(buf_fini) struct buf names = BUF_INIT;
	struct yaml_file *f = yaml_open(file, e);
	int rc = 0;

	if (f == NULL)
		return -1;
	yaml_mapping(f, (const char *const[]){top, NULL}, &names);
	if (yaml_mapping(f, (const char *const[]){top, name, NULL}, NULL))
		take(table, n, f, top, name, out);
	else if (what != NULL)
		rc = err_set(e, ERR_CONFIG, 0, "%s has no %s \"%s\": it has %s", file, what, name, names.len != 0 ? names.data : "none");
	yaml_close(f);
	return rc;
}

void settings_from_env(const struct setting *table, size_t n, void *out)
{
	for (const struct setting *s = table; s < table + n; s++) {
		const char *v = s->env != NULL ? getenv(s->env) : NULL;

		if ((v == NULL || v[0] == '\0') && s->old_env != NULL)
			v = getenv(s->old_env);
		if (v != NULL && v[0] != '\0')
			setting_put(slot(s, out), v);
	}
}

void settings_fini(const struct setting *table, size_t n, void *out)
{
	for (const struct setting *s = table; s < table + n; s++)
		setting_put(slot(s, out), NULL);
}

char *settings_find(const char *named, const char *env, const char *app, const char *name)
{
	const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
	cleanup(cleanup_free) char *dir = config != NULL && config[0] != '\0' ? mem_strdup(config)
									    : mem_printf("%s/.config", home != NULL ? home : "");
	cleanup(cleanup_free) char *own = mem_printf("%s/%s/%s", dir, app, name), *all = mem_printf("/etc/%s/%s", app, name);
	const char *const places[] = {name, own, all};

	if (named == NULL || named[0] == '\0')
		named = getenv(env);
	if (named != NULL && named[0] != '\0')
		return mem_strdup(named);
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (access(places[i], F_OK) == 0)
			return mem_strdup(places[i]);
	return NULL;
}
