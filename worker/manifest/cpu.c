// SPDX-License-Identifier: Apache-2.0
#include "manifest/cpu.h"

#include <stddef.h>
#include <string.h>

/* BLAKE3's dispatch has no header for this: it is open when compiled with BLAKE3_TESTING (.mk/deps/blake3.sh). */
extern _Atomic int g_cpu_features;
unsigned get_cpu_features(void);

#define NOT_ASKED (1 << 30) /* its next call asks the processor again */

#define SSE2     (1 << 0)
#define SSSE3    (1 << 1)
#define SSE41    (1 << 2)
#define AVX      (1 << 3)
#define AVX2     (1 << 4)
#define AVX512F  (1 << 5)
#define AVX512VL (1 << 6)

#define UP_TO_SSE41 (SSE2 | SSSE3 | SSE41)
#define UP_TO_AVX2  (UP_TO_SSE41 | AVX | AVX2)

static const struct {
	const char *name;
	int features; /* all of them */
} levels[CPU_LEVELS] = {
	[CPU_PORTABLE] = {"portable", 0},
	[CPU_SSE2] = {"sse2", SSE2},
	[CPU_SSE41] = {"sse4.1", UP_TO_SSE41},
	[CPU_AVX2] = {"avx2", UP_TO_AVX2},
	[CPU_AVX512] = {"avx512", UP_TO_AVX2 | AVX512F | AVX512VL},
};

enum cpu_level cpu_level(void)
{
	int have = (int)get_cpu_features();
	enum cpu_level l = CPU_AVX512;

	while ((levels[l].features & ~have) != 0)
		l--;
	return l;
}

const char *cpu_level_name(enum cpu_level l)
{
	return levels[l].name;
}

int cpu_choose(const char *name, struct err *e)
{
	g_cpu_features = NOT_ASKED; /* an earlier choice is no limit */
	enum cpu_level best = cpu_level();

	for (size_t l = 0; l < CPU_LEVELS; l++) {
		if (strcmp(levels[l].name, name) != 0)
			continue;
		if (l > best)
			return err_set(e, ERR_USAGE, 0, "this machine has no %s; its best is %s", name, levels[best].name);
		g_cpu_features = levels[l].features;
		return 0;
	}
	return err_set(e, ERR_USAGE, 0,
		"\"%s\" is no set of instructions; give one of portable, sse2, sse4.1, avx2 and avx512", name);
}
