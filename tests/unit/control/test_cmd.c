// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdint.h>
#include <stdio.h>

#include "commands.h"
#include "fakes/provider_mem.h"

const struct provider_ops *const provider_table[] = {&provider_mem_ops, NULL};

static int parse(const char *line, struct cmd *c, struct err *e)
{
	static char words[8][64];
	char *argv[8];
	int argc = 0;

	for (const char *p = line; *p != '\0'; argc++) {
		size_t n = strcspn(p, " ");

		snprintf(words[argc], sizeof words[argc], "%.*s", (int)n, p);
		argv[argc] = words[argc];
		p += n;
		p += strspn(p, " ");
	}
	*c = (struct cmd){0};
	*e = (struct err)ERR_INIT;
	return cmd_parse(argc, argv, c, e);
}

static void cmd_parse_good_lines_are_understood(void **state)
{
	struct cmd c;
	struct err e;

	(void)state;
	assert_int_equal(parse("sync web1.json", &c, &e), 0);
	assert_string_equal(c.command->name, "sync");
	assert_string_equal(c.args[0], "web1.json");
	assert_false(c.json);
	assert_int_equal(parse("--json --state-dir /x promote --no-start web1.json --last-good", &c, &e), 0);
	assert_string_equal(c.command->name, "promote");
	assert_true(c.json && c.no_start && c.last_good);
	assert_string_equal(c.state_dir, "/x");
	assert_int_equal(parse("cleanup --state-dir=/y --list", &c, &e), 0);
	assert_string_equal(c.state_dir, "/y");
	assert_true(c.list);
	assert_null(c.args[0]);
	assert_int_equal(parse("sync -- --odd-name.json", &c, &e), 0);
	assert_string_equal(c.args[0], "--odd-name.json");
	assert_int_equal(parse("sync --help", &c, &e), 0);
	assert_true(c.help);
	assert_int_equal(parse("--version", &c, &e), 0);
	assert_string_equal(c.command->name, "version");
	assert_int_equal(parse("-h", &c, &e), 0);
	assert_string_equal(c.command->name, "help");
	assert_int_equal(parse("image upload --region a --region=b --file /f job.json", &c, &e), 0);
	assert_string_equal(c.command->name, "image upload");
	assert_int_equal(c.regions.n, 2);
	assert_string_equal(c.regions.at[0], "a");
	assert_string_equal(c.regions.at[1], "b");
	assert_string_equal(c.args[0], "job.json");
	assert_int_equal(parse("image remove job.json wherry-1", &c, &e), 0);
	assert_string_equal(c.args[1], "wherry-1");
	assert_int_equal(parse("image list --help", &c, &e), 0);
	assert_true(c.help);
}

static void cmd_parse_each_mistake_is_a_sentence(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"", "a command is missing: `wherry help` lists them"},
		{"snyc x", "there is no command \"snyc\": did you mean `wherry sync`?"},
		{"frobnicate", "there is no command \"frobnicate\": `wherry help` lists them"},
		{"sync", "`wherry sync` needs JOB.json: usage: wherry sync JOB.json"},
		{"sync a b", "`wherry sync` takes no \"b\": usage: wherry sync JOB.json"},
		{"image", "`wherry image` is followed by one of: upload, list, remove"},
		{"image lits x", "`wherry image` is followed by one of"},
		{"image remove", "`wherry image remove` needs CLOUD [IMAGE]"},
		{"image remove a b c", "`wherry image remove` takes no \"c\""},
		{"version x", "`wherry version` takes no \"x\""},
		{"sync a --jsno", "there is no option --jsno here: did you mean --json?"},
		{"sync a --list", "there is no option --list here"},
		{"sync a --json=1", "option --json takes no value"},
		{"sync a --state-dir", "option --state-dir needs a value: --state-dir DIR"},
		{"sync a --state-dir=", "option --state-dir needs a value"},
		{"sync -v a", "there is no option -v: options are written in full"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cmd c;
		struct err e;

		assert_int_equal(parse(cases[i].line, &c, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_has(e.msg, cases[i].says);
	}
}

static void command_table_each_command_is_complete(void **state)
{
	(void)state;
	for (const struct command *k = command_table; k->name != NULL; k++) {
		assert_ptr_equal(command_by_name(k->name), k);
		assert_non_null(k->run);
		assert_non_null(k->options);
		assert_true(k->summary[0] != '\0' && k->summary[strlen(k->summary) - 1] != '.');
		assert_true(k->min_args <= k->max_args && k->max_args < sizeof ((struct cmd *)NULL)->args / sizeof(char *));
		assert_true(k->details[0] == '\0' || k->details[strlen(k->details) - 1] == '\n');
		/* An option of a command would be hidden by a global one. */
		for (const struct cmd_option *o = k->options; o->name != NULL; o++)
			for (const struct cmd_option *g = cmd_global_options; g->name != NULL; g++)
				assert_string_not_equal(o->name, g->name);
	}
	assert_null(command_by_name("nothing"));
}

static void cmd_age_is_short(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {{-5, "0 seconds"}, {0, "0 seconds"}, {1, "1 second"}, {119, "119 seconds"}, {120, "2 minutes"},
		     {7199, "119 minutes"}, {7200, "2 hours"}, {172800, "2 days"}, {8640000, "100 days"}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char age[32];

		assert_string_equal(cmd_age(cases[i].seconds, age), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cmd_parse_good_lines_are_understood),
		cmocka_unit_test(cmd_parse_each_mistake_is_a_sentence),
		cmocka_unit_test(command_table_each_command_is_complete),
		cmocka_unit_test(cmd_age_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
