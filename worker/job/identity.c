// SPDX-License-Identifier: Apache-2.0
#include "job/identity.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/base64.h"

#define HANDSHAKE_TIMEOUT_NS (10 * NS_PER_S)
/* A dialed-out connection waits in the controller's backlog until it is wanted. */
#define BACKLOG_TIMEOUT_NS   (600 * NS_PER_S)

/* 2020-01-01 to 2200-01-01: outside of it a time is a mistake. */
#define TIME_MIN_NS (INT64_C(1577836800) * NS_PER_S)
#define TIME_MAX_NS (INT64_C(7258118400) * NS_PER_S)

struct identity {
	const struct bootdata *boot;
	struct pki_key *key;
	uint8_t pin[PKI_PIN_SIZE];
	struct buf spki; /* base64 */
	pthread_mutex_t lock; /* everything below */
	char *ca_pem;         /* NULL: not enrolled */
	char *cert_pem;
	int64_t offset_ns;    /* controller's time minus our monotonic one */
};

static int make_key(struct identity *i, struct err *e)
{
	struct buf der = BUF_INIT, cert = BUF_INIT;
	int rc = -1;

	i->key = pki_key_new(e);
	if (i->key != NULL && pki_key_spki(i->key, &der, e) == 0 && pki_key_pin(i->key, i->pin, e) == 0 &&
	    pki_cert_self(i->key, "wherry worker", &cert, e) == 0) {
		base64_encode(der.data, der.len, &i->spki);
		i->cert_pem = buf_take(&cert);
		rc = 0;
	}
	buf_fini(&der);
	buf_fini(&cert);
	return rc;
}

struct identity *identity_new(const struct bootdata *b, struct err *e)
{
	struct identity *i = mem_alloc(sizeof *i);

	i->boot = b;
	pthread_mutex_init(&i->lock, NULL);
	if (make_key(i, e) == 0)
		return i;
	identity_free(i);
	return NULL;
}

void identity_free(struct identity *i)
{
	if (i == NULL)
		return;
	pki_key_free(i->key);
	buf_fini(&i->spki);
	free(i->ca_pem);
	free(i->cert_pem);
	pthread_mutex_destroy(&i->lock);
	free(i);
}

void identity_pin(const struct identity *i, uint8_t pin[PKI_PIN_SIZE])
{
	memcpy(pin, i->pin, sizeof i->pin);
}

const char *identity_spki(const struct identity *i)
{
	return buf_str(&i->spki);
}

bool identity_enrolled(struct identity *i)
{
	pthread_mutex_lock(&i->lock);
	bool enrolled = i->ca_pem != NULL;
	pthread_mutex_unlock(&i->lock);
	return enrolled;
}

static bool is_certificate(const char *pem)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";

	return strncmp(pem, begin, strlen(begin)) == 0;
}

static int install(struct identity *i, const char *ca_pem, const char *cert_pem, int64_t time_ns, struct err *e)
{
	if (i->ca_pem != NULL && strcmp(i->ca_pem, ca_pem) != 0)
		return err_set(e, ERR_DENIED, 0,
			       "this worker is enrolled with another CA already: remove it and create a new one");
	free(i->ca_pem);
	free(i->cert_pem);
	i->ca_pem = mem_strdup(ca_pem);
	i->cert_pem = mem_strdup(cert_pem);
	i->offset_ns = time_ns - clock_mono_ns();
	return 0;
}

int identity_enrol(struct identity *i, const char *ca_pem, const char *cert_pem, int64_t time_ns, struct err *e)
{
	if (!is_certificate(ca_pem) || !is_certificate(cert_pem))
		return err_set(e, ERR_CONFIG, 0, "\"ca\" and \"cert\" of an enrolment must be certificates in PEM");
	if (time_ns < TIME_MIN_NS || time_ns > TIME_MAX_NS)
		return err_set(e, ERR_CONFIG, 0,
			       "\"time_ns\" of an enrolment must be nanoseconds since 1970, between the years 2020 "
			       "and 2200: set the controller's clock");
	pthread_mutex_lock(&i->lock);
	int rc = install(i, ca_pem, cert_pem, time_ns, e);
	pthread_mutex_unlock(&i->lock);
	return rc;
}

static struct tls_trust trust_role(const struct identity *i, const struct identity_tls *t, const char *role)
{
	return (struct tls_trust){
		.kind = TLS_TRUST_CA,
		.ca_pem = t->ca_pem,
		.role = role,
		.run = i->boot->run,
		.now_s = (i->offset_ns + clock_mono_ns()) / NS_PER_S,
	};
}

static struct tls_trust trust_controller(const struct identity *i, const struct identity_tls *t)
{
	struct tls_trust pinned = {.kind = TLS_TRUST_PIN};

	if (t->enrolled)
		return trust_role(i, t, "controller");
	memcpy(pinned.pin, i->boot->controller_pin, sizeof pinned.pin);
	return pinned;
}

void identity_tls_init(struct identity *i, enum identity_use use, struct identity_tls *t)
{
	const char *peer = i->boot->role == WIRE_SOURCE ? "target" : "source";
	size_t trusts = 0, alpns = 0;

	memset(t, 0, sizeof *t);
	pthread_mutex_lock(&i->lock);
	t->enrolled = i->ca_pem != NULL;
	t->ca_pem = mem_strdup(i->ca_pem);
	t->cert_pem = mem_strdup(i->cert_pem);
	if (use != IDENTITY_DIAL_PEER) {
		t->trust[trusts++] = trust_controller(i, t);
		t->config.alpn[alpns++] = TLS_ALPN_HTTP;
	}
	if (use != IDENTITY_DIAL_CONTROL && t->enrolled) {
		t->trust[trusts++] = trust_role(i, t, peer);
		t->config.alpn[alpns++] = TLS_ALPN_CHUNKS;
	}
	pthread_mutex_unlock(&i->lock);
	t->config.key = i->key;
	t->config.cert_pem = t->cert_pem;
	t->config.trust = t->trust;
	t->config.trust_count = trusts;
	t->config.handshake_timeout_ns = use == IDENTITY_DIAL_CONTROL ? BACKLOG_TIMEOUT_NS : HANDSHAKE_TIMEOUT_NS;
}

void identity_tls_fini(struct identity_tls *t)
{
	free(t->ca_pem);
	free(t->cert_pem);
}
