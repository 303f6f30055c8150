// SPDX-License-Identifier: Apache-2.0
#include "base/hex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *hex_encode(const void *p, size_t n, char *out)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digit[b[i] >> 4];
		out[2 * i + 1] = digit[b[i] & 15];
	}
	out[2 * n] = '\0';
	return out;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(const char *s, void *out, size_t n)
{
	unsigned char *b = out;

	if (strlen(s) != 2 * n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int hi = nibble(s[2 * i]), lo = nibble(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		b[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}

int num_parse_size(const char *s, const char *what, uint64_t *out, struct err *e)
{
	static const char suffix[] = "KMGT";
	char *end;

	errno = 0;
	unsigned long long v = strtoull(s, &end, 10);
	unsigned shift = 0;
	if (end != s && *end != '\0') {
		const char *at = strchr(suffix, *end);

		if (at != NULL) {
			shift = 10 * (unsigned)(at - suffix + 1);
			end++;
		}
	}
	if (end == s || *end != '\0' || errno != 0 || s[0] < '0' || s[0] > '9' || v > UINT64_MAX >> shift)
		return err_set(e, ERR_USAGE, 0, "%s: expected a whole number such as 262144 or 256K, found '%s'",
			       what, s);
	*out = (uint64_t)v << shift;
	return 0;
}

char *num_format_size(uint64_t bytes, char out[16])
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1023.95 && u < 5) {
		v /= 1024;
		u++;
	}
	snprintf(out, 16, u == 0 ? "%.0f %s" : "%.1f %s", v, unit[u]);
	return out;
}
