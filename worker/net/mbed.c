// SPDX-License-Identifier: Apache-2.0
#include "net/mbed.h"

#include <mbedtls/error.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <psa/crypto.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

static void list_ciphersuites(void)
{
	mbedtls_ssl_list_ciphersuites();
}

int mbed_start(struct err *e)
{
	/* mbedTLS makes this list at its first use, and without a lock: two first handshakes at once would race. */
	static pthread_once_t listed = PTHREAD_ONCE_INIT;

	pthread_once(&listed, list_ciphersuites);
	psa_status_t status = psa_crypto_init();

	if (status != PSA_SUCCESS)
		return err_set(e, ERR_INTERNAL, 0,
			"mbedTLS cannot start (PSA status %d): does the kernel offer random "
			"numbers?",
			(int)status);
	return 0;
}

int mbed_err(struct err *e, enum err_kind kind, int code, const char *fmt, ...)
{
	char what[sizeof e->msg / 2], why[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	mbedtls_strerror(code, why, sizeof why);
	return err_set(e, kind, 0, "%s: %s (mbedTLS -0x%04x)", what, why, (unsigned)-code);
}

int mbed_key_copy(mbedtls_pk_context *to, const mbedtls_pk_context *from, struct err *e)
{
	unsigned char der[256]; /* of a P-256 key: 121 bytes */
	int n = mbedtls_pk_write_key_der(from, der, sizeof der), rc = n;

	if (n > 0) /* mbedTLS writes at the buffer's end */
		rc = mbedtls_pk_parse_key(to, der + sizeof der - n, (size_t)n, NULL, 0,
			mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	mem_wipe(der, sizeof der);
	if (rc < 0)
		return mbed_err(e, ERR_INTERNAL, rc, "cannot copy a private key");
	return 0;
}
