// SPDX-License-Identifier: Apache-2.0
/* What pki.c and stream_tls.c share of mbedTLS: start-up, its error texts, the inside of a key. */
#ifndef WHERRY_NET_MBED_H
#define WHERRY_NET_MBED_H

#include <mbedtls/pk.h>

#include "base/err.h"

struct pki_key {
	mbedtls_pk_context pk; /* P-256, with its private part */
};

/* To be called before any use of keys, certificates, TLS or randomness; any number of times, from any thread.
 */
int mbed_start(struct err *e);
/* Fill *e with the sentence and mbedTLS's own text of `code`; returns -1. */
int mbed_err(struct err *e, enum err_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A copy of a key, for one connection: mbedTLS keys must not be used by two threads at once. */
int mbed_key_copy(mbedtls_pk_context *to, const mbedtls_pk_context *from, struct err *e);

#endif
