// SPDX-License-Identifier: Apache-2.0
/*
 * Our own judgement of a peer's certificate, in place of mbedTLS's: pin, or CA + role + run at a given time.
 *
 * It is made during the handshake and carried out right after it, before a byte of anybody's data passes:
 * mbedTLS 3.6 sends an alert in mid-handshake under keys that the peer does not expect (RFC 8446, appendix A,
 * says which ones it should), so that a refused peer would learn nothing but "bad record". Possession of the
 * key is proved by then.
 */
#ifndef WHERRY_NET_TLS_VERDICT_H
#define WHERRY_NET_TLS_VERDICT_H

#include <mbedtls/x509_crt.h>

#include "net/stream_tls.h"

struct tls_verdict {
	const struct tls_trust *trust; /* borrowed for the handshake */
	size_t trust_count;
	bool accepted;
	size_t index; /* of the trust that matched */
	struct buf spki; /* of the accepted peer */
	struct err why; /* when not accepted: the reason, of the last trust tried ... */
	unsigned char alert; /* ... and what the peer is to be told (RFC 8446, section 6.2) */
};

void tls_verdict_fini(struct tls_verdict *v);
/* The verify callback of mbedtls_ssl_conf_verify(); ctx is the verdict. Clears every flag: `accepted` is what
 * counts. */
int tls_verdict_judge(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags);

#endif
