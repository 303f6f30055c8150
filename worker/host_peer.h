// SPDX-License-Identifier: Apache-2.0
/*
 * The connection between `send` and `receive`. TLS 1.3 between two keys that know each other by their fingerprints:
 * each host has one, host.pem where it keeps its keys (host_state.h), made on first use. Or plain TCP, which never
 * leaves the host.
 */
#ifndef WHERRY_HOST_PEER_H
#define WHERRY_HOST_PEER_H

#include <stdbool.h>

#include "net/stream_tls.h"

#define HOST_PIN_TEXT (sizeof "sha256:" + 2 * (size_t)PKI_PIN_SIZE)

struct host_peer {
	bool plain;
	struct pki_key *key;    /* NULL when plain, like all below */
	struct buf cert;
	struct tls_trust trust; /* the other host */
};

/* The fingerprint of this host, "sha256:..." */
int host_peer_pin(char out[HOST_PIN_TEXT], struct err *e);

/* pin: the other host's fingerprint, or NULL when plain; address: where it listens, or this host shall. USAGE: pin or
 * address do not fit to plain. */
int host_peer_init(struct host_peer *p, bool plain, const char *pin, const char *address, struct err *e);
void host_peer_fini(struct host_peer *p);

struct stream *host_peer_dial(const struct host_peer *p, const char *address, struct err *e);
/* Waits so long (0: for ever; TIMEOUT) or until the listener is shut down (CANCELED); who does not prove to be the peer gets
 * DENIED and *e says so. */
struct stream *host_peer_accept(const struct host_peer *p, int listener, int64_t timeout_ns, struct err *e);

/* Tell the peer why this is the end, in a way that it hears; always -1. */
int host_peer_refuse(struct stream *s, const struct err *why);
/* Bytes on the wire in both directions so far, of this connection. */
uint64_t host_peer_bytes(const struct host_peer *p, struct stream *s);

#endif
