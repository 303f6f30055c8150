// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *p, size_t n, struct buf *out)
{
	const uint8_t *in = p;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
			     (left > 2 ? in[i + 2] : 0);
		char quad[4] = {
			alphabet[v >> 18],
			alphabet[v >> 12 & 63],
			left > 1 ? alphabet[v >> 6 & 63] : '=',
			left > 2 ? alphabet[v & 63] : '=',
		};

		buf_add(out, quad, sizeof quad);
	}
}

static int digit(char c)
{
	const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

	return at != NULL ? (int)(at - alphabet) : -1;
}

int base64_decode(const char *s, size_t n, struct buf *out)
{
	if (n % 4 != 0)
		return -1;
	for (size_t i = 0; i < n; i += 4) {
		bool last = i + 4 == n;
		unsigned pad = last && s[i + 3] == '=' ? s[i + 2] == '=' ? 2 : 1 : 0;
		uint32_t v = 0;

		for (unsigned k = 0; k < 4; k++) {
			int d = k >= 4 - pad ? 0 : digit(s[i + k]);

			if (d < 0)
				return -1;
			v = v << 6 | (uint32_t)d;
		}
		/* One text for one sequence of bytes: the bits that the padding cuts off must be zero. */
		if (pad != 0 && (v & ((1u << 8 * pad) - 1)) != 0)
			return -1;
		const uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
		buf_add(out, bytes, 3 - pad);
	}
	return 0;
}
