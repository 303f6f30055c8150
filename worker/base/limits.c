// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MIN UINT64_C(256000)
#define RATE_MAX UINT64_C(1000000000000)
#define IOPS_MAX UINT64_C(10000000)

const struct limit_info limit_table[LIMITS] = {
	[LIMIT_BANDWIDTH] = {"bandwidth", "RATE", "on the network", true, RATE_MIN, RATE_MAX},
	[LIMIT_DISK_THROUGHPUT] = {"disk_throughput", "RATE", "from each disk", true, RATE_MIN, RATE_MAX},
	[LIMIT_DISK_IOPS] = {"disk_iops", "N", "on each disk", false, 1, IOPS_MAX},
	[LIMIT_WORKER_IOPS] = {"worker_iops", "N", "on all disks", false, 1, IOPS_MAX},
};

static const struct unit {
	const char *name;
	uint64_t times, divided_by;
} units[] = {
	{"B/s", 1, 1},
	{"kB/s", 1000, 1},
	{"MB/s", 1000000, 1},
	{"GB/s", 1000000000, 1},
	{"KiB/s", UINT64_C(1) << 10, 1},
	{"MiB/s", UINT64_C(1) << 20, 1},
	{"GiB/s", UINT64_C(1) << 30, 1},
	{"kbit/s", 1000, 8},
	{"Mbit/s", 1000000, 8},
	{"Gbit/s", 1000000000, 8},
};

static const struct unit *unit_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	return NULL;
}

int limit_parse(enum limit l, const char *text, const char *what, uint64_t *out, struct err *e)
{
	const struct limit_info *info = &limit_table[l];
	char *end, low[32], high[32];

	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	bool good = text[0] >= '0' && text[0] <= '9' && errno == 0 && v <= RATE_MAX;
	if (good && info->is_rate) {
		const struct unit *u = unit_by_name(end + (*end == ' '));

		good = u != NULL && v <= RATE_MAX * u->divided_by / u->times;
		if (good)
			v = v * u->times / u->divided_by;
	} else {
		good = good && *end == '\0';
	}
	if (!good || v < info->min || v > info->max)
		return err_set(e, ERR_USAGE, 0, "%s: expected %s from %s to %s, such as %s; found \"%.60s\"", what,
			       info->is_rate ? "a rate" : "a whole number", limit_format(l, info->min, low),
			       limit_format(l, info->max, high), info->is_rate ? "100MB/s or 1Gbit/s" : "500", text);
	*out = v;
	return 0;
}

char *limit_format(enum limit l, uint64_t value, char out[32])
{
	size_t u = 0;

	if (!limit_table[l].is_rate) {
		snprintf(out, 32, "%" PRIu64 " IOPS", value);
		return out;
	}
	while (u < 3 && value >= units[u + 1].times)
		u++;
	snprintf(out, 32, "%.4g %s", (double)value / (double)units[u].times, units[u].name);
	return out;
}

char *limits_describe(const struct limits *l, char out[LIMITS_TEXT])
{
	char value[32];
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; i < LIMITS; i++)
		if (l->of[i] != 0)
			n += (size_t)snprintf(out + n, LIMITS_TEXT - n, "%s%s %s", n == 0 ? "" : ", ",
					      limit_format((enum limit)i, l->of[i], value), limit_table[i].applies);
	return out;
}

char *limits_json(const struct limits *l, char out[LIMITS_TEXT])
{
	size_t n = 1;

	out[0] = '{';
	for (int i = 0; i < LIMITS; i++)
		if (l->of[i] != 0)
			n += (size_t)snprintf(out + n, LIMITS_TEXT - n, "%s\"%s\":%" PRIu64, n == 1 ? "" : ",",
					      limit_table[i].name, l->of[i]);
	snprintf(out + n, LIMITS_TEXT - n, "}");
	return out;
}

bool limits_equal(const struct limits *a, const struct limits *b)
{
	return memcmp(a->of, b->of, sizeof a->of) == 0;
}
