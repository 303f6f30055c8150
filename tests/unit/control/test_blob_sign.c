// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "blob_config.h"
#include "blob_sign.h"

/* Azurite's, published in its README. */
#define ACCOUNT "devstoreaccount1"
#define KEY     "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

static struct blob_key key_of(const char *account)
{
	struct blob_key key = {.account = account};
	struct buf bytes = BUF_INIT;

	assert_int_equal(base64_decode(KEY, strlen(KEY), &bytes), 0);
	memcpy(key.bytes, bytes.data, bytes.len);
	key.len = bytes.len;
	buf_fini(&bytes);
	return key;
}

/* The two examples of "Authorize with Shared Key". */
static void blob_string_to_sign_of_the_documented_examples_is_the_documented_one(void **state)
{
	(void)state;
	static const char *const get_headers[] = {"x-ms-date: Fri, 26 Jun 2015 23:39:12 GMT", "x-ms-version: 2015-02-21", NULL};
	static const char *const list_headers[] = {"x-ms-date: Fri, 26 Jun 2015 23:39:12 GMT", "x-ms-version:2015-02-21", NULL};
	struct blob_signed get = {.method = "GET", .path = "/mycontainer", .type = "", .if_match = "", .if_none_match = "",
				  .query = {{"comp", "metadata"}, {"restype", "container"}, {"timeout", "20"}},
				  .headers = get_headers};
	struct blob_signed list = {.method = "GET", .path = "/mycontainer", .type = "", .if_match = "", .if_none_match = "",
				   .query = {{"comp", "list"}, {"include", "metadata,snapshots,uncommittedblobs"},
					     {"maxresults", "100"}, {"restype", "container"}},
				   .headers = list_headers};
	struct buf text = BUF_INIT;

	blob_string_to_sign("myaccount", &get, &text);
	assert_string_equal(buf_str(&text), "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
			    "x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20");
	buf_clear(&text);
	blob_string_to_sign("myaccount", &list, &text);
	assert_string_equal(buf_str(&text), "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
			    "x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:list\n"
			    "include:metadata,snapshots,uncommittedblobs\nmaxresults:100\nrestype:container");
	buf_fini(&text);
}

static void blob_string_to_sign_of_a_put_has_length_type_and_conditions(void **state)
{
	(void)state;
	static const char *const headers[] = {"x-ms-blob-type: PageBlob", "x-ms-version: 2019-07-07", NULL};
	struct blob_signed put = {.method = "PUT", .path = "/acct/disks/a.vhd", .type = "application/json", .length = 11,
				  .if_match = "\"0x1\"", .if_none_match = "*", .headers = headers};
	struct buf text = BUF_INIT;

	blob_string_to_sign("acct", &put, &text);
	assert_string_equal(buf_str(&text), "PUT\n\n\n11\n\napplication/json\n\n\n\"0x1\"\n*\n\n\nx-ms-blob-type:PageBlob\n"
			    "x-ms-version:2019-07-07\n/acct/acct/disks/a.vhd");
	buf_fini(&text);
}

/* Both signatures were made with Python's hmac from the same texts; Azurite takes them. */
static void blob_authorize_and_blob_sas_sign_with_the_account_key(void **state)
{
	(void)state;
	static const char *const headers[] = {"x-ms-date: Fri, 26 Jun 2015 23:39:12 GMT", "x-ms-version: 2015-02-21", NULL};
	struct blob_signed get = {.method = "GET", .path = "/mycontainer", .type = "", .if_match = "", .if_none_match = "",
				  .query = {{"comp", "metadata"}, {"restype", "container"}, {"timeout", "20"}}, .headers = headers};
	struct blob_key mine = key_of("myaccount"), azurite = key_of(ACCOUNT);
	struct buf out = BUF_INIT;

	blob_authorize(&mine, &get, &out);
	assert_string_equal(buf_str(&out), "SharedKey myaccount:1u9lui2jDxj0+fpbHjQ5m5NnastJRSYM+PSmfi8TXx4=");
	buf_clear(&out);
	blob_sas(&azurite, "disks/a.vhd", "rw", 1795266000, 1, &out);
	assert_string_equal(buf_str(&out), "sv=2019-07-07&sr=b&sp=rw&se=2026-11-21T13%3A00%3A00Z&spr=https&"
			    "sig=8TwYyO2BGcpjhJUlC9oO3huaH43t2L7D9tmmaFYI1g0%3D");
	buf_fini(&out);
}

static void blob_encode_leaves_only_unreserved_characters(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;

	blob_encode("aZ09-._~ +/:=&?%\xc3\xa9", &out);
	assert_string_equal(buf_str(&out), "aZ09-._~%20%2B%2F%3A%3D%26%3F%25%C3%A9");
	buf_fini(&out);
}

/* ---- Who one is ---- */

static void forget_environment(void)
{
	unsetenv("AZURE_STORAGE_CONNECTION_STRING");
	unsetenv("AZURE_STORAGE_ACCOUNT");
	unsetenv("AZURE_STORAGE_KEY");
	unsetenv("AZURE_STORAGE_SAS_TOKEN");
}

static void load(struct blob_config *c, const char *account, const char *endpoint, enum err_kind want)
{
	struct err e = ERR_INIT;

	*c = (struct blob_config){.container = "disks"};
	strcpy(c->account, account);
	strcpy(c->endpoint, endpoint);
	int rc = blob_config_load(c, NULL, &e);
	assert_int_equal(e.kind, want);
	assert_int_equal(rc, want == ERR_NONE ? 0 : -1);
	assert_null(strstr(e.msg, "Eby8"));
}

static void blob_config_load_takes_what_the_environment_has(void **state)
{
	(void)state;
	struct blob_config c;

	forget_environment();
	load(&c, "acct", "", ERR_DENIED);
	setenv("AZURE_STORAGE_KEY", KEY, 1);
	load(&c, "acct", "", ERR_NONE);
	assert_string_equal(c.endpoint, "https://acct.blob.core.windows.net");
	assert_int_equal(c.key.len, 64);
	load(&c, "", "", ERR_CONFIG);
	setenv("AZURE_STORAGE_ACCOUNT", "other", 1);
	load(&c, "", "", ERR_NONE);
	assert_string_equal(c.account, "other");
	setenv("AZURE_STORAGE_KEY", "not a key " KEY, 1);
	load(&c, "acct", "", ERR_CONFIG);
	unsetenv("AZURE_STORAGE_KEY");
	setenv("AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=x", 1);
	load(&c, "acct", "", ERR_NONE);
	assert_string_equal(c.token, "sv=1&sig=x");
	blob_config_fini(&c);
	forget_environment();
}

static void blob_config_load_reads_connection_strings(void **state)
{
	(void)state;
	struct blob_config c;

	forget_environment();
	setenv("AZURE_STORAGE_CONNECTION_STRING", "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=" KEY
	       ";EndpointSuffix=local.azurestack.external", 1);
	load(&c, "", "", ERR_NONE);
	assert_string_equal(c.account, "acct");
	assert_string_equal(c.endpoint, "https://acct.blob.local.azurestack.external");
	assert_int_equal(c.key.len, 64);
	load(&c, "acct", "https://elsewhere/", ERR_NONE);
	assert_string_equal(c.endpoint, "https://elsewhere");
	load(&c, "another", "", ERR_CONFIG);
	setenv("AZURE_STORAGE_CONNECTION_STRING", "BlobEndpoint=https://h/;SharedAccessSignature=sv=1&sig=a%3D;AccountName=acct", 1);
	load(&c, "", "", ERR_NONE);
	assert_string_equal(c.token, "sv=1&sig=a%3D");
	assert_string_equal(c.endpoint, "https://h");
	blob_config_fini(&c);
	setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=acct", 1);
	load(&c, "", "", ERR_CONFIG);
	forget_environment();
}

static void blob_config_load_refuses_plain_http_but_on_this_host(void **state)
{
	(void)state;
	static const struct {
		const char *endpoint;
		enum err_kind want;
	} cases[] = {
		{"http://127.0.0.1:10000/acct", ERR_NONE}, {"http://localhost:10000/acct", ERR_NONE}, {"http://[::1]:1/acct", ERR_NONE},
		{"http://localhost.example/acct", ERR_CONFIG}, {"http://10.0.0.1/acct", ERR_CONFIG}, {"ftp://127.0.0.1", ERR_CONFIG},
		{"https://a.example?sig=x", ERR_CONFIG}, {"https://a.example", ERR_NONE},
	};
	struct blob_config c;

	forget_environment();
	setenv("AZURE_STORAGE_KEY", KEY, 1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		load(&c, "acct", cases[i].endpoint, cases[i].want);
	forget_environment();
}

static void blob_replace_host_keeps_port_and_path(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"https://127.0.0.1:10000/acct", "https://10.0.2.2:10000/acct"},
		{"https://[::1]:10000/acct", "https://10.0.2.2:10000/acct"},
		{"https://localhost", "https://10.0.2.2"},
	};
	char out[128];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(blob_is_loopback(cases[i][0]));
		blob_replace_host(cases[i][0], "10.0.2.2", out, sizeof out);
		assert_string_equal(out, cases[i][1]);
	}
	assert_false(blob_is_loopback("https://localhosts.example/"));
	assert_false(blob_is_loopback("https://acct.blob.core.windows.net"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blob_string_to_sign_of_the_documented_examples_is_the_documented_one),
		cmocka_unit_test(blob_string_to_sign_of_a_put_has_length_type_and_conditions),
		cmocka_unit_test(blob_authorize_and_blob_sas_sign_with_the_account_key),
		cmocka_unit_test(blob_encode_leaves_only_unreserved_characters),
		cmocka_unit_test(blob_config_load_takes_what_the_environment_has),
		cmocka_unit_test(blob_config_load_reads_connection_strings),
		cmocka_unit_test(blob_config_load_refuses_plain_http_but_on_this_host),
		cmocka_unit_test(blob_replace_host_keeps_port_and_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
