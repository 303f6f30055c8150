// SPDX-License-Identifier: Apache-2.0
/*
 * The commands of `wherry`. One const table names them, their options and their help; parsing, --help and the list of
 * commands are made from it. A command's function fills *e and returns -1; only main turns that into an exit status.
 */
#ifndef WHERRY_CONTROL_COMMANDS_H
#define WHERRY_CONTROL_COMMANDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "events.h"

struct command;

/* What an option that may be repeated was given. */
struct cmd_texts {
	const char *at[16];
	unsigned n;
};

/* A command line, read. */
struct cmd {
	const struct command *command;
	const char *state_dir;      /* NULL: the default */
	bool json, quiet, verbose, help;
	bool list, discard, all, last_good, no_start;
	const char *limit[LIMITS];  /* NULL: not given */
	bool none, reset;
	struct cmd_texts regions;
	const char *file, *firmware;
	bool old;
	const char *args[3];        /* JOB.json, or what `help` is asked about; NULL: not given */
	unsigned arg_count;
	const struct log *log;
	const atomic_bool *cancel;
	bool reported;              /* out: the error has been shown already */
};

struct cmd_option {
	const char *name;           /* without the dashes; NULL ends a list */
	const char *value;          /* what follows, for the help; NULL: nothing does */
	const char *help;
	size_t at;                  /* in struct cmd: const char * with a value, bool without */
	bool many;                  /* it is a struct cmd_texts there */
};

struct command {
	const char *name;           /* one word, or two as in "image list"; NULL ends the table */
	const char *args;           /* "JOB.json" */
	const char *summary;        /* one line for the list */
	const char *details;        /* a few lines for its own help; ends with a newline */
	const struct cmd_option *options;
	unsigned min_args, max_args;
	int (*run)(struct cmd *c, struct err *e);
};

extern const struct command command_table[];
extern const struct cmd_option cmd_global_options[];

const struct command *command_by_name(const char *name);
/* argv without the program's name. USAGE with a sentence that names the nearest word. */
int cmd_parse(int argc, char *const argv[], struct cmd *out, struct err *e);
/* The display that --json and --quiet ask for. */
enum events_style cmd_style(const struct cmd *c);
/* "sync web1.json", for the lock's holder text. */
const char *cmd_line(const struct cmd *c, char *out, size_t size);
/* "3 days", "5 minutes": how long ago, for people. Returns out. */
char *cmd_age(int64_t seconds, char out[32]);

int cmd_validate(struct cmd *c, struct err *e);
int cmd_plan(struct cmd *c, struct err *e);
int cmd_sync(struct cmd *c, struct err *e);
int cmd_limit(struct cmd *c, struct err *e);
int cmd_verify(struct cmd *c, struct err *e);
int cmd_promote(struct cmd *c, struct err *e);
int cmd_status(struct cmd *c, struct err *e);
int cmd_cleanup(struct cmd *c, struct err *e);
int cmd_discard(struct cmd *c, struct err *e); /* cleanup --discard */
int cmd_image_upload(struct cmd *c, struct err *e);
int cmd_image_list(struct cmd *c, struct err *e);
int cmd_image_remove(struct cmd *c, struct err *e);
int cmd_version(struct cmd *c, struct err *e);
int cmd_help(struct cmd *c, struct err *e);

#endif
