// SPDX-License-Identifier: Apache-2.0
#include "azure_credential.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "json_format.h"
#include "net/jwt.h"
#include "net/pki.h"
#include "rest.h"

#define METADATA        "http://169.254.169.254"
#define METADATA_WAIT_S 3
#define WAIT_S          60
#define AZ_WAIT_NS      (60 * NS_PER_S)
#define UNKNOWN_LIFE_S  600 /* of a token that does not say how long it lives */
#define AUDIENCES       4
#define FORM            "application/x-www-form-urlencoded"
#define BY_ASSERTION    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

extern char **environ;

struct token {
	char *audience, *text;
	int64_t until_ns; /* monotonic: then another one is asked for */
};

struct azure_credential {
	const struct kind *kind;
	char *authority;
	bool adfs;
	struct rest *rest, *metadata;
	char who[160], subscription[64];
	char no_identity[120]; /* why the metadata service knows of none; "": it is not there */
	int64_t az_wait_ns;
	struct token tokens[AUDIENCES];
};

struct kind {
	const char *by;     /* "by its secret" */
	const char *needs;  /* variable of the environment that makes it this kind; NULL: tried in order */
	/* Asks for a token. The reply holds it, or the refusal. NOT_FOUND: there is nobody to ask. */
	int (*ask)(struct azure_credential *c, const char *audience, struct rest_reply *reply, struct err *e);
};

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && v[0] != '\0' ? v : NULL;
}

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		mem_wipe(b->data, b->cap);
	buf_fini(b);
}

/* ---- Entra ID and AD FS ---- */

static char *token_url(const struct azure_credential *c)
{
	const char *tenant = env("AZURE_TENANT_ID");

	return c->adfs ? mem_printf("%s/oauth2/token", c->authority) : mem_printf("%s/%s/oauth2/v2.0/token", c->authority, tenant);
}

static int ask_authority(struct azure_credential *c, const char *audience, struct buf *form, struct rest_reply *reply,
			 struct err *e)
{
	cleanup(cleanup_free) char *url = token_url(c), *scope = mem_printf("%s/.default", audience);

	rest_form_add(form, "grant_type", "client_credentials");
	rest_form_add(form, "client_id", env("AZURE_CLIENT_ID"));
	rest_form_add(form, c->adfs ? "resource" : "scope", c->adfs ? audience : scope);
	return rest_call(c->rest, &(struct rest_call){.method = "POST", .url = url, .body = form->data, .type = FORM}, reply, e);
}

static int ask_by_secret(struct azure_credential *c, const char *audience, struct rest_reply *reply, struct err *e)
{
	cleanup(wipe) struct buf form = BUF_INIT;

	rest_form_add(&form, "client_secret", env("AZURE_CLIENT_SECRET"));
	return ask_authority(c, audience, &form, reply, e);
}

static int ask_by_assertion(struct azure_credential *c, const char *audience, const char *assertion, struct rest_reply *reply,
			    struct err *e)
{
	cleanup(wipe) struct buf form = BUF_INIT;

	rest_form_add(&form, "client_assertion_type", BY_ASSERTION);
	rest_form_add(&form, "client_assertion", assertion);
	return ask_authority(c, audience, &form, reply, e);
}

static int ask_by_certificate(struct azure_credential *c, const char *audience, struct rest_reply *reply, struct err *e)
{
	cleanup(wipe) struct buf jwt = BUF_INIT;
	cleanup(cleanup_free) char *url = token_url(c);
	uint64_t now = (uint64_t)(clock_wall_ns() / NS_PER_S);
	unsigned char random[16];
	char id[33];

	if (pki_random(random, sizeof random, e) < 0)
		return -1;
	hex_encode(random, sizeof random, id);
	cleanup(cleanup_free) char *claims = json_format("{'aud':%s,'exp':%u,'iss':%s,'jti':%s,'nbf':%u,'sub':%s}", url, now + 600,
							 env("AZURE_CLIENT_ID"), id, now - 60, env("AZURE_CLIENT_ID"));
	if (jwt_sign(env("AZURE_CLIENT_CERTIFICATE_PATH"), claims, &jwt, e) < 0)
		return err_wrap(e, "AZURE_CLIENT_CERTIFICATE_PATH");
	return ask_by_assertion(c, audience, jwt.data, reply, e);
}

static int ask_by_file(struct azure_credential *c, const char *audience, struct rest_reply *reply, struct err *e)
{
	const char *file = env("AZURE_FEDERATED_TOKEN_FILE");
	cleanup(cleanup_file) FILE *f = fopen(file, "re");
	cleanup(wipe) struct buf token = BUF_INIT;

	token.len = f != NULL ? fread(buf_reserve(&token, 65536), 1, 65535, f) : 0;
	if (token.len == 0)
		return err_set(e, ERR_CONFIG, 0, "AZURE_FEDERATED_TOKEN_FILE: %s cannot be read, or is empty", file);
	token.data[token.len] = '\0';
	token.data[strcspn(token.data, "\r\n")] = '\0';
	return ask_by_assertion(c, audience, token.data, reply, e);
}

/* ---- Managed identity ---- */

/* learn.microsoft.com "How to use managed identities ... to acquire an access token": 404, 410, 429 and 5xx are to be tried again;
 * but 404 is also what the metadata services of others say. */
static bool is_passing(int status)
{
	return status == 408 || status == 410 || rest_kind(status) == ERR_NETWORK;
}

static int ask_metadata(struct azure_credential *c, const char *audience, struct rest_reply *reply, struct err *e)
{
	static const char *const headers[] = {"Metadata: true", NULL};
	const char *host = env("AZURE_POD_IDENTITY_AUTHORITY_HOST"), *id = env("AZURE_CLIENT_ID");
	cleanup(buf_fini) struct buf url = BUF_INIT;

	buf_addf(&url, "%s/metadata/identity/oauth2/token?api-version=2018-02-01", host != NULL ? host : METADATA);
	rest_form_add(&url, "resource", audience);
	if (id != NULL)
		rest_form_add(&url, "client_id", id);
	int rc = rest_call(c->metadata, &(struct rest_call){.method = "GET", .url = url.data, .headers = headers}, reply, e);
	if (c->kind != NULL || (rc == 0 && reply->status == 200))
		return rc;
	if (rc == 0 && is_passing(reply->status))
		return err_set(e, ERR_NETWORK, 0, "whether this host has a managed identity is not known: its metadata service says %.200s (HTTP %d)",
			       rest_words(reply), reply->status);
	/* Who is not in Azure has nobody at this address, or another's service; a VM without an identity is told so. */
	if (rc == 0 && reply->status == 400)
		snprintf(c->no_identity, sizeof c->no_identity, "%s", rest_words(reply));
	return err_set(e, ERR_NOT_FOUND, 0, "there is no managed identity");
}

/* ---- az ---- */

/* What comes from fd until its end. False: that has not come before the deadline. */
static bool read_to_end(int fd, int64_t deadline_ns, struct buf *out)
{
	for (;;) {
		struct pollfd one = {.fd = fd, .events = POLLIN};
		int64_t left = deadline_ns - clock_mono_ns();
		int ready = left > 0 ? poll(&one, 1, (int)(left / NS_PER_MS) + 1) : 0;
		ssize_t n = ready > 0 ? read(fd, buf_reserve(out, 4096), 4096) : ready;

		if (n > 0)
			out->len += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return ready != 0;
	}
}

/* In a process group of its own: `az` is a script, and its children hold the pipe, too. */
static int start_az(const char *audience, int out, pid_t *pid)
{
	const char *const argv[] = {"az", "account", "get-access-token", "-o", "json", "--resource", audience, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);
	int rc = posix_spawnp(pid, argv[0], &files, &how, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* What it prints; -1 with *e untouched: it is not there, or failed. */
static int run_az(const struct azure_credential *c, const char *audience, struct buf *out, struct err *e)
{
	int ends[2], status = -1;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	int rc = start_az(audience, ends[1], &pid);
	close(ends[1]);
	bool ended = rc != 0 || read_to_end(ends[0], clock_mono_ns() + c->az_wait_ns, out);
	close(ends[0]);
	if (rc != 0)
		return -1;
	if (!ended)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!ended)
		return err_set(e, ERR_TIMEOUT, 0, "`az account get-access-token` gave no token for %lld s and was ended: does it do so when you run "
			       "it?", (long long)(c->az_wait_ns / NS_PER_S));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int ask_az(struct azure_credential *c, const char *audience, struct rest_reply *reply, struct err *e)
{
	cleanup(wipe) struct buf out = BUF_INIT;

	if (run_az(c, audience, &out, e) < 0)
		return e->kind != ERR_NONE ? -1 : err_set(e, c->kind == NULL ? ERR_NOT_FOUND : ERR_DENIED, 0,
							  "`az account get-access-token` gives no token: log in with `az login`");
	reply->status = 200;
	reply->doc = yyjson_read(buf_str(&out), out.len, 0);
	if (c->subscription[0] == '\0')
		snprintf(c->subscription, sizeof c->subscription, "%s",
			 rest_text(yyjson_doc_get_root(reply->doc), "subscription"));
	return 0;
}

/* ---- Which, and its tokens ---- */

static const struct kind kinds[] = {
	{"by its secret", "AZURE_CLIENT_SECRET", ask_by_secret},
	{"by its certificate", "AZURE_CLIENT_CERTIFICATE_PATH", ask_by_certificate},
	{"by its federated token", "AZURE_FEDERATED_TOKEN_FILE", ask_by_file},
	{"of this machine (managed identity)", NULL, ask_metadata},
	{"of `az login`", NULL, ask_az},
};

/* A number, or one as text, as the metadata service has it. */
static int64_t seconds(yyjson_val *root, const char *key)
{
	const char *text = rest_text(root, key);

	return text[0] != '\0' ? atoll(text) : (int64_t)rest_number(root, key);
}

static int refusal(const struct azure_credential *c, const struct rest_reply *r, struct err *e)
{
	enum err_kind kind = is_passing(r->status) ? ERR_NETWORK : r->status / 100 == 4 ? ERR_DENIED : rest_kind(r->status);

	return err_set(e, r->status == 200 ? ERR_PROTOCOL : kind, 0, "%s gives no token to %s: %.300s (HTTP %d%s%s)",
		       c->kind != NULL && c->kind->needs != NULL ? c->authority : "Azure", c->who, rest_words(r), r->status,
		       r->id[0] != '\0' ? ", request " : "", r->id);
}

static int take_token(struct azure_credential *c, struct token *t, const struct rest_reply *r, struct err *e)
{
	yyjson_val *root = yyjson_doc_get_root(r->doc);
	const char *text = rest_text(root, "access_token");
	int64_t life = seconds(root, "expires_in"), at = seconds(root, "expires_on");

	if (text[0] == '\0')
		text = rest_text(root, "accessToken");
	if (r->status != 200 || text[0] == '\0')
		return refusal(c, r, e);
	if (life <= 0)
		life = at > 0 ? at - clock_wall_ns() / NS_PER_S : UNKNOWN_LIFE_S;
	t->text = mem_strdup(text);
	/* A call may take minutes; of short lives a quarter is left. */
	t->until_ns = clock_mono_ns() + (life > 1200 ? life - 300 : life * 3 / 4) * NS_PER_S;
	return 0;
}

static void forget(struct token *t)
{
	if (t->text != NULL)
		mem_wipe(t->text, strlen(t->text));
	free(t->text);
	t->text = NULL;
}

static int get_token(struct azure_credential *c, const struct kind *kind, const char *audience, struct token *t, struct err *e)
{
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;

	forget(t);
	if (kind->ask(c, audience, &reply, e) < 0)
		return -1;
	return take_token(c, t, &reply, e);
}

static int is_complete(const struct azure_credential *c, const struct kind *k, struct err *e)
{
	const char *lacks = env("AZURE_CLIENT_ID") == NULL ? "AZURE_CLIENT_ID"
			    : !c->adfs && env("AZURE_TENANT_ID") == NULL ? "AZURE_TENANT_ID" : NULL;

	return lacks == NULL ? 0 : err_set(e, ERR_CONFIG, 0, "%s is set and %s is not: set it, too", k->needs, lacks);
}

static struct token *slot(struct azure_credential *c, const char *audience)
{
	for (int i = 0; i < AUDIENCES; i++) {
		struct token *t = &c->tokens[i];

		if (t->audience != NULL && strcmp(t->audience, audience) != 0 && i + 1 < AUDIENCES)
			continue;
		if (t->audience == NULL || strcmp(t->audience, audience) != 0) {
			forget(t);
			free(t->audience);
			t->audience = mem_strdup(audience);
		}
		return t;
	}
	return NULL;
}

static void name_it(struct azure_credential *c, const struct kind *k)
{
	const char *id = k->ask != ask_az ? env("AZURE_CLIENT_ID") : NULL;

	snprintf(c->who, sizeof c->who, "%s%.60s %s", id != NULL ? "client " : "the identity", id != NULL ? id : "", k->by);
}

static int choose(struct azure_credential *c, const char *audience, struct err *e)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		const struct kind *k = &kinds[i];

		if (k->needs != NULL && env(k->needs) == NULL)
			continue;
		if (k->needs != NULL && is_complete(c, k, e) < 0)
			return -1;
		name_it(c, k);
		if (k->needs != NULL)
			c->kind = k;
		if (get_token(c, k, audience, slot(c, audience), e) == 0) {
			c->kind = k;
			return 0;
		}
		if (c->kind != NULL || e->kind != ERR_NOT_FOUND)
			return -1;
		*e = (struct err)ERR_INIT;
	}
	return err_set(e, ERR_CONFIG, 0, "there are no credentials for Azure: set AZURE_TENANT_ID, AZURE_CLIENT_ID and one of "
		       "AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and AZURE_FEDERATED_TOKEN_FILE, or log in with `az login`; "
		       "this host has no managed identity, either%s%s", c->no_identity[0] != '\0' ? ": " : "", c->no_identity);
}

struct azure_credential *azure_credential_new(const struct azure_login *login, struct err *e)
{
	struct rest_options options = {.id_header = "x-ms-request-id", .timeout_s = WAIT_S, .log = login->log};
	struct azure_credential *c = mem_alloc(sizeof *c);

	c->authority = mem_strdup(login->authority);
	c->adfs = login->adfs;
	c->az_wait_ns = login->az_wait_ns != 0 ? login->az_wait_ns : AZ_WAIT_NS;
	c->rest = rest_new(&options, e);
	options.timeout_s = METADATA_WAIT_S;
	options.direct = true;
	c->metadata = c->rest != NULL ? rest_new(&options, e) : NULL;
	if (c->metadata != NULL && choose(c, login->tried_for, e) == 0)
		return c;
	azure_credential_free(c);
	return NULL;
}

void azure_credential_free(struct azure_credential *c)
{
	if (c == NULL)
		return;
	for (int i = 0; i < AUDIENCES; i++) {
		forget(&c->tokens[i]);
		free(c->tokens[i].audience);
	}
	rest_free(c->rest);
	rest_free(c->metadata);
	free(c->authority);
	free(c);
}

const char *azure_credential_token(struct azure_credential *c, const char *audience, struct err *e)
{
	struct token *t = slot(c, audience);

	if ((t->text == NULL || clock_mono_ns() >= t->until_ns) && get_token(c, c->kind, audience, t, e) < 0)
		return NULL;
	return t->text;
}

void azure_credential_renew(struct azure_credential *c)
{
	for (int i = 0; i < AUDIENCES; i++)
		forget(&c->tokens[i]);
}

const char *azure_credential_who(const struct azure_credential *c)
{
	return c->who;
}

const char *azure_credential_subscription(const struct azure_credential *c)
{
	return c->subscription;
}
