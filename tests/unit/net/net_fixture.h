// SPDX-License-Identifier: Apache-2.0
/* What the tests of net share: identities, and two ends of TLS connected with each other. Asserts on its own
 * failures. */
#ifndef WHERRY_TESTS_NET_FIXTURE_H
#define WHERRY_TESTS_NET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/stream_tls.h"

#define FX_NOW INT64_C(1800000000) /* when certificates of the tests are judged; far from any real clock */

struct fx_ca {
	struct pki_key *key;
	struct buf pem;
};

struct fx_side {
	struct pki_key *key;
	struct buf cert;
	struct tls_trust trust[2];
	struct tls_config config;
};

struct fx_ca fx_ca(const char *job);
void fx_ca_fini(struct fx_ca *ca);

/* A self-signed certificate; nobody trusted yet. ALPN http/1.1, handshake timeout 20 s. */
struct fx_side fx_side(const char *name);
/* A certificate of the CA for `role` and `run`, valid for a day around FX_NOW. */
struct fx_side fx_enrolled(const struct fx_ca *ca, const char *role, const char *run);
void fx_trust_key(struct fx_side *side, struct pki_key *peer);
void fx_trust_role(struct fx_side *side, const struct fx_ca *ca, const char *role, const char *run);
void fx_side_fini(struct fx_side *side);

/* Handshake of [0] as client with [1] as server, the latter in a thread; lower ends are taken. NULL: see e.
 */
void fx_handshake(struct fx_side side[2], struct stream *lower[2], struct stream *out[2], struct err e[2]);
/* Two ends that pinned each other, over memory of `capacity`; lower (may be NULL) gets the ends below, for
 * faults. */
void fx_tls_pair(size_t capacity, struct stream *out[2], struct stream *lower[2]);
/* Two ends of a TCP connection on the loopback interface. */
void fx_tcp_pair(struct stream *out[2]);

/* Byte i of a pattern that repeats nowhere near. */
uint8_t fx_byte(uint64_t seed, uint64_t i);
void fx_fill(uint64_t seed, uint64_t from, uint8_t *to, size_t n);

#define assert_kind(e, expected)                                                                             \
	do {                                                                                                 \
		if ((e)->kind != (expected))                                                                 \
			fail_msg("expected %s, got %s: %s", err_kind_name(expected),                         \
				err_kind_name((e)->kind), (e)->msg);                                         \
	} while (0)
#define assert_says(e, part)                                                                                 \
	do {                                                                                                 \
		if (strstr((e)->msg, (part)) == NULL)                                                        \
			fail_msg("expected '%s' in: %s", (part), (e)->msg);                                  \
	} while (0)
#define assert_done(rc, e)                                                                                   \
	do {                                                                                                 \
		if ((rc) < 0)                                                                                \
			fail_msg("%s", (e)->msg);                                                            \
	} while (0)

#endif
