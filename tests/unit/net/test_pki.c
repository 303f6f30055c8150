// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/mem.h"
#include "net/net_fixture.h"

/* Made by `openssl ecparam -name prime256v1 -genkey`; the pin by `openssl ec -pubout -outform DER |
 * sha256sum`. */
static const char known_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
				"MHcCAQEEIGUJEHHXe/FDgewDz8Kf1HTy8y9p58LLKsAgy2IJWYRioAoGCCqGSM49\n"
				"AwEHoUQDQgAERw2dHoGn6mstZ0uNTl0P9rJUyvfAsM+U7gsK7TlHAJZQDHwI1Z5w\n"
				"s7iBgGsxv+P3kfz9gMYboksGhT1favLirQ==\n"
				"-----END EC PRIVATE KEY-----\n";
static const char known_pin[] = "63c05ec511e7cfc497fa20f26b4908c795aa0286fb82b59eb9dfab256153e402";

/* Made by `openssl ecparam -name secp384r1 -genkey`. */
static const char p384_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
			       "MIGkAgEBBDDh02SV9aa+93aGcdjT2c4Njj+WaHjPsb61084he1mXeWOZd+toStRL\n"
			       "dprkfDSL4tCgBwYFK4EEACKhZANiAASgIZXTIs0tHt+pc2fsQ7BoSvhv8ctQIedP\n"
			       "4pvlzG/jAOYuehDS5FGe+nrnPrDEu6TAn2/fKOKDq7h19vyRLJoVBi5TpYyubHOR\n"
			       "Wzd5pgXxLWYksKd+D8t1YLo+hyVb7J0=\n"
			       "-----END EC PRIVATE KEY-----\n";

static char *folder_new(void)
{
	char name[] = "/tmp/test_pki.XXXXXX";

	assert_non_null(mkdtemp(name));
	return mem_strdup(name);
}

static void folder_free(char *folder)
{
	char *command = mem_printf("rm -rf '%s'", folder);

	assert_int_equal(system(command), 0);
	free(command);
	free(folder);
}

static void put_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_same_key(struct pki_key *a, struct pki_key *b)
{
	uint8_t pin_a[PKI_PIN_SIZE], pin_b[PKI_PIN_SIZE];
	struct err e = ERR_INIT;

	assert_done(pki_key_pin(a, pin_a, &e), &e);
	assert_done(pki_key_pin(b, pin_b, &e), &e);
	assert_memory_equal(pin_a, pin_b, sizeof pin_a);
}

static void pki_sha256_abc_as_in_fips_180(void **state)
{
	uint8_t got[32];
	char hex[65];

	(void)state;
	assert_int_equal(pki_sha256("abc", 3, got), 0);
	assert_string_equal(
		hex_encode(got, 32, hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void pki_key_pin_known_key_as_openssl_says(void **state)
{
	struct err e = ERR_INIT;
	struct pki_key *k = pki_key_from_pem(known_key, &e);
	uint8_t pin[PKI_PIN_SIZE];
	char hex[2 * PKI_PIN_SIZE + 1];

	(void)state;
	assert_non_null(k);
	assert_done(pki_key_pin(k, pin, &e), &e);
	assert_string_equal(hex_encode(pin, sizeof pin, hex), known_pin);
	pki_key_free(k);
}

static void pki_key_to_pem_and_back_same_key(void **state)
{
	struct err e = ERR_INIT;
	struct pki_key *k = pki_key_new(&e), *other = pki_key_new(&e);
	struct buf pem = BUF_INIT;
	uint8_t a[PKI_PIN_SIZE], b[PKI_PIN_SIZE];

	(void)state;
	assert_done(pki_key_to_pem(k, &pem, &e), &e);
	struct pki_key *back = pki_key_from_pem(pem.data, &e);
	assert_non_null(back);
	assert_same_key(k, back);
	assert_done(pki_key_pin(k, a, &e), &e);
	assert_done(pki_key_pin(other, b, &e), &e);
	assert_memory_not_equal(a, b, sizeof a);
	pki_key_free(k);
	pki_key_free(other);
	pki_key_free(back);
	pki_key_free(NULL);
	buf_fini(&pem);
}

static void pki_key_from_pem_not_p256_config(void **state)
{
	static const char *const bad[] = {
		"", "hello", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_null(pki_key_from_pem(bad[i], &e));
		assert_kind(&e, ERR_CONFIG);
	}
	assert_null(pki_key_from_pem(p384_key, &e));
	assert_kind(&e, ERR_CONFIG);
	assert_says(&e, "P-256");
}

static void pki_random_long_and_never_the_same(void **state)
{
	uint8_t a[5000] = {0}, b[5000] = {0};
	struct err e = ERR_INIT;

	(void)state;
	assert_done(pki_random(a, sizeof a, &e), &e);
	assert_done(pki_random(b, sizeof b, &e), &e);
	for (size_t at = 0; at < sizeof a; at += 1000)
		assert_memory_not_equal(a + at, b + at, 1000);
}

/* ---- Certificates ---- */

static void pki_issue_wrong_input_refused(void **state)
{
	struct fx_ca ca = fx_ca("web1"), other = fx_ca("web2");
	struct err e = ERR_INIT;
	struct buf spki = BUF_INIT, out = BUF_INIT;

	(void)state;
	assert_done(pki_key_spki(other.key, &spki, &e), &e);
	const struct {
		struct pki_key *key;
		const char *ca, *role, *run, *says;
		size_t spki_len;
		int64_t from, to;
	} bad[] = {
		{ca.key, ca.pem.data, "root", "r", "is no role", spki.len, 1, 2},
		{ca.key, ca.pem.data, "source", "", "1 to", spki.len, 1, 2},
		{ca.key, ca.pem.data, "source", "a\nb", "printable", spki.len, 1, 2},
		{ca.key, other.pem.data, "source", "r", "another key", spki.len, 1, 2},
		{ca.key, "nonsense", "source", "r", "CA certificate cannot be read", spki.len, 1, 2},
		{ca.key, ca.pem.data, "source", "r", "public key of the source", spki.len - 1, 1, 2},
		{ca.key, ca.pem.data, "source", "r", "public key of the source", 0, 1, 2},
		{ca.key, ca.pem.data, "source", "r", "end before it begins", spki.len, 2, 1},
		{ca.key, ca.pem.data, "source", "r", "cannot be valid at", spki.len, -1, 1},
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(pki_issue(bad[i].key, bad[i].ca, spki.data, bad[i].spki_len, bad[i].role,
					 bad[i].run, bad[i].from, bad[i].to, &out, &e),
			-1);
		assert_says(&e, bad[i].says);
		assert_int_equal(out.len, 0);
	}
	buf_fini(&spki);
	fx_ca_fini(&ca);
	fx_ca_fini(&other);
}

/* Another tool's word on our certificates: they verify, and say who and when. */
static void pki_issue_openssl_verifies(void **state)
{
	char *folder = folder_new(), *command, text[4096] = "";
	struct fx_ca ca = fx_ca("a,b=c + \"d\"");
	struct fx_side leaf = fx_enrolled(&ca, "target", "run,OU=other");

	(void)state;
	if (system("openssl version >/dev/null 2>&1") != 0) {
		print_message("skipped: openssl is not installed\n");
		skip();
	}
	char *path = mem_printf("%s/ca", folder);
	put_file(path, ca.pem.data, 0600);
	free(path);
	path = mem_printf("%s/leaf", folder);
	put_file(path, leaf.cert.data, 0600);
	free(path);
	command = mem_printf(
		"cd '%s' && openssl verify -x509_strict -check_ss_sig -attime %lld -CAfile ca leaf 2>&1 && "
		"openssl x509 -in leaf -noout -subject -issuer -startdate -nameopt RFC2253 -ext keyUsage",
		folder, (long long)FX_NOW);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	pclose(f);
	if (strstr(text, "leaf: OK") == NULL ||
		strstr(text, "subject=OU=run\\,OU=other,CN=wherry target") == NULL ||
		strstr(text, "issuer=CN=wherry job a\\,b=c \\+ \\\"d\\\"") == NULL ||
		strstr(text, "notBefore=Jan 15 07:00:00 2027 GMT") == NULL ||
		strstr(text, "Digital Signature") == NULL)
		fail_msg("openssl says: %s", text);
	free(command);
	fx_side_fini(&leaf);
	fx_ca_fini(&ca);
	folder_free(folder);
}

/* ---- Files ---- */

static void pki_key_load_or_make_made_once_then_loaded(void **state)
{
	char *folder = folder_new(), *path = mem_printf("%s/key", folder);
	struct err e = ERR_INIT;
	struct pki_key *a = pki_key_load_or_make(path, &e);
	struct stat st;

	(void)state;
	if (a == NULL)
		fail_msg("%s", e.msg);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1); /* no temporary name left */
	struct pki_key *b = pki_key_load_or_make(path, &e);
	assert_non_null(b);
	assert_same_key(a, b);
	pki_key_free(a);
	pki_key_free(b);
	free(path);
	folder_free(folder);
}

static void pki_key_load_or_make_bad_file_refused_and_kept(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		enum err_kind kind;
		const char *says;
	} bad[] = {
		{known_key, 0640, ERR_REFUSED, "chmod 600"},
		{known_key, 0604, ERR_REFUSED, "mode 0604"},
		{known_key, 0620, ERR_REFUSED, "others may read"},
		{"", 0600, ERR_CORRUPT, "damaged"},
		{"hello", 0600, ERR_CORRUPT, "damaged"},
		{p384_key, 0600, ERR_CORRUPT, "P-256"},
	};
	char *folder = folder_new(), *path = mem_printf("%s/key", folder), text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err e = ERR_INIT;

		put_file(path, bad[i].text, bad[i].mode);
		assert_null(pki_key_load_or_make(path, &e));
		assert_kind(&e, bad[i].kind);
		assert_says(&e, bad[i].says);
		assert_says(&e, path);
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, text, sizeof text - 1);
		close(fd);
		assert_true(n >= 0);
		text[n] = '\0';
		assert_string_equal(text, bad[i].text);
	}
	free(path);
	folder_free(folder);
}

static void pki_key_load_or_make_bad_place_error(void **state)
{
	char *folder = folder_new(), *path = mem_printf("%s/missing/key", folder);
	struct err e = ERR_INIT;

	(void)state;
	assert_null(pki_key_load_or_make(path, &e));
	assert_kind(&e, ERR_NOT_FOUND);
	assert_says(&e, path);
	assert_null(pki_key_load_or_make(folder, &e));
	assert_kind(&e, ERR_REFUSED);
	free(path);
	folder_free(folder);
}

static void *load_or_make(void *path)
{
	struct err e = ERR_INIT;

	return pki_key_load_or_make(path, &e);
}

static void pki_key_load_or_make_together_one_key(void **state)
{
	char *folder = folder_new(), *path = mem_printf("%s/key", folder);
	pthread_t thread[4];
	void *key[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, load_or_make, path), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], &key[i]);
		assert_non_null(key[i]);
		assert_same_key(key[0], key[i]);
	}
	for (int i = 0; i < 4; i++)
		pki_key_free(key[i]);
	free(path);
	folder_free(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pki_sha256_abc_as_in_fips_180),
		cmocka_unit_test(pki_key_pin_known_key_as_openssl_says),
		cmocka_unit_test(pki_key_to_pem_and_back_same_key),
		cmocka_unit_test(pki_key_from_pem_not_p256_config),
		cmocka_unit_test(pki_random_long_and_never_the_same),
		cmocka_unit_test(pki_issue_wrong_input_refused),
		cmocka_unit_test(pki_issue_openssl_verifies),
		cmocka_unit_test(pki_key_load_or_make_made_once_then_loaded),
		cmocka_unit_test(pki_key_load_or_make_bad_file_refused_and_kept),
		cmocka_unit_test(pki_key_load_or_make_bad_place_error),
		cmocka_unit_test(pki_key_load_or_make_together_one_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
