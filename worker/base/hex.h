// SPDX-License-Identifier: Apache-2.0
/* Bytes as lower-case hexadecimal text, and strict number parsing. */
#ifndef WHERRY_BASE_HEX_H
#define WHERRY_BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

char *hex_encode(const void *p, size_t n, char *out); /* out holds 2n+1 bytes; returns out */
int hex_decode(const char *s, void *out, size_t n);   /* exactly 2n digits; -1 otherwise */
/* A whole decimal number with an optional suffix K, M, G or T (powers of 1024). `what` names it in the error. */
int num_parse_size(const char *s, const char *what, uint64_t *out, struct err *e);
/* "1.5 GiB" into out[16]; returns out. */
char *num_format_size(uint64_t bytes, char out[16]);

#endif
