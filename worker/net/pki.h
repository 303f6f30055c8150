// SPDX-License-Identifier: Apache-2.0
/*
 * Keys and certificates (ARCHITECTURE "Identity"): P-256 keys, X.509 certificates, mbedTLS underneath.
 *
 *   controller: a long-lived key in a 0600 file; its SPKI SHA-256 is in the (public) bootstrap data.
 *   worker:     a key made in RAM at boot; its SPKI SHA-256 is printed on the console and pinned from there.
 *   per job:    a CA made by the controller; it signs a short-lived certificate per role for known public keys.
 *
 * Before enrolment both ends show self-signed certificates and accept exactly one pinned key. Afterwards they show
 * certificates of the job's CA whose subject names the role, and accept only the role they expect.
 * SPKI = DER of SubjectPublicKeyInfo (RFC 5280); the pin is SHA-256 of it, as in RFC 7469.
 */
#ifndef WHERRY_NET_PKI_H
#define WHERRY_NET_PKI_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define PKI_PIN_SIZE 32

struct pki_key;

struct pki_key *pki_key_new(struct err *e);
struct pki_key *pki_key_from_pem(const char *pem, struct err *e);
void pki_key_free(struct pki_key *k);
int pki_key_to_pem(struct pki_key *k, struct buf *pem, struct err *e); /* secret: PKCS#8/SEC1 PEM */
int pki_key_spki(struct pki_key *k, struct buf *der, struct err *e);
int pki_key_pin(struct pki_key *k, uint8_t pin[PKI_PIN_SIZE], struct err *e);
/* Load the key of `path`, or make it there with mode 0600 (refuses a file others can read). */
struct pki_key *pki_key_load_or_make(const char *path, struct err *e);

int pki_pin_of_spki(const void *der, size_t len, uint8_t pin[PKI_PIN_SIZE], struct err *e);
int pki_sha256(const void *p, size_t n, uint8_t out[32]);
/* Of an open file from its start to its end, wherever it stands; in one reading. */
int pki_file_sums(int fd, uint8_t sha256[32], uint8_t sha512[64], struct err *e);
int pki_random(void *p, size_t n, struct err *e);

/* A self-signed certificate for `k`, subject CN=`name`, valid 10 years around now (validity is not judged by pins). */
int pki_cert_self(struct pki_key *k, const char *name, struct buf *pem, struct err *e);
/* A CA certificate for `k`, CN="wherry job NAME". Times in seconds since 1970. */
int pki_ca_new(struct pki_key *k, const char *job, int64_t not_before, int64_t not_after, struct buf *pem,
	       struct err *e);
/* A leaf for the public key `spki`, CN="wherry ROLE" with ROLE controller | source | target, OU=run. */
int pki_issue(struct pki_key *ca_key, const char *ca_pem, const void *spki, size_t spki_len, const char *role,
	      const char *run, int64_t not_before, int64_t not_after, struct buf *pem, struct err *e);

#endif
