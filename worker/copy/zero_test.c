// SPDX-License-Identifier: Apache-2.0
#include "copy/zero_test.h"

#include <emmintrin.h>
#include <string.h>

static uint64_t word_at(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof w);
	return w;
}

static bool words(const uint8_t *p, size_t blocks)
{
	for (; blocks > 0; blocks--, p += ZERO_TEST_BLOCK) {
		uint64_t any = 0;

		for (size_t i = 0; i < ZERO_TEST_BLOCK; i += sizeof any)
			any |= word_at(p + i);
		if (any != 0)
			return false;
	}
	return true;
}

static bool sse2(const uint8_t *p, size_t blocks)
{
	for (; blocks > 0; blocks--, p += ZERO_TEST_BLOCK) {
		__m128i any = _mm_setzero_si128();

		for (size_t i = 0; i < ZERO_TEST_BLOCK; i += sizeof any)
			any = _mm_or_si128(any, _mm_loadu_si128((const __m128i *)(p + i)));
		if (_mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) != 0xffff)
			return false;
	}
	return true;
}

static bool (*const tests[CPU_LEVELS])(const uint8_t *p, size_t blocks) = {
	[CPU_PORTABLE] = words,
	[CPU_SSE2] = sse2,
	[CPU_SSE41] = sse2,
	[CPU_AVX2] = zero_test_avx2,
	[CPU_AVX512] = zero_test_avx512,
};

bool zero_test_with(enum cpu_level l, const void *p, size_t n)
{
	const uint8_t *at = p;
	size_t blocks = n / ZERO_TEST_BLOCK;

	if (!tests[l](at, blocks))
		return false;
	at += blocks * ZERO_TEST_BLOCK;
	n -= blocks * ZERO_TEST_BLOCK;
	for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t), at += sizeof(uint64_t))
		if (word_at(at) != 0)
			return false;
	for (; n > 0; n--)
		if (*at++ != 0)
			return false;
	return true;
}

bool zero_test(const void *p, size_t n)
{
	return zero_test_with(cpu_level(), p, n);
}
