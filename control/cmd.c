// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "json_doc.h"

#define WORDS_MAX 16

const struct command *command_by_name(const char *name)
{
	for (const struct command *c = command_table; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* Of one word, or of this one and the next; *words tells. NULL: none. */
static const struct command *command_by_words(const char *word, const char *next, int *words)
{
	const struct command *c = command_by_name(word);
	char both[64];

	*words = 1;
	if (c != NULL || next == NULL)
		return c;
	*words = 2;
	snprintf(both, sizeof both, "%s %s", word, next);
	return command_by_name(both);
}

/* "upload, list, remove": what may follow `word`; empty when nothing does. */
static void second_words(const char *word, struct buf *out)
{
	size_t n = strlen(word);

	for (const struct command *c = command_table; c->name != NULL; c++)
		if (strncmp(c->name, word, n) == 0 && c->name[n] == ' ')
			buf_addf(out, "%s%s", out->len != 0 ? ", " : "", c->name + n + 1);
}

static int unknown_command(const char *word, struct err *e)
{
	const char *words[WORDS_MAX], *near;
	cleanup(buf_fini) struct buf second = BUF_INIT;
	size_t n = 0;

	second_words(word, &second);
	if (second.len != 0)
		return err_set(e, ERR_USAGE, 0, "`wherry %s` is followed by one of: %s", word, second.data);
	for (const struct command *c = command_table; c->name != NULL && n < WORDS_MAX; c++)
		words[n++] = c->name;
	near = json_nearest(word, words, n);
	if (near != NULL)
		return err_set(e, ERR_USAGE, 0, "there is no command \"%s\": did you mean `wherry %s`?", word, near);
	return err_set(e, ERR_USAGE, 0, "there is no command \"%s\": `wherry help` lists them", word);
}

static const struct cmd_option *find_option(const struct cmd_option *list, const char *name, size_t len)
{
	for (; list->name != NULL; list++)
		if (strlen(list->name) == len && strncmp(list->name, name, len) == 0)
			return list;
	return NULL;
}

static int unknown_option(const struct cmd *c, const char *word, size_t len, struct err *e)
{
	const char *words[WORDS_MAX], *near;
	char name[64];
	size_t n = 0;

	snprintf(name, sizeof name, "%.*s", (int)len, word);
	for (const struct cmd_option *o = cmd_global_options; o->name != NULL && n < WORDS_MAX; o++)
		words[n++] = o->name;
	for (const struct cmd_option *o = c->command != NULL ? c->command->options : NULL;
	     o != NULL && o->name != NULL && n < WORDS_MAX; o++)
		words[n++] = o->name;
	near = json_nearest(name, words, n);
	if (near != NULL)
		return err_set(e, ERR_USAGE, 0, "there is no option --%s here: did you mean --%s?", name, near);
	return err_set(e, ERR_USAGE, 0, "there is no option --%s here: `wherry help%s%s` lists them", name,
		       c->command != NULL ? " " : "", c->command != NULL ? c->command->name : "");
}

static int add_text(struct cmd_texts *t, const struct cmd_option *o, const char *value, struct err *e)
{
	if (t->n == sizeof t->at / sizeof t->at[0])
		return err_set(e, ERR_USAGE, 0, "option --%s is given too often: at most %zu times", o->name,
			       sizeof t->at / sizeof t->at[0]);
	t->at[t->n++] = value;
	return 0;
}

/* argv[*i] begins with two dashes; may take the next word, too. */
static int parse_option(int argc, char *const argv[], int *i, struct cmd *c, struct err *e)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
	const struct cmd_option *o = find_option(cmd_global_options, name, len);

	if (o == NULL && c->command != NULL)
		o = find_option(c->command->options, name, len);
	if (o == NULL)
		return unknown_option(c, name, len, e);
	if (o->value == NULL) {
		if (equals != NULL)
			return err_set(e, ERR_USAGE, 0, "option --%s takes no value", o->name);
		*(bool *)((char *)c + o->at) = true;
		return 0;
	}
	const char *value = equals != NULL ? equals + 1 : *i + 1 < argc ? argv[++*i] : "";
	if (*value == '\0')
		return err_set(e, ERR_USAGE, 0, "option --%s needs a value: --%s %s", o->name, o->name, o->value);
	if (o->many)
		return add_text((struct cmd_texts *)((char *)c + o->at), o, value, e);
	*(const char **)((char *)c + o->at) = value;
	return 0;
}

static int check_args(const struct cmd *c, struct err *e)
{
	const struct command *k = c->command;

	if (c->help)
		return 0;
	if (c->arg_count < k->min_args)
		return err_set(e, ERR_USAGE, 0, "`wherry %s` needs %s: usage: wherry %s %s", k->name, k->args, k->name,
			       k->args);
	if (c->arg_count > k->max_args)
		return err_set(e, ERR_USAGE, 0, "`wherry %s` takes no \"%s\": usage: wherry %s %s", k->name,
			       c->args[k->max_args], k->name, k->args);
	return 0;
}

int cmd_parse(int argc, char *const argv[], struct cmd *c, struct err *e)
{
	bool options = true;

	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];

		if (options && strcmp(word, "--") == 0) {
			options = false;
		} else if (options && strcmp(word, "-h") == 0) {
			c->help = true;
		} else if (options && strcmp(word, "--version") == 0) {
			c->command = command_by_name("version");
		} else if (options && word[0] == '-' && word[1] == '-') {
			if (parse_option(argc, argv, &i, c, e) < 0)
				return -1;
		} else if (options && word[0] == '-' && word[1] != '\0') {
			return err_set(e, ERR_USAGE, 0, "there is no option %s: options are written in full, as "
				       "--json", word);
		} else if (c->command == NULL) {
			int words;

			c->command = command_by_words(word, i + 1 < argc ? argv[i + 1] : NULL, &words);
			if (c->command == NULL)
				return unknown_command(word, e);
			i += words - 1;
		} else {
			if (c->arg_count < sizeof c->args / sizeof c->args[0])
				c->args[c->arg_count] = word;
			c->arg_count++;
		}
	}
	if (c->command == NULL) {
		c->command = command_by_name("help");
		if (!c->help)
			return err_set(e, ERR_USAGE, 0, "a command is missing: `wherry help` lists them");
	}
	return check_args(c, e);
}

enum events_style cmd_style(const struct cmd *c)
{
	return c->json ? EVENTS_JSON : c->quiet ? EVENTS_QUIET : EVENTS_AUTO;
}

const char *cmd_line(const struct cmd *c, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s", c->command->name, c->args[0] != NULL ? " " : "",
		 c->args[0] != NULL ? c->args[0] : "");
	return out;
}

char *cmd_age(int64_t s, char out[32])
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	size_t u = 0;

	if (s < 0)
		s = 0;
	while (u < 3 && s < 2 * units[u].seconds)
		u++;
	long long n = (long long)(s / units[u].seconds);
	snprintf(out, 32, "%lld %s%s", n, units[u].name, n == 1 ? "" : "s");
	return out;
}
