// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "copy/zero_test.h"

bool zero_test_avx2(const uint8_t *p, size_t blocks)
{
	for (; blocks > 0; blocks--, p += ZERO_TEST_BLOCK) {
		__m256i any = _mm256_setzero_si256();

		for (size_t i = 0; i < ZERO_TEST_BLOCK; i += sizeof any)
			any = _mm256_or_si256(any, _mm256_loadu_si256((const __m256i *)(p + i)));
		if (!_mm256_testz_si256(any, any))
			return false;
	}
	return true;
}
