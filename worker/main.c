// SPDX-License-Identifier: Apache-2.0
/* wherry-worker: the engine in the appliance, and the same engine on a plain host. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "net/wire.h"

static int cmd_version(int argc, char **argv, struct err *e);
static int cmd_help(int argc, char **argv, struct err *e);

static const struct command {
	const char *name, *summary;
	int (*run)(int argc, char **argv, struct err *e);
	const char *usage; /* arguments, then a line for each option */
} commands[] = {
	{"serve", "be the worker of a controller", cmd_serve,
	 "[--boot-data FILE] [--listen ADDRESS] [--broker-fd N | --disk SERIAL=PATH ...]\n"
	 "  --boot-data FILE    bootstrap data in FILE, instead of looking for it (fw_cfg, kernel command line,\n"
	 "                      config drive)\n"
	 "  --listen ADDRESS    \"host:port\", \":port\" for all addresses, port 0 for a free one (default :4433)\n"
	 "  --broker-fd N       disks come from PID 1 of the appliance, over this descriptor\n"
	 "  --disk SERIAL=PATH  a disk or file of this host, known to the controller as SERIAL; may be repeated\n"},
	{"boot-data", "print what the bootstrap data says about the network", cmd_boot_data,
	 "[--raw]\n"
	 "  --raw               the whole text, as it was found\n"},
	{"scan", "hash a disk or file, and count its zeros", cmd_scan,
	 "DEVICE-OR-FILE [OPTION...]\n"
	 "  --manifest-out FILE   write the hashes\n"
	 "  --manifest-in FILE    the hashes of an earlier scan or copy, for --hints\n"
	 "  --hints FILE          read only what changed since --manifest-in (see `copy`)\n"
	 "  --chunk-size N        a power of two from 64K to 4M (default 256K)\n"
	 "  --key-file FILE       the hash key, 64 hex digits (default: copy.key in /var/lib/wherry for root, else in\n"
	 "                        ~/.local/state/wherry; made on first use)\n"
	 "  --cpu LEVEL           use no better vector instructions than these, for comparing: portable, sse2, sse4.1,\n"
	 "                        avx2 or avx512\n"
	 "  --json                the result as one JSON object\n"},
	{"copy", "copy a disk or file, only what differs", cmd_copy,
	 "SOURCE TARGET [OPTION...]\n"
	 "  --manifest-in FILE    what TARGET is known to hold: equal chunks are read but not written; without\n"
	 "                        --manifest-out FILE is kept up to date\n"
	 "  --manifest-out FILE   write what TARGET holds afterwards\n"
	 "  --hints FILE          read only what changed since --manifest-in: \"offset length\" in bytes, one range in a\n"
	 "                        line, offsets rising; \"generation N\" before them says what they count from; # begins\n"
	 "                        a comment. A random sample of the rest is read, too: if it shows that the list is wrong,\n"
	 "                        everything is\n"
	 "  --chunk-size N        a power of two from 64K to 4M (default 256K)\n"
	 "  --checkpoint-size N   copy at most so much again after a crash (default 1G; at least two pages of 127\n"
	 "                        chunks)\n"
	 "  --sector-size N       512 or 4096, of the disk that a file stands for\n"
	 "  --key-file FILE       the hash key, 64 hex digits (default: copy.key in /var/lib/wherry for root, else in\n"
	 "                        ~/.local/state/wherry; made on first use)\n"
	 "  --limit-rate RATE     read no faster than this, such as 100MB/s or 1Gbit/s\n"
	 "  --limit-iops N        read no more often than this a second; a read is at most 1M, or one chunk if that is more\n"
	 "  --no-read-back        do not read again what was written\n"
	 "  --verify              at the end read all of TARGET and compare it with SOURCE's hashes\n"
	 "  --cpu LEVEL           use no better vector instructions than these, for comparing: portable, sse2, sse4.1,\n"
	 "                        avx2 or avx512\n"
	 "  --json                the result as one JSON object\n"},
	{"receive", "write what a `send` of another host sends", cmd_receive,
	 "TARGET --peer FINGERPRINT [OPTION...]\n"
	 "  --peer FINGERPRINT    of the host that may send; `wherry-worker fingerprint` prints it there\n"
	 "  --listen ADDRESS      \"host:port\", \":port\" for all addresses, port 0 for a free one (default :4433)\n"
	 "  --plain               without TLS and --peer, for measuring; only on 127.0.0.1 or [::1]\n"
	 "  --no-read-back        do not read again what was written\n"
	 "  --json                the result as one JSON object\n"},
	{"send", "copy a disk or file to a `receive` on another host", cmd_send,
	 "SOURCE HOST:PORT --peer FINGERPRINT [OPTION...]\n"
	 "  --peer FINGERPRINT    of the host that receives; `wherry-worker fingerprint` prints it there\n"
	 "  --manifest-in FILE    what the target is known to hold: equal chunks are read but not sent; without\n"
	 "                        --manifest-out FILE is kept up to date\n"
	 "  --manifest-out FILE   write what the target holds afterwards\n"
	 "  --compression WORD    auto (what makes the copy fastest), none, zstd or zstd:LEVEL, -50 to 19 (default auto)\n"
	 "  --limit-rate RATE     send no faster than this after compression, such as 100MB/s or 1Gbit/s\n"
	 "  --chunk-size N        a power of two from 64K to 4M (default 256K)\n"
	 "  --checkpoint-size N   send at most so much again after a crash (default 1G; at least two pages of 127\n"
	 "                        chunks)\n"
	 "  --sector-size N       512 or 4096, of the disk that a file stands for\n"
	 "  --key-file FILE       the hash key, as of copy\n"
	 "  --plain               without TLS and --peer, for measuring; only to 127.0.0.1 or [::1]\n"
	 "  --json                the result as one JSON object\n"},
	{"fingerprint", "print by what other hosts know this one", cmd_fingerprint, "\n"},
	{"version", "print the version of this program and of the wire protocol", cmd_version, "\n"},
	{"help", "print this, or how a command is used", cmd_help, "[COMMAND | exit]\n"},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int cmd_version(int argc, char **argv, struct err *e)
{
	if (argc > 1)
		return err_set(e, ERR_USAGE, 0, "version takes no argument, not \"%s\"", argv[1]);
	printf("wherry-worker %s\nwire protocol wherry/%d\n", WHERRY_VERSION, WIRE_VERSION);
	return 0;
}

static void print_overview(FILE *to)
{
	fputs("Usage: wherry-worker COMMAND [ARGUMENT...]\n\n", to);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].summary);
	fputs("\n`wherry-worker COMMAND --help` says more; `wherry-worker help exit` lists the exit statuses.\n", to);
}

static void print_command(const struct command *c)
{
	printf("wherry-worker %s: %s\n\nUsage: wherry-worker %s %s", c->name, c->summary, c->name, c->usage);
}

static void print_statuses(void)
{
	for (int k = 0; k < ERR_KINDS; k++)
		printf("%3d  %s\n", err_exit_status((enum err_kind)k), err_exit_meaning((enum err_kind)k));
}

static int cmd_help(int argc, char **argv, struct err *e)
{
	const struct command *c = argc == 2 ? find(argv[1]) : NULL;

	if (argc > 2)
		return err_set(e, ERR_USAGE, 0, "help explains one command at a time, not \"%s\" as well", argv[2]);
	if (argc == 1)
		print_overview(stdout);
	else if (c != NULL)
		print_command(c);
	else if (strcmp(argv[1], "exit") == 0)
		print_statuses();
	else
		return err_set(e, ERR_USAGE, 0,
			       "there is no help on \"%s\"; `wherry-worker help` lists the commands", argv[1]);
	return 0;
}

static int finish(int rc, const struct err *e)
{
	if (rc == 0)
		return 0;
	fprintf(stderr, "wherry-worker: %s\n", e->msg);
	return err_exit_status(e->kind);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	bool help = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
	bool version = argc == 2 && strcmp(argv[1], "--version") == 0;
	const struct command *c = argc < 2 ? NULL : find(help ? "help" : version ? "version" : argv[1]);

	if (argc < 2) {
		print_overview(stderr);
		return err_exit_status(ERR_USAGE);
	}
	if (c == NULL)
		return finish(err_set(&e, ERR_USAGE, 0,
				      "there is no command \"%s\"; `wherry-worker help` lists them", argv[1]),
			      &e);
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			print_command(c);
			return 0;
		}
	}
	return finish(help ? c->run(1, argv, &e) : c->run(argc - 1, argv + 1, &e), &e);
}
