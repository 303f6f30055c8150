// SPDX-License-Identifier: Apache-2.0
/* Credentials of every kind, which cloud it is, calls, refusals and asynchronous operations. */
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/clock.h"
#include "azure_fixture.h"
#include "azure_session.h"
#include "base/cleanup.h"
#include "net/jwt.h"
#include "net/pki.h"

#define ITEM "/subscriptions/sub-1/resourceGroups/g/providers/Microsoft.Compute/disks/d"

struct world {
	struct azure_world *w;
	struct azure_session s;
	int64_t wait_ns;
};

static int set_up(void **state)
{
	struct world *t = mem_alloc(sizeof *t);

	t->w = azure_world_new();
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct world *t = *state;

	azure_session_close(&t->s);
	azure_world_free(t->w);
	free(t);
	return 0;
}

static int open_session(struct world *t, struct err *e)
{
	azure_session_close(&t->s);
	return azure_session_open(&t->s, t->w->url, "", &t->wait_ns, &t->w->log, e);
}

/* A session of the public cloud with a client's secret. */
static struct world *opened(void **state)
{
	struct world *t = *state;

	azure_world_client();
	azure_world_metadata(t->w, false, "/login");
	rest_replay_fault(t->w->cloud, "/oauth2/v2.0/token", 200, TOKEN, 0, 1000);
	ok(open_session(t, e));
	return t;
}

static const char *exe_path(char out[4096])
{
	ssize_t n = readlink("/proc/self/exe", out, 4095);

	assert_true(n > 0);
	out[n] = '\0';
	*strstr(out, "/build/") = '\0';
	strcat(out, "/tests/unit/control/azure/client.pem");
	return out;
}

/* ---- Credentials ---- */

static void open_each_credential_asks_for_a_token_with_it(void **state)
{
	struct world *t = *state;
	char *file = mem_printf("%s/federated", t->w->dir), pem[4096];
	const struct {
		const char *variable, *value, *body, *who;
	} cases[] = {
		{"AZURE_CLIENT_SECRET", CANARY "-&secret", "client_secret=" CANARY "-%26secret&grant_type=client_credentials&client_id=client-1&"
		 "scope=http%3A%2F%2F127.0.0.1%3A", "client client-1 by its secret"},
		{"AZURE_FEDERATED_TOKEN_FILE", file, "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&"
		 "client_assertion=" CANARY ".fed&grant_type=", "by its federated token"},
		{"AZURE_CLIENT_CERTIFICATE_PATH", exe_path(pem), "&client_assertion=eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsIng1dCI6",
		 "by its certificate"},
	};

	temp_write(file, CANARY ".fed\n", strlen(CANARY ".fed\n"));
	azure_world_metadata(t->w, false, "/login");
	rest_replay_fault(t->w->cloud, "POST /tenant-1/oauth2/v2.0/token", 200, TOKEN, 0, 1000);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		azure_world_client();
		unsetenv("AZURE_CLIENT_SECRET");
		setenv(cases[i].variable, cases[i].value, 1);
		ok(open_session(t, e));
		assert_has(rest_replay_body(t->w->cloud, "oauth2"), cases[i].body);
		assert_has(azure_credential_who(t->s.credential), cases[i].who);
		azure_world_clear_env();
	}
	free(file);
}

static bool is_zombie(pid_t pid)
{
	char path[40], stat[200] = "";

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	cleanup(cleanup_file) FILE *f = fopen(path, "re");
	return f == NULL || fgets(stat, sizeof stat, f) == NULL || strstr(stat, ") Z ") != NULL;
}

static void open_by_managed_identity_and_by_az(void **state)
{
	struct world *t = *state;
	char *az = mem_printf("%s/az", t->w->dir);
	static const char script[] = "#!/bin/sh\necho \"$@\" >\"${0%/*}/argv\"\n"
		"echo '{\"accessToken\":\"" CANARY "-az\",\"expires_on\":99999999999,\"subscription\":\"sub-az\"}'\n";

	azure_world_metadata(t->w, false, "/login");
	rest_replay_fault(t->w->cloud, "/metadata/identity/", 200, "{\"access_token\":\"" CANARY "-mi\",\"expires_in\":\"86399\"}", 0, 1);
	refused(open_session(t, e), ERR_CONFIG, "no subscription is named");
	assert_has(rest_replay_head(t->w->cloud, "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=http%3A%2F%2F"),
		   "Metadata: true");
	rest_replay_fault(t->w->cloud, "/metadata/identity/", 400, "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}",
			  0, 1000);
	refused(open_session(t, e), ERR_CONFIG, "this host has no managed identity, either: Identity not found");
	temp_write(az, script, sizeof script - 1);
	assert_int_equal(chmod(az, 0700), 0);
	ok(open_session(t, e));
	assert_string_equal(t->s.subscription, "sub-az");
	assert_has(azure_credential_who(t->s.credential), "of `az login`");
	free(az);
}

/* A service that is busy says nothing of whether there is an identity: `az` would be somebody else. */
static void open_each_answer_of_the_metadata_service(void **state)
{
	static const struct {
		int status;
		const char *reply;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{429, "{\"error\":\"too_many\",\"error_description\":\"slow down\"}", ERR_NETWORK, "is not known: its metadata service says slow down"},
		{410, "", ERR_NETWORK, "(HTTP 410)"},
		{503, "", ERR_NETWORK, "(HTTP 503)"},
		{404, "not here", ERR_CONFIG, "this host has no managed identity, either"},
		{401, "", ERR_CONFIG, "this host has no managed identity, either"},
		{400, "{\"error_description\":\"Identity not found\"}", ERR_CONFIG, "either: Identity not found"},
	};
	struct world *t = *state;

	azure_world_metadata(t->w, false, "/login");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unsigned before = rest_replay_seen(t->w->cloud, "/metadata/identity/"), tries = cases[i].kind == ERR_NETWORK ? 3 : 1;

		rest_replay_fault(t->w->cloud, "/metadata/identity/", cases[i].status, cases[i].reply, 0, tries);
		refused(open_session(t, e), cases[i].kind, cases[i].words);
		assert_int_equal(rest_replay_seen(t->w->cloud, "/metadata/identity/") - before, tries);
	}
	rest_replay_fault(t->w->cloud, "/metadata/identity/", 500, "", 0, 2);
	rest_replay_fault(t->w->cloud, "/metadata/identity/", 200, TOKEN, 0, 1);
	setenv("AZURE_SUBSCRIPTION_ID", "sub-1", 1);
	ok(open_session(t, e));
}

static void credential_of_an_az_that_hangs_ends_it(void **state)
{
	struct world *t = *state;
	char *az = mem_printf("%s/az", t->w->dir), *pid_file = mem_printf("%s/pid", t->w->dir), text[20];
	struct azure_login login = {.authority = t->w->url, .tried_for = "x", .az_wait_ns = 300 * NS_PER_MS, .log = &t->w->log};
	static const char script[] = "#!/bin/sh\n/bin/sleep 1000 &\necho $! >\"${0%/*}/pid\"\nwait\n";

	temp_write(az, script, sizeof script - 1);
	assert_int_equal(chmod(az, 0700), 0);
	rest_replay_fault(t->w->cloud, "/metadata/identity/", 404, "", 0, 1);
	refused(azure_credential_new(&login, e) == NULL ? -1 : 0, ERR_TIMEOUT, "gave no token for 0 s and was ended");
	/* Its child, too: whose pid file came in time is gone or on its way out. */
	cleanup(cleanup_file) FILE *f = fopen(pid_file, "re");
	if (f != NULL && fgets(text, sizeof text, f) != NULL)
		for (int i = 0; kill(atoi(text), 0) == 0 && !is_zombie(atoi(text)); i++) {
			assert_true(i < 1000);
			clock_sleep_ns(10 * NS_PER_MS);
		}
	free(pid_file);
	free(az);
}

static void open_what_is_missing_or_wrong_is_one_sentence(void **state)
{
	static const struct {
		const char *unset, *reply;
		int status;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{"AZURE_CLIENT_ID", NULL, 0, ERR_CONFIG, "AZURE_CLIENT_SECRET is set and AZURE_CLIENT_ID is not"},
		{"AZURE_TENANT_ID", NULL, 0, ERR_CONFIG, "AZURE_CLIENT_SECRET is set and AZURE_TENANT_ID is not"},
		{"AZURE_SUBSCRIPTION_ID", TOKEN, 200, ERR_CONFIG, "no subscription is named: give \"subscription_id\""},
		{"NOTHING", "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret provided.\"}", 401, ERR_DENIED,
		 "gives no token to client client-1 by its secret: AADSTS7000215: Invalid client secret provided. (HTTP 401, request req-1234)"},
		{"NOTHING", "{}", 200, ERR_PROTOCOL, "gives no token"},
		{"NOTHING", "busy", 503, ERR_NETWORK, "busy (HTTP 503"},
	};
	struct world *t = *state;

	azure_world_metadata(t->w, false, "/login");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		azure_world_client();
		unsetenv(cases[i].unset);
		if (cases[i].reply != NULL)
			rest_replay_fault(t->w->cloud, "oauth2", cases[i].status, cases[i].reply, 0, cases[i].kind == ERR_NETWORK ? 3 : 1);
		refused(open_session(t, e), cases[i].kind, cases[i].words);
	}
}

static void assertion_is_signed_by_the_certificates_key(void **state)
{
	cleanup(buf_fini) struct buf jwt = BUF_INIT, signature = BUF_INIT, claims = BUF_INIT;
	uint8_t hash[32];
	char pem[4096];
	mbedtls_x509_crt crt;

	(void)state;
	ok(jwt_sign(exe_path(pem), "{\"aud\":\"https://login/t\",\"iss\":\"client-1\"}", &jwt, e));
	char *last = strrchr(jwt.data, '.'), *first = strchr(jwt.data, '.');
	pki_sha256(jwt.data, (size_t)(last - jwt.data), hash);
	for (char *c = jwt.data; *c != '\0'; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	buf_adds(&jwt, "==");
	assert_int_equal(base64_decode(last + 1, 344, &signature), 0);
	assert_int_equal(signature.len, 256);
	assert_int_equal(base64_decode(first + 1, (size_t)(last - first - 1) / 4 * 4, &claims), 0);
	assert_has(claims.data, "{\"aud\":\"https://login/t\"");
	mbedtls_x509_crt_init(&crt);
	cleanup(cleanup_file) FILE *f = fopen(pem, "re");
	char text[8192];
	size_t n = fread(text, 1, sizeof text - 1, f);
	text[n] = '\0';
	assert_int_equal(mbedtls_x509_crt_parse(&crt, (unsigned char *)text, n + 1), 0);
	assert_int_equal(mbedtls_pk_verify(&crt.pk, MBEDTLS_MD_SHA256, hash, 32, (unsigned char *)signature.data, 256), 0);
	mbedtls_x509_crt_free(&crt);
	refused(jwt_sign("/nowhere.pem", "{}", &jwt, e), ERR_CONFIG, "/nowhere.pem cannot be read");
}

/* ---- Which cloud ---- */

static void open_of_a_hub_asks_its_adfs(void **state)
{
	struct world *t = *state;

	azure_world_client();
	unsetenv("AZURE_TENANT_ID"); /* AD FS knows none */
	unsetenv("AZURE_AUTHORITY_HOST");
	azure_world_metadata(t->w, true, "/adfs/");
	rest_replay_fault(t->w->cloud, "POST /adfs/oauth2/token", 200, TOKEN, 0, 1);
	ok(open_session(t, e));
	assert_string_equal(t->s.cloud->name, "Azure Stack Hub");
	assert_has(rest_replay_body(t->w->cloud, "/adfs/"), "&resource=https%3A%2F%2Fmanagement.adfs.hub.local%2F1234");
	refused(azure_call(&t->s, AZURE_SKUS, "GET", NULL, NULL, NULL, e, "/skus"), ERR_UNSUPPORTED, "Azure Stack Hub has no /skus");
	rest_replay_fault(t->w->cloud, "GET /x?api-version=2020-06-01", 200, "{}", 0, 1);
	ok(azure_call(&t->s, AZURE_COMPUTE, "GET", NULL, NULL, NULL, e, "/x"));
}

static void open_where_others_could_listen_is_refused(void **state)
{
	struct world *t = *state;

	azure_world_client();
	azure_world_metadata(t->w, false, "/login");
	refused(azure_session_open(&t->s, "http://192.0.2.1", "", &t->wait_ns, &t->w->log, e), ERR_CONFIG, "does not begin with https://");
	refused(azure_session_open(&t->s, "http://127.evil.example", "", &t->wait_ns, &t->w->log, e), ERR_CONFIG,
		"does not begin with https://");
	setenv("AZURE_AUTHORITY_HOST", "http://192.0.2.1", 1);
	refused(open_session(t, e), ERR_CONFIG, "http://192.0.2.1 does not begin with https://");
	unsetenv("AZURE_AUTHORITY_HOST");
	assert_int_equal(rest_replay_seen(t->w->cloud, "/token"), 0);
}

static void open_of_what_is_no_resource_manager_is_refused(void **state)
{
	struct world *t = *state;

	azure_world_client();
	rest_replay_fault(t->w->cloud, "/metadata/endpoints", 404, "{}", 0, 2);
	refused(open_session(t, e), ERR_CONFIG, "is no Azure Resource Manager: \"cloud\" is \"public\", or");
}

/* ---- Calls ---- */

static void call_each_refusal_is_a_kind_and_a_sentence(void **state)
{
#define ERROR(code, message) "{\"error\":{\"code\":\"" code "\",\"message\":\"" message "\"}}"
	static const struct {
		int status;
		const char *reply;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{404, ERROR("ResourceNotFound", "not there"), ERR_NOT_FOUND,
		 "GET " ITEM ": ResourceNotFound: not there (HTTP 404, request req-1234, correlation corr-5678)"},
		{403, ERROR("AuthorizationFailed", "does not have authorization to perform action 'x'"), ERR_DENIED, "perform action 'x'"},
		{409, ERROR("ScopeLocked", "locked"), ERR_DENIED, "ScopeLocked: locked"},
		{409, ERROR("SkuNotAvailable", "no"), ERR_NO_SPACE, "SkuNotAvailable"},
		{409, ERROR("OperationNotAllowed", "exceeding approved Total Regional Cores quota"), ERR_NO_SPACE, "Cores quota"},
		{409, ERROR("ZonalAllocationFailed", "no"), ERR_NO_SPACE, "ZonalAllocationFailed"},
		{409, ERROR("Conflict", "busy"), ERR_BUSY, "Conflict: busy"},
		{400, ERROR("NicInUse", "used"), ERR_BUSY, "NicInUse: used"},
		{400, ERROR("NicReservedForAnotherVm", "reserved"), ERR_BUSY, "reserved"},
		{429, ERROR("RetryableErrorDueToAnotherOperation", "wait"), ERR_NETWORK, "wait"},
		{400, "{\"error\":{\"code\":\"BadRequest\",\"message\":\"m\",\"details\":[{\"code\":\"QuotaExceeded\",\"message\":\"inner\"}]}}", ERR_NO_SPACE,
		 "BadRequest: m / inner"},
		{500, "", ERR_NETWORK, "it does not say why (HTTP 500"},
		{200, "<html>", ERR_PROTOCOL, "is no JSON: <html> (request req-1234)"},
	};
	struct world *t = opened(state);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		yyjson_doc *doc = NULL;

		rest_replay_answer(t->w->cloud, ITEM, cases[i].status, cases[i].status == 429 ? "Retry-After: 0\r\n" : "", cases[i].reply, 1);
		t->s.throttled_until_ns = 0;
		refused(azure_call(&t->s, AZURE_DISKS, "GET", NULL, &doc, NULL, e, "%s", ITEM), cases[i].kind, cases[i].words);
	}
	assert_has(rest_replay_head(t->w->cloud, ITEM "?api-version=2024-03-02"), "Authorization: Bearer " CANARY "-token");
}

static void call_nic_reserved_asks_for_three_minutes(void **state)
{
	struct world *t = opened(state);
	struct err e = ERR_INIT;

	rest_replay_fault(t->w->cloud, "DELETE", 400, ERROR("NicReservedForAnotherVm", "m"), 0, 1);
	azure_call(&t->s, AZURE_NETWORK, "DELETE", NULL, NULL, NULL, &e, "/n");
	assert_true(t->wait_ns > clock_mono_ns() + 170 * NS_PER_S);
}

static void call_after_a_429_is_not_made_before_its_time(void **state)
{
	struct world *t = opened(state);

	rest_replay_fault(t->w->cloud, "GET /a", 429, ERROR("TooManyRequests", "slow"), 60, 1);
	refused(azure_call(&t->s, AZURE_DISKS, "GET", NULL, NULL, NULL, e, "/a"), ERR_NETWORK, "slow");
	refused(azure_call(&t->s, AZURE_DISKS, "GET", NULL, NULL, NULL, e, "/b"), ERR_NETWORK, "asks not to be called for");
	assert_int_equal(rest_replay_seen(t->w->cloud, "GET /b"), 0);
	assert_true(t->wait_ns > clock_mono_ns() + 50 * NS_PER_S);
}

static void call_with_a_token_that_is_not_taken_gets_a_new_one(void **state)
{
	struct world *t = opened(state);
	unsigned tokens = rest_replay_seen(t->w->cloud, "oauth2");

	rest_replay_fault(t->w->cloud, ITEM, 401, ERROR("ExpiredAuthenticationToken", "expired"), 0, 1);
	rest_replay_fault(t->w->cloud, ITEM, 200, "{}", 0, 1);
	ok(azure_call(&t->s, AZURE_DISKS, "GET", NULL, NULL, NULL, e, ITEM));
	assert_int_equal(rest_replay_seen(t->w->cloud, "oauth2"), tokens + 1);
}

static void follow_each_style_ends(void **state)
{
	static const struct {
		int put;
		const char *header;
		int status;
		const char *reply;
		enum azure_progress progress;
		const char *words;
	} cases[] = {
		{201, "Azure-AsyncOperation", 200, "{\"status\":\"InProgress\"}", AZURE_RUNS, ""},
		{201, "Azure-AsyncOperation", 200, "{\"status\":\"Weird\"}", AZURE_RUNS, ""},
		{202, "Azure-AsyncOperation", 200, "{\"status\":\"Succeeded\"}", AZURE_DONE, ""},
		{202, "Azure-AsyncOperation", 200, "{\"status\":\"Failed\",\"error\":{\"code\":\"InternalServerError\",\"message\":\"m\"}}", AZURE_FAILED,
		 "the operation failed: InternalServerError: m"},
		{202, "Azure-AsyncOperation", 200, "{\"status\":\"Canceled\"}", AZURE_FAILED, "the operation failed"},
		{202, "Location", 202, "", AZURE_RUNS, ""},
		{202, "Location", 200, "{}", AZURE_DONE, ""},
		{202, "Location", 204, "", AZURE_DONE, ""},
		{202, "Location", 409, ERROR("Conflict", "m"), AZURE_FAILED, "Conflict: m"},
	};
	struct world *t = opened(state);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *header = mem_printf("%s: %s/op?x=1\r\n", cases[i].header, t->w->url);
		struct azure_operation op;
		enum azure_progress progress;
		struct err why = ERR_INIT;

		rest_replay_answer(t->w->cloud, "PUT", cases[i].put, header, "{}", 1);
		rest_replay_fault(t->w->cloud, "/op", cases[i].status, cases[i].reply, 0, 1);
		ok(azure_call(&t->s, AZURE_DISKS, "PUT", "{}", NULL, &op, e, ITEM));
		assert_non_null(op.url);
		assert_int_equal(azure_follow(&t->s, &op, &progress, NULL, &why), 0);
		assert_int_equal(progress, cases[i].progress);
		assert_has(why.msg, cases[i].words);
		azure_operation_fini(&op);
		free(header);
	}
}

static void follow_waits_as_asked_and_shows_no_token_to_others(void **state)
{
	struct world *t = opened(state);
	char *header = mem_printf("Azure-AsyncOperation: %s/op\r\nRetry-After: 30\r\n", t->w->url);
	struct azure_operation op;
	enum azure_progress progress;

	rest_replay_answer(t->w->cloud, "PUT", 202, header, "", 1);
	ok(azure_call(&t->s, AZURE_DISKS, "PUT", "{}", NULL, &op, e, ITEM));
	ok(azure_follow(&t->s, &op, &progress, NULL, e));
	assert_int_equal(progress, AZURE_RUNS);
	assert_int_equal(rest_replay_seen(t->w->cloud, "/op"), 0);
	assert_true(t->wait_ns > clock_mono_ns() + 20 * NS_PER_S);
	azure_operation_fini(&op);
	op = (struct azure_operation){.url = mem_printf("%s.evil.example/op?sig=" CANARY, t->w->url)};
	refused(azure_follow(&t->s, &op, &progress, NULL, e), ERR_PROTOCOL, "no token is sent there");
	azure_operation_fini(&op);
	free(header);
}

static int count_one(void *ctx, yyjson_val *object)
{
	(void)object;
	++*(int *)ctx;
	return 0;
}

static void list_goes_through_all_pages(void **state)
{
	struct world *t = opened(state);
	char *page = mem_printf("{\"value\":[{},{}],\"nextLink\":\"%s/list?page=2\"}", t->w->url);
	int n = 0;

	rest_replay_fault(t->w->cloud, "GET /list?api-version", 200, page, 0, 1);
	rest_replay_fault(t->w->cloud, "GET /list?page=2", 200, "{\"value\":[{}]}", 0, 1);
	ok(azure_list(&t->s, AZURE_DISKS, "/list", count_one, &n, e));
	assert_int_equal(n, 3);
	rest_replay_fault(t->w->cloud, "GET /list", 200, "{}", 0, 1);
	refused(azure_list(&t->s, AZURE_DISKS, "/list", count_one, &n, e), ERR_PROTOCOL, "answered without a list");
	free(page);
}

/* Everything above, seen by the log: never a secret, a token or a signature. */
static void log_and_errors_hold_no_secret(void **state)
{
	struct world *t = opened(state);
	char *url = mem_printf("%s/blob?sig=" CANARY, t->w->url), text[65536];
	struct err e = ERR_INIT;

	rest_replay_fault(t->w->cloud, "GET /blob", 0, "", 0, 1);
	azure_storage_call(&t->s, "GET", url, NULL, 0, 0, NULL, &e);
	assert_int_equal(e.kind, ERR_NETWORK);
	assert_null(strstr(e.msg, CANARY));
	rest_replay_answer(t->w->cloud, "GET /blob", 403, "x-ms-error-code: AuthenticationFailed\r\n", "<Error/>", 1);
	azure_storage_call(&t->s, "GET", url, NULL, 0, 0, NULL, &e);
	assert_has(e.msg, "AuthenticationFailed");
	assert_null(strstr(e.msg, CANARY));
	ssize_t n = pread(t->w->log.fd, text, sizeof text - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_has(text, "POST ");
	assert_null(strstr(text, CANARY));
	free(url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(open_each_credential_asks_for_a_token_with_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_by_managed_identity_and_by_az, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_each_answer_of_the_metadata_service, set_up, tear_down),
		cmocka_unit_test_setup_teardown(credential_of_an_az_that_hangs_ends_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_what_is_missing_or_wrong_is_one_sentence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(assertion_is_signed_by_the_certificates_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_of_a_hub_asks_its_adfs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_where_others_could_listen_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_of_what_is_no_resource_manager_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_each_refusal_is_a_kind_and_a_sentence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_nic_reserved_asks_for_three_minutes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_after_a_429_is_not_made_before_its_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_with_a_token_that_is_not_taken_gets_a_new_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(follow_each_style_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(follow_waits_as_asked_and_shows_no_token_to_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(list_goes_through_all_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(log_and_errors_hold_no_secret, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
