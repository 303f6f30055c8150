// SPDX-License-Identifier: Apache-2.0
/* Making certificates: X.509 v3 (RFC 5280), ECDSA P-256 with SHA-256. */
#include <mbedtls/psa_util.h>
#include <mbedtls/x509_crt.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/mbed.h"
#include "net/pki.h"

#define PEM_MAX     4096
#define NAME_LIMIT  100 /* of one part of a subject; escaped, mbedTLS takes 255 */
#define FIVE_YEARS  (INT64_C(5) * 365 * 24 * 3600)
#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

struct plan {
	const char *subject, *issuer;
	mbedtls_pk_context *subject_key, *issuer_key;
	int64_t not_before, not_after;
	bool ca;
};

static void cleanup_write(mbedtls_x509write_cert *w)
{
	mbedtls_x509write_crt_free(w);
}

static void cleanup_crt(mbedtls_x509_crt *crt)
{
	mbedtls_x509_crt_free(crt);
}

static void cleanup_pk(mbedtls_pk_context *pk)
{
	mbedtls_pk_free(pk);
}

/* `value` as RFC 4514 writes it, so that a job's name cannot add parts to a subject. */
static int add_name(struct buf *to, const char *value, struct err *e)
{
	if (value[0] == '\0' || strlen(value) > NAME_LIMIT)
		return err_set(e, ERR_CONFIG, 0, "a name in a certificate has 1 to %d characters, not %zu",
			NAME_LIMIT, strlen(value));
	for (const char *at = value; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e)
			return err_set(e, ERR_CONFIG, 0,
				"a name in a certificate has a character that is not printable "
				"ASCII, at position %zu",
				(size_t)(at - value) + 1);
		if (strchr(",=+<>#;\"\\", *at) != NULL || (*at == ' ' && (at == value || at[1] == '\0')))
			buf_adds(to, "\\");
		buf_add(to, at, 1);
	}
	return 0;
}

static int format_time(int64_t s, char out[15], struct err *e)
{
	time_t t = (time_t)s;
	struct tm tm;

	if (s < 0 || s > LAST_SECOND || gmtime_r(&t, &tm) == NULL ||
		strftime(out, 15, "%Y%m%d%H%M%S", &tm) != 14)
		return err_set(e, ERR_CONFIG, 0, "a certificate cannot be valid at second %lld since 1970",
			(long long)s);
	return 0;
}

static int fill(mbedtls_x509write_cert *w, const struct plan *p, struct err *e)
{
	unsigned char serial[16];
	char from[15], to[15];
	int rc;

	if (p->not_before > p->not_after)
		return err_set(e, ERR_CONFIG, 0, "a certificate would end before it begins");
	if (format_time(p->not_before, from, e) < 0 || format_time(p->not_after, to, e) < 0 ||
		pki_random(serial, sizeof serial, e) < 0)
		return -1;
	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive and of full length */
	mbedtls_x509write_crt_set_version(w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(w, p->subject_key);
	mbedtls_x509write_crt_set_issuer_key(w, p->issuer_key);
	if ((rc = mbedtls_x509write_crt_set_serial_raw(w, serial, sizeof serial)) != 0 ||
		(rc = mbedtls_x509write_crt_set_subject_name(w, p->subject)) != 0 ||
		(rc = mbedtls_x509write_crt_set_issuer_name(w, p->issuer)) != 0 ||
		(rc = mbedtls_x509write_crt_set_validity(w, from, to)) != 0 ||
		(rc = mbedtls_x509write_crt_set_basic_constraints(w, p->ca, p->ca ? 0 : -1)) != 0 ||
		(rc = mbedtls_x509write_crt_set_key_usage(w,
			 p->ca ? MBEDTLS_X509_KU_KEY_CERT_SIGN : MBEDTLS_X509_KU_DIGITAL_SIGNATURE)) != 0 ||
		(rc = mbedtls_x509write_crt_set_subject_key_identifier(w)) != 0 ||
		(rc = mbedtls_x509write_crt_set_authority_key_identifier(w)) != 0)
		return mbed_err(e, ERR_INTERNAL, rc, "cannot make the certificate '%s'", p->subject);
	return 0;
}

static int make(const struct plan *p, struct buf *pem, struct err *e)
{
	cleanup(cleanup_write) mbedtls_x509write_cert w;
	unsigned char text[PEM_MAX];

	mbedtls_x509write_crt_init(&w);
	if (fill(&w, p, e) < 0)
		return -1;
	int rc = mbedtls_x509write_crt_pem(
		&w, text, sizeof text, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (rc != 0)
		return mbed_err(e, ERR_INTERNAL, rc, "cannot sign the certificate '%s'", p->subject);
	buf_adds(pem, (char *)text);
	return 0;
}

int pki_cert_self(struct pki_key *k, const char *name, struct buf *pem, struct err *e)
{
	cleanup(buf_fini) struct buf subject = BUF_INIT;
	int64_t now = clock_wall_ns() / NS_PER_S;

	buf_adds(&subject, "CN=");
	if (mbed_start(e) < 0 || add_name(&subject, name, e) < 0)
		return -1;
	const struct plan p = {
		.subject = buf_str(&subject),
		.issuer = buf_str(&subject),
		.subject_key = &k->pk,
		.issuer_key = &k->pk,
		.not_before =
			now > FIVE_YEARS ? now - FIVE_YEARS : 0, /* a new machine's clock may say 1970 */
		.not_after = now > 0 ? now + FIVE_YEARS : FIVE_YEARS,
	};

	return make(&p, pem, e);
}

int pki_ca_new(struct pki_key *k, const char *job, int64_t not_before, int64_t not_after, struct buf *pem,
	struct err *e)
{
	cleanup(buf_fini) struct buf subject = BUF_INIT;

	buf_adds(&subject, "CN=wherry job ");
	if (mbed_start(e) < 0 || add_name(&subject, job, e) < 0)
		return -1;
	const struct plan p = {
		.subject = buf_str(&subject),
		.issuer = buf_str(&subject),
		.subject_key = &k->pk,
		.issuer_key = &k->pk,
		.not_before = not_before,
		.not_after = not_after,
		.ca = true,
	};

	return make(&p, pem, e);
}

static int leaf_subject(const char *role, const char *run, struct buf *subject, struct err *e)
{
	if (strcmp(role, "controller") != 0 && strcmp(role, "source") != 0 && strcmp(role, "target") != 0)
		return err_set(e, ERR_INTERNAL, 0,
			"'%.40s' is no role: expected controller, source or target", role);
	buf_addf(subject, "CN=wherry %s,OU=", role);
	return add_name(subject, run, e);
}

/* The CA's own name, and whether `ca_key` is really its key. */
static int read_ca(struct pki_key *ca_key, const char *ca_pem, char *issuer, size_t size, struct err *e)
{
	cleanup(cleanup_crt) mbedtls_x509_crt ca;
	int rc;

	mbedtls_x509_crt_init(&ca);
	if ((rc = mbedtls_x509_crt_parse(&ca, (const unsigned char *)ca_pem, strlen(ca_pem) + 1)) != 0)
		return mbed_err(e, ERR_CORRUPT, rc, "the job's CA certificate cannot be read");
	if (mbedtls_pk_check_pair(&ca.pk, &ca_key->pk, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) != 0)
		return err_set(e, ERR_CONFIG, 0,
			"the job's CA certificate belongs to another key than the given one");
	rc = mbedtls_x509_dn_gets(issuer, size, &ca.subject);
	return rc < 0 ? mbed_err(e, ERR_INTERNAL, rc, "the name of the job's CA is too long") : 0;
}

int pki_issue(struct pki_key *ca_key, const char *ca_pem, const void *spki, size_t spki_len, const char *role,
	const char *run, int64_t not_before, int64_t not_after, struct buf *pem, struct err *e)
{
	cleanup(cleanup_pk) mbedtls_pk_context subject_key;
	cleanup(buf_fini) struct buf subject = BUF_INIT;
	char issuer[512];

	mbedtls_pk_init(&subject_key);
	if (mbed_start(e) < 0 || leaf_subject(role, run, &subject, e) < 0 ||
		read_ca(ca_key, ca_pem, issuer, sizeof issuer, e) < 0)
		return -1;
	int rc = mbedtls_pk_parse_public_key(&subject_key, spki, spki_len);
	if (rc != 0)
		return mbed_err(e, ERR_PROTOCOL, rc, "the public key of the %s cannot be read", role);
	if (mbedtls_pk_get_type(&subject_key) != MBEDTLS_PK_ECKEY ||
		mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(subject_key)) != MBEDTLS_ECP_DP_SECP256R1)
		return err_set(e, ERR_PROTOCOL, 0,
			"the public key of the %s is not an elliptic curve P-256 key", role);
	const struct plan p = {
		.subject = buf_str(&subject),
		.issuer = issuer,
		.subject_key = &subject_key,
		.issuer_key = &ca_key->pk,
		.not_before = not_before,
		.not_after = not_after,
	};

	return make(&p, pem, e);
}
