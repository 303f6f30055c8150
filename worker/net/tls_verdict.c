// SPDX-License-Identifier: Apache-2.0
#include "net/tls_verdict.h"

#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "net/mbed.h"

static const mbedtls_x509_crt_profile profile = {
	.allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256),
	.allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
	.allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1),
};

void tls_verdict_fini(struct tls_verdict *v)
{
	buf_fini(&v->spki);
}

static void cleanup_crt(mbedtls_x509_crt *crt)
{
	mbedtls_x509_crt_free(crt);
}

enum {
	ACCEPTED = -1
};

/* The judge_* below return ACCEPTED, or the alert for the peer, with *why filled. */

static int judge_pin(const mbedtls_x509_crt *crt, const struct tls_trust *t, struct err *why)
{
	uint8_t pin[PKI_PIN_SIZE];
	char got[2 * PKI_PIN_SIZE + 1], expected[2 * PKI_PIN_SIZE + 1];

	if (pki_pin_of_spki(crt->pk_raw.p, crt->pk_raw.len, pin, why) < 0)
		return MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA;
	if (memcmp(pin, t->pin, sizeof pin) == 0)
		return ACCEPTED;
	err_set(why, ERR_DENIED, 0,
		"the peer's key has the SHA-256 %s, expected %s: it is another machine, was booted "
		"anew since, or somebody is in between",
		hex_encode(pin, sizeof pin, got), hex_encode(t->pin, sizeof t->pin, expected));
	return MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA;
}

/* Validity at the controller's time; what mbedTLS found by this machine's clock does not count. */
static int judge_time(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	const int64_t *now_s = ctx;
	time_t t = (time_t)*now_s;
	struct tm tm;

	(void)depth;
	*flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
	if (gmtime_r(&t, &tm) == NULL) {
		*flags |= MBEDTLS_X509_BADCERT_FUTURE;
		return 0;
	}
	const mbedtls_x509_time now = {
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};
	if (mbedtls_x509_time_cmp(&now, &crt->valid_from) < 0)
		*flags |= MBEDTLS_X509_BADCERT_FUTURE;
	if (mbedtls_x509_time_cmp(&now, &crt->valid_to) > 0)
		*flags |= MBEDTLS_X509_BADCERT_EXPIRED;
	return 0;
}

static void explain_chain(
	const mbedtls_x509_crt *crt, const struct tls_trust *t, uint32_t flags, struct err *why)
{
	char now[24];
	const mbedtls_x509_time *from = &crt->valid_from, *to = &crt->valid_to;

	if ((flags & ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)) != 0)
		err_set(why, ERR_DENIED, 0,
			"the peer's certificate is not one of this job's CA: it belongs to another job, or "
			"was not enrolled yet");
	else
		err_set(why, ERR_DENIED, 0,
			"the certificate of the peer or of its CA %s: it is valid from %04d-%02d-%02d "
			"%02d:%02d:%02d to %04d-%02d-%02d %02d:%02d:%02d and the controller's time is %s; "
			"start the run again, "
			"or set the controller's clock",
			(flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0 ? "has expired" : "is not valid yet",
			from->year, from->mon, from->day, from->hour, from->min, from->sec, to->year, to->mon,
			to->day, to->hour, to->min, to->sec, clock_format(t->now_s * NS_PER_S, now));
}

/* The one value of `oid` in the subject equals `want`; a second value would make it ambiguous. */
static bool subject_has(const mbedtls_x509_crt *crt, const char *oid, size_t oid_len, const char *want)
{
	size_t seen = 0, same = 0;

	for (const mbedtls_x509_name *n = &crt->subject; n != NULL; n = n->next) {
		if (n->oid.p == NULL || n->oid.len != oid_len || memcmp(n->oid.p, oid, oid_len) != 0)
			continue;
		seen++;
		same += n->val.len == strlen(want) && memcmp(n->val.p, want, n->val.len) == 0;
	}
	return seen == 1 && same == 1;
}

static int judge_subject(const mbedtls_x509_crt *crt, const struct tls_trust *t, struct err *why)
{
	char cn[80], subject[128] = "";

	mbedtls_x509_dn_gets(subject, sizeof subject, &crt->subject);
	snprintf(cn, sizeof cn, "wherry %s", t->role);
	if (!subject_has(crt, MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN), cn)) {
		err_set(why, ERR_DENIED, 0,
			"the peer's certificate is for '%s', expected the role %s: do the addresses of two "
			"machines of the job stand the wrong way round?",
			subject, t->role);
		return MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED;
	}
	if (t->run != NULL && !subject_has(crt, MBEDTLS_OID_AT_ORG_UNIT,
				      MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_ORG_UNIT), t->run)) {
		err_set(why, ERR_DENIED, 0,
			"the peer's certificate is for '%s', expected run '%s': it is left over from "
			"another run",
			subject, t->run);
		return MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED;
	}
	return ACCEPTED;
}

static int judge_ca(mbedtls_x509_crt *crt, const struct tls_trust *t, struct err *why)
{
	cleanup(cleanup_crt) mbedtls_x509_crt ca;
	uint32_t flags = 0;
	int64_t now_s = t->now_s;
	int rc;

	mbedtls_x509_crt_init(&ca);
	rc = mbedtls_x509_crt_parse(&ca, (const unsigned char *)t->ca_pem, strlen(t->ca_pem) + 1);
	if (rc != 0) {
		mbed_err(why, ERR_CONFIG, rc, "the CA certificate of the job cannot be read");
		return MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA;
	}
	rc = mbedtls_x509_crt_verify_with_profile(crt, &ca, NULL, &profile, NULL, &flags, judge_time, &now_s);
	if (rc != 0) {
		explain_chain(crt, t, flags, why);
		return (flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0 ? MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED
								   : MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA;
	}
	return judge_subject(crt, t, why);
}

int tls_verdict_judge(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct tls_verdict *v = ctx;

	/* Only the leaf is judged, and from scratch: the rest of its chain by judge_ca(). */
	*flags = 0;
	if (depth > 0)
		return 0;
	for (size_t i = 0; i < v->trust_count; i++) {
		const struct tls_trust *t = &v->trust[i];

		int alert = t->kind == TLS_TRUST_PIN ? judge_pin(crt, t, &v->why) : judge_ca(crt, t, &v->why);
		if (alert != ACCEPTED) {
			v->alert = (unsigned char)alert;
			continue;
		}
		v->accepted = true;
		v->index = i;
		buf_clear(&v->spki);
		buf_add(&v->spki, crt->pk_raw.p, crt->pk_raw.len);
		return 0;
	}
	return 0;
}
