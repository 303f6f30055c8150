// SPDX-License-Identifier: Apache-2.0
/*
 * Which vector instructions hashes and zero tests use: the best that both processor and operating system have (cpuid and
 * XGETBV, asked by BLAKE3's own dispatch), or fewer when told so. There is one choice, and it is BLAKE3's, so that
 * nothing detects twice. The result of no function depends on it.
 */
#ifndef WHERRY_MANIFEST_CPU_H
#define WHERRY_MANIFEST_CPU_H

#include "base/err.h"

/* Rising: each has all of those before it. */
enum cpu_level { CPU_PORTABLE, CPU_SSE2, CPU_SSE41, CPU_AVX2, CPU_AVX512 };
#define CPU_LEVELS (CPU_AVX512 + 1)

enum cpu_level cpu_level(void); /* any thread; one load after the first call */
const char *cpu_level_name(enum cpu_level l); /* "avx2" */

/* Use that level from now on; for comparing. While no other thread hashes. USAGE: there is no such name, or this
 * machine has not got it. */
int cpu_choose(const char *name, struct err *e);

#endif
