// SPDX-License-Identifier: Apache-2.0
#include "host_options.h"

#include <getopt.h>
#include <string.h>

#include "base/hex.h"
#include "manifest/cpu.h"
#include "net/wire.h"

enum {
	OPT_CHUNK = 256, OPT_OUT, OPT_KEY, OPT_JSON, OPT_CPU, OPT_IN, OPT_HINTS, OPT_CHECKPOINT, OPT_SECTOR, OPT_VERIFY, OPT_NO_READ_BACK,
	OPT_COMPRESSION, OPT_READ_RATE, OPT_READ_IOPS, OPT_SEND_RATE, OPT_PEER, OPT_PLAIN, OPT_LISTEN
};

static const struct known {
	unsigned commands; /* that take it */
	struct option option;
} known[] = {
	{HOST_SCAN | HOST_COPY | HOST_SEND, {"chunk-size", required_argument, NULL, OPT_CHUNK}},
	{HOST_SCAN | HOST_COPY | HOST_SEND, {"manifest-out", required_argument, NULL, OPT_OUT}},
	{HOST_SCAN | HOST_COPY | HOST_SEND, {"key-file", required_argument, NULL, OPT_KEY}},
	{HOST_SCAN | HOST_COPY | HOST_SEND | HOST_RECEIVE, {"json", no_argument, NULL, OPT_JSON}},
	{HOST_SCAN | HOST_COPY, {"cpu", required_argument, NULL, OPT_CPU}},
	{HOST_SCAN | HOST_COPY | HOST_SEND, {"hints", required_argument, NULL, OPT_HINTS}},
	{HOST_SCAN | HOST_COPY | HOST_SEND, {"manifest-in", required_argument, NULL, OPT_IN}},
	{HOST_COPY | HOST_SEND, {"checkpoint-size", required_argument, NULL, OPT_CHECKPOINT}},
	{HOST_COPY | HOST_SEND, {"sector-size", required_argument, NULL, OPT_SECTOR}},
	{HOST_COPY, {"verify", no_argument, NULL, OPT_VERIFY}},
	{HOST_COPY | HOST_RECEIVE, {"no-read-back", no_argument, NULL, OPT_NO_READ_BACK}},
	{HOST_SEND, {"compression", required_argument, NULL, OPT_COMPRESSION}},
	{HOST_COPY, {"limit-rate", required_argument, NULL, OPT_READ_RATE}},
	{HOST_COPY, {"limit-iops", required_argument, NULL, OPT_READ_IOPS}},
	{HOST_SEND, {"limit-rate", required_argument, NULL, OPT_SEND_RATE}},
	{HOST_SEND | HOST_RECEIVE, {"peer", required_argument, NULL, OPT_PEER}},
	{HOST_SEND | HOST_RECEIVE, {"plain", no_argument, NULL, OPT_PLAIN}},
	{HOST_RECEIVE, {"listen", required_argument, NULL, OPT_LISTEN}},
};
#define KNOWN (sizeof known / sizeof known[0])

static int take(int c, struct host_options *o, const char *command, const char *word, struct err *e)
{
	switch (c) {
	case OPT_CHUNK:
		return num_parse_size(optarg, "--chunk-size", &o->chunk_size, e);
	case OPT_CHECKPOINT:
		return num_parse_size(optarg, "--checkpoint-size", &o->checkpoint_size, e);
	case OPT_SECTOR:
		return num_parse_size(optarg, "--sector-size", &o->sector_size, e);
	case OPT_READ_RATE:
		return limit_parse(LIMIT_DISK_THROUGHPUT, optarg, "--limit-rate", &o->limits.of[LIMIT_DISK_THROUGHPUT], e);
	case OPT_SEND_RATE:
		return limit_parse(LIMIT_BANDWIDTH, optarg, "--limit-rate", &o->limits.of[LIMIT_BANDWIDTH], e);
	case OPT_READ_IOPS:
		return limit_parse(LIMIT_DISK_IOPS, optarg, "--limit-iops", &o->limits.of[LIMIT_DISK_IOPS], e);
	case OPT_COMPRESSION:
		return compression_parse(optarg, &o->compression, &o->level, e) != 0 ? err_wrap(e, "--compression") : 0;
	case OPT_OUT:
		o->manifest_out = optarg;
		return 0;
	case OPT_IN:
		o->manifest_in = optarg;
		return 0;
	case OPT_HINTS:
		o->hints = optarg;
		return 0;
	case OPT_KEY:
		o->key_file = optarg;
		return 0;
	case OPT_PEER:
		o->peer = optarg;
		return 0;
	case OPT_LISTEN:
		o->listen = optarg;
		return 0;
	case OPT_PLAIN:
		o->plain = true;
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

static int take_paths(int argc, char **argv, enum host_command command, struct host_options *o, struct err *e)
{
	static const struct {
		enum host_command command;
		int count;
		const char *what;
	} wanted[] = {
		{HOST_SCAN, 1, "one device or file"},
		{HOST_COPY, 2, "a source and a target"},
		{HOST_SEND, 2, "a source and the address of a receiver"},
		{HOST_RECEIVE, 1, "one target"},
	};
	size_t w = 0;

	while (wanted[w].command != command)
		w++;
	if (argc - optind != wanted[w].count)
		return err_set(e, ERR_USAGE, 0, "%s wants %s; see `wherry-worker %s --help`", argv[0], wanted[w].what, argv[0]);
	for (int i = 0; i < wanted[w].count; i++)
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

static int check_hints(const struct host_options *o, enum host_command command, struct err *e)
{
	if (o->hints != NULL && o->manifest_in == NULL)
		return err_set(e, ERR_USAGE, 0,
			       "--hints says what changed since a manifest was made; give that one with --manifest-in");
	if (command == HOST_SCAN && o->manifest_in != NULL && (o->hints == NULL || o->manifest_out == NULL))
		return err_set(e, ERR_USAGE, 0, "--manifest-in of a scan goes together with --hints and --manifest-out");
	return 0;
}

int host_options_parse(int argc, char **argv, enum host_command command, struct host_options *o, struct err *e)
{
	struct option options[KNOWN + 1] = {0};
	int c;

	memset(o, 0, sizeof *o);
	if (command == HOST_SEND)
		o->compression = COMPRESSION_AUTO;
	for (size_t i = 0, n = 0; i < KNOWN; i++)
		if ((known[i].commands & (unsigned)command) != 0)
			options[n++] = known[i].option;
	optind = 1;
	opterr = 0;
	for (;;) {
		int at = optind;

		c = getopt_long(argc, argv, ":", options, NULL);
		if (c == -1)
			break;
		/* Only musl has moved the word to `at` by now. */
		if (take(c, o, argv[0], argv[optind > at ? optind - 1 : at], e) != 0)
			return -1;
	}
	if (check_sizes(o, e) != 0 || check_hints(o, command, e) != 0)
		return -1;
	return take_paths(argc, argv, command, o, e);
}
