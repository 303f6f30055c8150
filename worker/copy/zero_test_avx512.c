// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "copy/zero_test.h"

bool zero_test_avx512(const uint8_t *p, size_t blocks)
{
	for (; blocks > 0; blocks--, p += ZERO_TEST_BLOCK) {
		__m512i any = _mm512_setzero_si512();

		for (size_t i = 0; i < ZERO_TEST_BLOCK; i += sizeof any)
			any = _mm512_or_si512(any, _mm512_loadu_si512(p + i));
		if (_mm512_test_epi64_mask(any, any) != 0)
			return false;
	}
	return true;
}
