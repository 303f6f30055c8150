// SPDX-License-Identifier: Apache-2.0
#include "host_options.h"

#include <getopt.h>
#include <string.h>

#include "base/hex.h"
#include "manifest/cpu.h"
#include "net/wire.h"

enum { OPT_CHUNK = 256, OPT_OUT, OPT_KEY, OPT_JSON, OPT_CPU, OPT_IN, OPT_CHECKPOINT, OPT_SECTOR, OPT_VERIFY, OPT_NO_READ_BACK };

/* The first five are scan's. */
static const struct option all[] = {
	{"chunk-size", required_argument, NULL, OPT_CHUNK},
	{"manifest-out", required_argument, NULL, OPT_OUT},
	{"key-file", required_argument, NULL, OPT_KEY},
	{"json", no_argument, NULL, OPT_JSON},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"manifest-in", required_argument, NULL, OPT_IN},
	{"checkpoint-size", required_argument, NULL, OPT_CHECKPOINT},
	{"sector-size", required_argument, NULL, OPT_SECTOR},
	{"verify", no_argument, NULL, OPT_VERIFY},
	{"no-read-back", no_argument, NULL, OPT_NO_READ_BACK},
	{0},
};
#define SCAN_OPTIONS 5

static int take(int c, struct host_options *o, const char *command, const char *word, struct err *e)
{
	switch (c) {
	case OPT_CHUNK:
		return num_parse_size(optarg, "--chunk-size", &o->chunk_size, e);
	case OPT_CHECKPOINT:
		return num_parse_size(optarg, "--checkpoint-size", &o->checkpoint_size, e);
	case OPT_SECTOR:
		return num_parse_size(optarg, "--sector-size", &o->sector_size, e);
	case OPT_OUT:
		o->manifest_out = optarg;
		return 0;
	case OPT_IN:
		o->manifest_in = optarg;
		return 0;
	case OPT_KEY:
		o->key_file = optarg;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_CPU:
		return cpu_choose(optarg, e);
	case OPT_VERIFY:
		o->verify = true;
		return 0;
	case OPT_NO_READ_BACK:
		o->no_read_back = true;
		return 0;
	default:
		return err_set(e, ERR_USAGE, 0, "%s is not an option of %s, or its value is missing; see `wherry-worker %s --help`",
			       word, command, command);
	}
}

static int take_paths(int argc, char **argv, int paths, struct host_options *o, struct err *e)
{
	if (argc - optind != paths)
		return err_set(e, ERR_USAGE, 0, "%s wants %s; see `wherry-worker %s --help`", argv[0],
			       paths == 1 ? "one device or file" : "a source and a target", argv[0]);
	for (int i = 0; i < paths; i++)
		o->path[i] = argv[optind + i];
	return 0;
}

static int check_sizes(const struct host_options *o, struct err *e)
{
	uint64_t n = o->chunk_size;

	if (n != 0 && (n < WIRE_MIN_CHUNK || n > WIRE_MAX_CHUNK || (n & (n - 1)) != 0))
		return err_set(e, ERR_USAGE, 0, "a chunk of %llu bytes is not possible; give --chunk-size a power of two from "
			       "64K to 4M", (unsigned long long)n);
	if (o->sector_size != 0 && o->sector_size != 512 && o->sector_size != 4096)
		return err_set(e, ERR_USAGE, 0, "sectors of %llu bytes are not possible; give --sector-size 512 or 4096",
			       (unsigned long long)o->sector_size);
	return 0;
}

int host_options_parse(int argc, char **argv, int paths, bool copy, struct host_options *o, struct err *e)
{
	struct option options[sizeof all / sizeof all[0]] = {0};
	int c;

	memset(o, 0, sizeof *o);
	memcpy(options, all, (copy ? sizeof all / sizeof all[0] : SCAN_OPTIONS) * sizeof all[0]);
	optind = 1;
	opterr = 0;
	for (;;) {
		int at = optind;

		c = getopt_long(argc, argv, ":", options, NULL);
		if (c == -1)
			break;
		if (take(c, o, argv[0], argv[at < argc ? at : argc - 1], e) != 0)
			return -1;
	}
	if (check_sizes(o, e) != 0)
		return -1;
	return take_paths(argc, argv, paths, o, e);
}
