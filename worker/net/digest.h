// SPDX-License-Identifier: Apache-2.0
/* Digests that services ask for by name; what is hashed for ourselves is hashed with BLAKE3 (manifest/manifest.h). */
#ifndef WHERRY_NET_DIGEST_H
#define WHERRY_NET_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DIGEST_MD5    16
#define DIGEST_SHA256 32

/* RFC 1321. Against accidents on the way only: it keeps nobody from making two texts with the same sum. */
void digest_md5(const void *p, size_t n, uint8_t out[DIGEST_MD5]);
/* Of all parts, one behind the other. */
void digest_md5_parts(const struct iovec *parts, unsigned count, uint8_t out[DIGEST_MD5]);
/* RFC 2104 with SHA-256. */
void digest_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t out[DIGEST_SHA256]);

#endif
