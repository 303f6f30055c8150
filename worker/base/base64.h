// SPDX-License-Identifier: Apache-2.0
/* Base64, standard alphabet, padded (RFC 4648 section 4): bootstrap data on command lines and for clouds, keys in JSON. */
#ifndef WHERRY_BASE_BASE64_H
#define WHERRY_BASE_BASE64_H

#include <stddef.h>

#include "base/buf.h"

void base64_encode(const void *p, size_t n, struct buf *out);    /* appends */
/* Appends the bytes of n characters. -1: not base64 (a wrong character, length or padding); *out is then undefined. */
int base64_decode(const char *s, size_t n, struct buf *out);

#endif
