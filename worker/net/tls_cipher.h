// SPDX-License-Identifier: Apache-2.0
/*
 * Which cipher suites an end offers or accepts. AES-GCM is 10 to 20 times as fast as ChaCha20-Poly1305
 * where the processor has instructions for it, and several times slower where it has none or they are only
 * emulated (QEMU without KVM tells its guest of them and translates them into C functions), so nothing but
 * trying tells.
 */
#ifndef WHERRY_NET_TLS_CIPHER_H
#define WHERRY_NET_TLS_CIPHER_H

#include <stdbool.h>

#include "net/stream_tls.h"

/* mbedTLS's numbers of the suites, the best one first, 0-ended. FASTEST tries 64 KiB with each of both
 * ciphers: about 0.2 ms, under emulation 5 to 40 ms. mbedTLS's server takes the client's first suite that it
 * has as well; so a server that is slow with AES has none, and AES is spoken only where neither end is slow
 * with it. */
const int *tls_cipher_suites(enum tls_cipher wanted, bool server);

#endif
