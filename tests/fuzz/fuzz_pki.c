// SPDX-License-Identifier: Apache-2.0
/*
 * What a peer shows of itself: its certificate, judged by pin and by the job's CA, and its public key, which the
 * controller signs; and a key file. The first byte chooses. RUNS: 2000
 */
#include "fuzz/fuzz.h"

#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/mbed.h"
#include "net/tls_verdict.h"

#define NOW INT64_C(1800000000)

enum { BY_CA, BY_PIN, SPKI, KEY_FILE, CHOICES };

/* Made for this file, and worth nothing: seeds must be signed with the key that the target believes. */
static const char ca_key_pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
				 "MHcCAQEEICDLnWykKn21sWBVjtglbKKlmU5MlzAsgD/S0m8uFUQzoAoGCCqGSM49\n"
				 "AwEHoUQDQgAElWNkyBichja/pjxupnlt0YVkKUsS+BK/DPmUaAzIg7t/HJQflI1/\n"
				 "4ukST49SqT4hBTLP6vxACTrY6cwBnq4evQ==\n"
				 "-----END EC PRIVATE KEY-----\n";
static const char peer_key_pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
				   "MHcCAQEEIGEEKVuW4jHmeQxGXF/4iNWEkfO6h8IAalfUdE3Lpt7toAoGCCqGSM49\n"
				   "AwEHoUQDQgAExEypKqhBACGsbCnCXDnvadJetpzcmnO+R1llSfrV9+eDYMxFpqSf\n"
				   "XGXz6cXB2GwW/49cqR6XteF/ks6W7M72fw==\n"
				   "-----END EC PRIVATE KEY-----\n";

struct world {
	struct pki_key *ca_key, *peer_key;
	struct buf ca, spki;
	uint8_t pin[PKI_PIN_SIZE];
};

static const struct world *world(void)
{
	static struct world w; /* a CA takes a signature to make: once is enough */
	struct err e = ERR_INIT;

	if (w.ca_key != NULL)
		return &w;
	w.ca_key = pki_key_from_pem(ca_key_pem, &e);
	w.peer_key = pki_key_from_pem(peer_key_pem, &e);
	fuzz_check(w.ca_key != NULL && w.peer_key != NULL);
	fuzz_check(pki_ca_new(w.ca_key, "web1", NOW - 86400, NOW + 86400, &w.ca, &e) == 0);
	fuzz_check(pki_key_spki(w.peer_key, &w.spki, &e) == 0 && pki_key_pin(w.peer_key, w.pin, &e) == 0);
	return &w;
}

/* The CA signed one key: whatever else is believed was forged. */
static void judge(const uint8_t *der, size_t size, enum tls_trust_kind kind)
{
	const struct world *w = world();
	struct tls_trust t = {.kind = kind, .ca_pem = w->ca.data, .role = "source", .run = "run-1", .now_s = NOW};
	struct tls_verdict v = {.trust = &t, .trust_count = 1};
	mbedtls_x509_crt crt;
	uint32_t flags = 0;

	memcpy(t.pin, w->pin, sizeof t.pin);
	mbedtls_x509_crt_init(&crt);
	if (mbedtls_x509_crt_parse_der(&crt, der, size) == 0) {
		fuzz_check(tls_verdict_judge(&v, &crt, 0, &flags) == 0 && flags == 0);
		fuzz_check(v.accepted ? v.spki.len == w->spki.len && memcmp(v.spki.data, w->spki.data, v.spki.len) == 0
				      : v.why.kind == ERR_DENIED && v.alert != 0);
	}
	tls_verdict_fini(&v);
	mbedtls_x509_crt_free(&crt);
}

static void issue(const uint8_t *spki, size_t size)
{
	const struct world *w = world();
	struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	if (pki_issue(w->ca_key, w->ca.data, spki, size, "source", "run-1", NOW - 60, NOW + 60, &pem, &e) < 0)
		fuzz_check(e.kind == ERR_PROTOCOL && pem.len == 0);
	else
		fuzz_check(strncmp(buf_str(&pem), "-----BEGIN CERTIFICATE-----", 27) == 0);
	buf_fini(&pem);
}

static void key_file(const uint8_t *data, size_t size)
{
	char *pem = mem_alloc(size + 1);
	struct err e = ERR_INIT;

	memcpy(pem, data, size);
	pki_key_free(pki_key_from_pem(pem, &e));
	free(pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0] % CHOICES) {
	case BY_CA: judge(data + 1, size - 1, TLS_TRUST_CA); break;
	case BY_PIN: judge(data + 1, size - 1, TLS_TRUST_PIN); break;
	case SPKI: issue(data + 1, size - 1); break;
	default: key_file(data + 1, size - 1); break;
	}
	return 0;
}

static void seed_cert(struct fuzz_corpus *to, uint8_t choice, struct buf *pem)
{
	mbedtls_x509_crt crt;

	mbedtls_x509_crt_init(&crt);
	fuzz_check(mbedtls_x509_crt_parse(&crt, (const unsigned char *)pem->data, pem->len + 1) == 0);
	fuzz_seed_choice(to, choice, crt.raw.p, crt.raw.len);
	mbedtls_x509_crt_free(&crt);
	buf_fini(pem);
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	const struct world *w = world();
	struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	fuzz_check(pki_issue(w->ca_key, w->ca.data, w->spki.data, w->spki.len, "source", "run-1", NOW - 60, NOW + 60,
			     &pem, &e) == 0);
	seed_cert(to, BY_CA, &pem);
	fuzz_check(pki_issue(w->ca_key, w->ca.data, w->spki.data, w->spki.len, "target", "a,b=c", NOW + 60, NOW + 90,
			     &pem, &e) == 0);
	seed_cert(to, BY_CA, &pem);
	fuzz_check(pki_cert_self(w->peer_key, "worker", &pem, &e) == 0);
	seed_cert(to, BY_PIN, &pem);
	fuzz_seed_choice(to, SPKI, w->spki.data, w->spki.len);
	fuzz_seed_choice(to, KEY_FILE, peer_key_pem, strlen(peer_key_pem));
}
