// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "json_line.h"
#include "net/wire.h"

static void print_options(const char *title, const struct cmd_option *o)
{
	if (o->name == NULL)
		return;
	printf("\n%s:\n", title);
	for (; o->name != NULL; o++) {
		char left[40];

		snprintf(left, sizeof left, "--%s%s%s", o->name, o->value != NULL ? " " : "",
			 o->value != NULL ? o->value : "");
		printf("  %-18s %s\n", left, o->help);
	}
}

static void print_command(const struct command *k)
{
	printf("usage: wherry %s%s%s%s\n\n%c%s.\n%s", k->name, k->options->name != NULL ? " [OPTION]..." : "",
	       k->args[0] != '\0' ? " " : "", k->args, toupper((unsigned char)k->summary[0]), k->summary + 1,
	       k->details);
	print_options("Options", k->options);
	print_options("Everywhere", cmd_global_options);
}

static void print_all(void)
{
	puts("usage: wherry COMMAND [OPTION]... [JOB.json]\n\n"
	     "Keeps a copy of a machine's disks in another cloud, and moves the machine there when "
	     "asked.\n\nCommands:");
	for (const struct command *k = command_table; k->name != NULL; k++) {
		char left[40];

		snprintf(left, sizeof left, "%s %s", k->name, k->args);
		printf("  %-26s %s\n", left, k->summary);
	}
	print_options("Options", cmd_global_options);
	puts("\n`wherry help COMMAND` explains one, `wherry help exit` the exit statuses.");
}

static void print_statuses(void)
{
	puts("status  kind         meaning");
	for (int k = ERR_NONE; k < ERR_KINDS; k++)
		printf("%6d  %-12s %s\n", err_exit_status((enum err_kind)k), err_kind_name((enum err_kind)k),
		       err_exit_meaning((enum err_kind)k));
}

int cmd_help(struct cmd *c, struct err *e)
{
	const char *topic = c->help && strcmp(c->command->name, "help") != 0 ? c->command->name : c->args[0];
	char two[80];

	if (topic != NULL && topic == c->args[0] && c->args[1] != NULL) {
		snprintf(two, sizeof two, "%s %s", c->args[0], c->args[1]);
		topic = two;
	}
	if (topic == NULL) {
		print_all();
		return 0;
	}
	if (strcmp(topic, "exit") == 0) {
		print_statuses();
		return 0;
	}
	if (command_by_name(topic) == NULL)
		return err_set(e, ERR_USAGE, 0, "there is no help on \"%s\": `wherry help` lists the commands", topic);
	print_command(command_by_name(topic));
	return 0;
}

int cmd_version(struct cmd *c, struct err *e)
{
	(void)e;
	if (c->json)
		json_line(stdout, "event:s version:s wire:u", "version", WHERRY_VERSION, (uint64_t)WIRE_VERSION);
	else
		printf("wherry %s (wire protocol %d)\n", WHERRY_VERSION, WIRE_VERSION);
	return 0;
}
