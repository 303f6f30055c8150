// SPDX-License-Identifier: Apache-2.0
/*
 * Who this worker is and whom it believes (ARCHITECTURE "Identity"). The key is made in RAM and never leaves it.
 * Before enrolment the worker shows a self-signed certificate and believes the one key of its bootstrap data;
 * afterwards it shows a certificate of the job's CA and believes that CA: the controller for HTTP, the opposite role
 * for chunks. The time certificates are judged at comes from the controller, never from this machine. Any thread.
 */
#ifndef WHERRY_JOB_IDENTITY_H
#define WHERRY_JOB_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "boot/bootdata.h"
#include "net/pki.h"
#include "net/stream_tls.h"

struct identity;

struct identity *identity_new(const struct bootdata *b, struct err *e); /* b is borrowed */
void identity_free(struct identity *i);
void identity_pin(const struct identity *i, uint8_t pin[PKI_PIN_SIZE]); /* of our own key */
const char *identity_spki(const struct identity *i);                    /* base64 of its DER */
bool identity_enrolled(struct identity *i);

/* Take the CA, our certificate and the time (ns since 1970). Again only with the same CA (a new certificate, a
 * corrected clock); DENIED otherwise. CONFIG when they cannot be what they should be. */
int identity_enrol(struct identity *i, const char *ca_pem, const char *cert_pem, int64_t time_ns, struct err *e);

/* What a handshake needs, as of now. */
enum identity_use {
	IDENTITY_ACCEPT,       /* of anybody: trust 0 is the controller, trust 1 (enrolled only) the peer */
	IDENTITY_DIAL_CONTROL, /* to the controller */
	IDENTITY_DIAL_PEER     /* to the other worker; only when enrolled */
};

struct identity_tls {
	struct tls_config config; /* points into the rest: do not copy or move this struct */
	struct tls_trust trust[2];
	bool enrolled;
	char *ca_pem, *cert_pem;
};

void identity_tls_init(struct identity *i, enum identity_use use, struct identity_tls *t);
void identity_tls_fini(struct identity_tls *t);

#endif
