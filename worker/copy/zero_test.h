// SPDX-License-Identifier: Apache-2.0
/*
 * Is memory all zeros? With the machine's vector instructions (manifest/cpu.h). Implementations: zero_test.c (words, and
 * SSE2, which every x86-64 has), zero_test_avx2.c, zero_test_avx512.c (compiled for those, called only where they are).
 */
#ifndef WHERRY_COPY_ZERO_TEST_H
#define WHERRY_COPY_ZERO_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest/cpu.h"

/* True when all n bytes are zero; any n, any alignment. Ends at the first byte that is not, or soon after it. */
bool zero_test(const void *p, size_t n);
/* The same with what this level has, which the machine must have, too. */
bool zero_test_with(enum cpu_level l, const void *p, size_t n);

/* Private: whole blocks of so many bytes. */
#define ZERO_TEST_BLOCK 256
bool zero_test_avx2(const uint8_t *p, size_t blocks);
bool zero_test_avx512(const uint8_t *p, size_t blocks);

#endif
