// SPDX-License-Identifier: Apache-2.0
/* The driver against what a real cloud said (openstack/read.txt), and against what clouds say when they refuse. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "config.h"
#include "openstack_fixture.h"
#include "places.h"

#define PROJECT  "8d1aff806790464497953ef6d5914827"
#define ROOT_VOL "505539c6-38b7-4aef-9105-6809b4e88a9c"
#define DATA_VOL "38511e52-ab25-4d7f-8d43-5665c5ada2d6"
#define TAGS     "wherry1 o=me j=web1 r=run1 e=3 p=%s x=0 g=0 d=0 n=%s"

static int set_up(void **state)
{
	return set_up_with(state, "read.txt");
}

/* ---- Logging in ---- */

static void open_each_credential_asks_for_a_token_with_it(void **state)
{
	static const struct {
		const char *auth, *body;
	} cases[] = {
		{MOVER, "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":{\"user\":{\"name\":\"mover\",\"domain\":{\"name\":"
			"\"Default\"},\"password\":\"hush\"}}},\"scope\":{\"project\":{\"name\":\"lab\",\"domain\":{\"name\":\"Default\"}}}}}"},
		{"      user_id: u1\n      password: hush\n      project_id: p1\n",
		 "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":{\"user\":{\"id\":\"u1\",\"password\":\"hush\"}}},"
		 "\"scope\":{\"project\":{\"id\":\"p1\"}}}}"},
		{"      application_credential_id: a1\n      application_credential_secret: hush\n",
		 "{\"auth\":{\"identity\":{\"methods\":[\"application_credential\"],\"application_credential\":{\"id\":\"a1\","
		 "\"secret\":\"hush\"}}}}"},
		{"      application_credential_name: mine\n      application_credential_secret: hush\n      username: mover\n"
		 "      user_domain_id: d1\n",
		 "{\"auth\":{\"identity\":{\"methods\":[\"application_credential\"],\"application_credential\":{\"name\":\"mine\","
		 "\"user\":{\"name\":\"mover\",\"domain\":{\"id\":\"d1\"}},\"secret\":\"hush\"}}}}"},
		{"      token: hush\n      project_id: p1\n",
		 "{\"auth\":{\"identity\":{\"methods\":[\"token\"],\"token\":{\"id\":\"hush\"}},\"scope\":{\"project\":{\"id\":\"p1\"}}}}"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ok(open_with(w, cases[i].auth, "", e));
		assert_string_equal(rest_replay_body(w->cloud, "POST /5000/v3/auth/tokens"), cases[i].body);
		assert_has(w->p->place, "openstack project lab at http://127.0.0.1:");
		provider_close(w->p);
		w->p = NULL;
	}
}

static void open_what_is_missing_or_wrong_is_one_sentence(void **state)
{
	static const struct {
		const char *auth, *more;
		int status;
		const char *reply;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{"      password: hush\n", "", 0, NULL, ERR_CONFIG, "lack username"},
		{"      username: mover\n      project_name: lab\n", "", 0, NULL, ERR_CONFIG, "lack password"},
		{"      username: mover\n      password: hush\n", "", 0, NULL, ERR_CONFIG, "lack project_name"},
		{"      application_credential_secret: hush\n", "", 0, NULL, ERR_CONFIG, "lack application_credential_id"},
		{MOVER, ",\"region\":\"moon\"", 0, NULL, ERR_CONFIG, "in region moon: its regions are regionOne"},
		{MOVER, "", 401, "{\"error\":{\"code\":401,\"message\":\"The request you have made requires authentication.\"}}",
		 ERR_DENIED, "does not accept mover: wrong password, unknown, expired or without a role in the project (request req-1234)"},
		{MOVER, "", 200, "<html>hello</html>", ERR_PROTOCOL, "is no keystone"},
		{MOVER, "", 201, "{\"token\":{\"catalog\":[]}}", ERR_CONFIG, "for no project"},
		{MOVER, "", 201, "{\"token\":{\"project\":{\"id\":\"x\"},\"catalog\":[]}}", ERR_CONFIG, "lacks the compute service"},
		{MOVER, "", 503, "busy", ERR_NETWORK, "logging in to keystone: busy (HTTP 503, request req-1234)"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (cases[i].reply != NULL)
			rest_replay_fault(w->cloud, "/auth/tokens", cases[i].status, cases[i].reply, 0, 1);
		refused(open_with(w, cases[i].auth, cases[i].more, e), cases[i].kind, cases[i].words);
	}
}

static void open_clouds_yaml_that_lacks_the_cloud_lists_those_it_has(void **state)
{
	struct world *w = *state;
	char *path = mem_printf("%s/clouds.yaml", w->dir);

	temp_write(path, "clouds:\n  a: {}\n  b: {}\n", 24);
	char *block = mem_printf("{\"provider\":\"openstack\",\"cloud\":\"lab\",\"clouds_file\":\"%s\"}", path);
	struct json_doc *doc = json_parse(block, strlen(block), "job", &(struct err)ERR_INIT);
	struct json_at at = json_root(doc);
	struct err e = ERR_INIT;

	assert_null(provider_openstack_ops.open(&at, &w->log, &e));
	assert_has(e.msg, "has no cloud \"lab\": it has \"a\", \"b\"");
	temp_write(path, "clouds: [\n", 10);
	e = (struct err)ERR_INIT;
	at = json_root(doc);
	assert_null(provider_openstack_ops.open(&at, &w->log, &e));
	assert_has(e.msg, "this is not YAML");
	json_free(doc);
	free(block);
	free(path);
}

/* Two regions; an address whose host looks like a version. */
static void open_each_catalogue_chooses_or_asks(void **state)
{
#define ENDPOINT(region, url) "{\"interface\":\"public\",\"region_id\":\"" region "\",\"url\":\"" url "\"}"
#define SERVICE(type, endpoints) "{\"type\":\"" type "\",\"endpoints\":[" endpoints "]}"
#define ALL(endpoints) "{\"token\":{\"project\":{\"id\":\"x\",\"name\":\"lab\"},\"catalog\":[" SERVICE("compute", endpoints) "," \
	SERVICE("volumev3", endpoints) "," SERVICE("image", endpoints) "," SERVICE("network", endpoints) "]}}"
	static const char two[] = ALL(ENDPOINT("regionOne", "http://v3.example/x") "," ENDPOINT("b", "http://b/v3/x/"));
	struct world *w = *state;

	rest_replay_fault(w->cloud, "/auth/tokens", 201, two, 0, 2);
	ok(open_with(w, MOVER, "", e));
	assert_has(w->p->identity, "project x at http://v3.example/x/v3");
	provider_close(w->p);
	ok(open_with(w, MOVER, ",\"region\":\"b\"", e));
	assert_has(w->p->identity, "project x at http://b/v3/x");
	provider_close(w->p);
	w->p = NULL;
	rest_replay_fault(w->cloud, "/auth/tokens", 201,
			  ALL(ENDPOINT("a", "http://a") "," ENDPOINT("b", "http://b")), 0, 1);
	refused(open_with(w, MOVER, ",\"region\":\"c\"", e), ERR_CONFIG, "in region c: its regions are a, b");
}

static void open_from_the_environment_and_secure_yaml(void **state)
{
	struct world *w = *state;
	char *url = mem_printf("http://127.0.0.1:%d/5000/v3/", rest_replay_port(w->cloud));
	char *secure = mem_printf("%s/secure.yaml", w->dir);
	struct json_doc *doc = json_parse("{\"provider\":\"openstack\"}", 24, "job", &(struct err)ERR_INIT);
	struct json_at at = json_root(doc);

	refused((w->p = provider_openstack_ops.open(&at, &w->log, e)) == NULL ? -1 : 0, ERR_CONFIG, "set OS_CLOUD, or OS_AUTH_URL");
	setenv("OS_AUTH_URL", url, 1);
	setenv("OS_USERNAME", "mover", 1);
	setenv("OS_PASSWORD", "of the env", 1);
	setenv("OS_TENANT_NAME", "lab", 1);
	at = json_root(doc);
	ok((w->p = provider_openstack_ops.open(&at, &w->log, e)) == NULL ? -1 : 0);
	assert_has(rest_replay_body(w->cloud, "auth/tokens"), "\"of the env\"");
	provider_close(w->p);
	temp_write(secure, "clouds:\n  lab:\n    auth:\n      password: of secure\n", 51);
	ok(open_with(w, MOVER, "", e));
	assert_has(rest_replay_body(w->cloud, "auth/tokens"), "\"of secure\"");
	unsetenv("OS_AUTH_URL");
	json_free(doc);
	free(url);
	free(secure);
}

/* NAME=VALUE words of the environment, "URL" standing for keystone's address; set or unset. */
static void environment(const struct world *w, const char *const words[], bool set)
{
	char *url = mem_printf("http://127.0.0.1:%d/5000", rest_replay_port(w->cloud));
	char *file = mem_printf("%s/clouds.yaml", w->dir);

	for (; *words != NULL; words++) {
		char *name = mem_strdup(*words), *value = strchr(name, '=');

		*value++ = '\0';
		if (set)
			setenv(name, strcmp(value, "URL") == 0 ? url : strcmp(value, "FILE") == 0 ? file : value, 1);
		else
			unsetenv(name);
		free(name);
	}
	free(file);
	free(url);
}

static void open_each_environment_says_who_one_is(void **state)
{
	static const struct {
		const char *const env[6];
		const char *more, *body; /* of the request for a token; NULL: what is said instead */
		const char *words;
	} cases[] = {
		{{"OS_AUTH_URL=URL", "OS_APPLICATION_CREDENTIAL_ID=a1", "OS_APPLICATION_CREDENTIAL_SECRET=hush"}, "",
		 "\"application_credential\":{\"id\":\"a1\",\"secret\":\"hush\"}}}}", NULL},
		{{"OS_AUTH_URL=URL", "OS_TOKEN=hush", "OS_PROJECT_ID=p1"}, "",
		 "\"token\":{\"id\":\"hush\"}},\"scope\":{\"project\":{\"id\":\"p1\"}}}}", NULL},
		{{"OS_AUTH_URL=URL", "OS_TOKEN=hush", "OS_PROJECT_ID=p1", "OS_REGION_NAME=regionOne"}, "", "\"hush\"", NULL},
		{{"OS_AUTH_URL=URL", "OS_TOKEN=hush", "OS_PROJECT_ID=p1", "OS_REGION_NAME=moon"}, "", NULL, "in region moon: its regions are"},
		{{"OS_AUTH_URL=URL", "OS_TOKEN=hush", "OS_PROJECT_ID=p1", "OS_REGION_NAME=moon"}, ",\"region\":\"regionOne\"", "\"hush\"", NULL},
		{{"OS_CLOUD=lab", "OS_CLIENT_CONFIG_FILE=FILE"}, "", "\"user\":{\"name\":\"mover\"", NULL},
		{{"OS_CLOUD=sea", "OS_CLIENT_CONFIG_FILE=FILE"}, "", NULL, "has no cloud \"sea\": it has \"lab\""},
		{{"OS_AUTH_URL=URL", "OS_APPLICATION_CREDENTIAL_SECRET=hush"}, "", NULL, "lack application_credential_id"},
	};
	struct world *w = *state;

	write_clouds(w, MOVER);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *block = mem_printf("{\"provider\":\"openstack\"%s}", cases[i].more);
		struct json_doc *doc = json_parse(block, strlen(block), "job", &(struct err)ERR_INIT);
		struct json_at at = json_root(doc);

		environment(w, cases[i].env, true);
		if (cases[i].words != NULL)
			refused((w->p = provider_openstack_ops.open(&at, &w->log, e)) == NULL ? -1 : 0, ERR_CONFIG, cases[i].words);
		else
			ok((w->p = provider_openstack_ops.open(&at, &w->log, e)) == NULL ? -1 : 0);
		environment(w, cases[i].env, false);
		if (cases[i].body != NULL)
			assert_has(rest_replay_body(w->cloud, "auth/tokens"), cases[i].body);
		provider_close(w->p);
		w->p = NULL;
		json_free(doc);
		free(block);
	}
}

/* The same block, another project: what the journal knows of is not sought there. */
static void place_open_of_another_project_is_refused(void **state)
{
	struct world *w = opened(state);
	const char *id = w->p->identity;

	assert_has(id, "project " PROJECT " at http://127.0.0.1:");
	for (int other = 0; other < 2; other++) {
		char *block = mem_printf("{\"provider\":\"openstack\",\"cloud\":\"lab\",\"clouds_file\":\"%s/clouds.yaml\","
					 "\"place\":\"%s%s\"}", w->dir, other ? "not " : "", id);
		struct err e = ERR_INIT;
		struct provider *p = place_open(block, &w->log, &e);

		assert_true((p == NULL) == (other == 1));
		if (other)
			assert_has(e.msg, "is in not project " PROJECT);
		provider_close(p);
		free(block);
	}
}

static void job_load_keeps_what_place_it_is(void **state)
{
	struct world *w = *state;
	char *file = mem_printf("%s/job.json", w->dir);
	char *block = mem_printf("{\"provider\":\"openstack\",\"cloud\":\"lab\",\"clouds_file\":\"%s/clouds.yaml\","
				 "\"machine\":\"web1\"}", w->dir);
	char *text = mem_printf("{\"job\":\"j\",\"source\":%s,\"target\":%s}", block, block);
	struct provider *source, *target;
	struct job job;

	write_clouds(w, MOVER);
	temp_write(file, text, strlen(text));
	ok(job_load(file, &job, &source, &target, &w->log, e));
	assert_has(job.source_json, "\"place\":\"project " PROJECT);
	struct provider *again = NULL;
	ok((again = place_open(job.source_json, &w->log, e)) == NULL ? -1 : 0);
	provider_close(again);
	provider_close(source);
	provider_close(target);
	job_fini(&job);
	free(text);
	free(block);
	free(file);
}

/* ---- Reading ---- */

static void machine_get_of_a_real_server_reads_disks_and_ports(void **state)
{
	struct world *w = opened(state);
	struct machine m;

	ok(w->p->ops->machine_get(w->p, "web1", &m, e));
	assert_string_equal(m.name, "web1");
	assert_false(m.running);
	assert_false(m.not_one_instant);
	assert_int_equal(m.vcpus, 1);
	assert_int_equal(m.memory_mib, 256);
	assert_int_equal(m.disks.len, 2);
	assert_string_equal(m.disks.at[0].id, ROOT_VOL);
	assert_string_equal(m.disks.at[0].name, "web1-root");
	assert_true(m.disks.at[0].boot);
	assert_string_equal(m.disks.at[1].id, DATA_VOL);
	assert_false(m.disks.at[1].boot);
	assert_int_equal(m.disks.at[1].size, 1 << 30);
	assert_string_equal(m.disks.at[1].why_not, "");
	assert_int_equal(m.nics.len, 1);
	assert_string_equal(m.nics.at[0].mac, "fa:16:3e:58:58:83");
	machine_fini(&m);
	refused(w->p->ops->machine_get(w->p, "web2", &m, e), ERR_NOT_FOUND, " has no server \"web2\": it has web1");
}

static void machine_get_what_cannot_be_copied_is_named(void **state)
{
	struct world *w = opened(state);
	struct machine m;

	rest_replay_fault(w->cloud, "/servers/c19ac43b-bba7-4aac-b033-969e8caf8479", 200,
			  "{\"server\":{\"name\":\"web1\",\"status\":\"ACTIVE\",\"image\":{\"id\":\"i\"},\"flavor\":{\"disk\":5,\"ephemeral\":9}}}", 0, 1);
	rest_replay_fault(w->cloud, "GET /9292/v2/images/i", 200, "{\"id\":\"i\",\"hw_firmware_type\":\"uefi\"}", 0, 1);
	rest_replay_fault(w->cloud, "/volumes/" DATA_VOL, 200, "{\"volume\":{\"name\":\"d\",\"size\":3,\"encrypted\":true}}", 0, 1);
	ok(w->p->ops->machine_get(w->p, "web1", &m, e));
	assert_int_equal(m.disks.len, 4);
	assert_true(m.running && m.not_one_instant);
	assert_int_equal(m.firmware, FIRMWARE_UEFI);
	assert_starts(m.disks.at[0].id, "root-of:c19ac43b");
	assert_true(m.disks.at[0].boot);
	assert_true(m.disks.at[0].size == UINT64_C(5) << 30);
	assert_string_equal(m.disks.at[0].why_not, "");
	assert_has(m.disks.at[1].why_not, "an ephemeral disk has no snapshots");
	assert_has(m.disks.at[3].why_not, "is encrypted");
	machine_fini(&m);
}

/* ---- What clouds say when they refuse ---- */

static void call_each_refusal_is_a_kind_and_a_sentence(void **state)
{
	static const struct {
		int status;
		const char *reply;
		int retry_after_s;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{403, "{\"forbidden\":{\"message\":\"Policy doesn't allow it.\",\"code\":403}}", 0, ERR_DENIED,
		 "Policy doesn't allow it. (HTTP 403, request req-1234)"},
		{403, "{\"forbidden\":{\"message\":\"Quota exceeded for cores\",\"code\":403}}", 0, ERR_NO_SPACE, "Quota exceeded for cores"},
		{413, "{\"overLimit\":{\"message\":\"VolumeLimitExceeded: Maximum number of volumes\"}}", 0, ERR_NO_SPACE, "Maximum number"},
		{409, "{\"NeutronError\":{\"type\":\"OverQuota\",\"message\":\"Quota exceeded for resources: ['port'].\"}}", 0,
		 ERR_NO_SPACE, "['port']"},
		{409, "{\"conflictingRequest\":{\"message\":\"Cannot do it while building\"}}", 0, ERR_BUSY, "while building"},
		{429, "{\"overLimit\":{\"message\":\"slow down, limit exceeded\"}}", 7, ERR_NETWORK, "slow down"},
		{500, "", 0, ERR_NETWORK, "it does not say why (HTTP 500"},
		{500, "{\"computeFault\":{\"message\":\"Unexpected API Error.\\n<class 'MessagingTimeout'>\"}}", 0, ERR_NETWORK,
		 "Unexpected API Error. <class 'MessagingTimeout'> (HTTP 500"},
		{503, "<html>no server</html>", 0, ERR_NETWORK, "<html>no server</html>"},
		{0, "", 0, ERR_NETWORK, "GET http://127.0.0.1"},
		{200, "{\"servers\":[", 0, ERR_PROTOCOL, "answered what is no JSON: {\"servers\":["},
		{200, "{\"volumes\":[]}", 0, ERR_PROTOCOL, "answered without \"servers\""},
		{200, "{\"servers\":[]}", 0, ERR_NOT_FOUND, "has no server \"web1\": it has none that these credentials may see"},
	};
	struct world *w = opened(state);
	struct machine m;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		rest_replay_fault(w->cloud, "/servers/detail", cases[i].status, cases[i].reply, cases[i].retry_after_s, 1);
		w->p->not_before_ns = 0;
		int64_t now = clock_mono_ns();
		refused(w->p->ops->machine_get(w->p, "web1", &m, e), cases[i].kind, cases[i].words);
		assert_true(cases[i].retry_after_s == 0 ? w->p->not_before_ns == 0
							: w->p->not_before_ns >= now + cases[i].retry_after_s * NS_PER_S);
	}
}

static void call_with_an_expired_token_logs_in_once_more(void **state)
{
	struct world *w = opened(state);
	struct machine m;

	rest_replay_fault(w->cloud, "/servers/detail", 401, "{}", 0, 1);
	ok(w->p->ops->machine_get(w->p, "web1", &m, e));
	assert_int_equal(rest_replay_seen(w->cloud, "auth/tokens"), 2);
	machine_fini(&m);
	rest_replay_fault(w->cloud, "/servers/detail", 401, "{}", 0, 1);
	rest_replay_fault(w->cloud, "/auth/tokens", 401, "{}", 0, 1);
	refused(w->p->ops->machine_get(w->p, "web1", &m, e), ERR_DENIED, "the token expired: keystone at");
}

static void call_old_services_are_refused(void **state)
{
	struct world *w = opened(state);
	struct machine m;

	rest_replay_fault(w->cloud, "GET /8774/v2.1/", 200, "{\"version\":{\"min_version\":\"2.1\",\"version\":\"2.42\"}}", 0, 1);
	refused(w->p->ops->machine_get(w->p, "web1", &m, e), ERR_UNSUPPORTED, "speaks microversions 2.1 to 2.42, and 2.47 to 2.79");
}

static void log_holds_calls_but_no_secret(void **state)
{
	struct world *w = opened(state);
	struct machine m;
	char text[65536];

	ok(w->p->ops->machine_get(w->p, "web1", &m, e));
	machine_fini(&m);
	ssize_t n = pread(w->log.fd, text, sizeof text - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_has(text, "/5000/v3/auth/tokens: 201");
	assert_has(text, "(request req-1234)");
	assert_null(strstr(text, "hush"));
	assert_null(strstr(text, "secret-token"));
}

/* ---- Making, finding, removing ---- */

#define VOLUMES "/volumes/detail"

static void disk_create_after_a_lost_reply_adopts_what_is_there(void **state)
{
	struct world *w = opened(state);
	struct disk_spec spec = {.size = (UINT64_C(1) << 30) + 1};
	struct res_ref ref = a_ref(RES_DISK, PURPOSE_REPLICA, "wherry-web1-disk0", "");
	char tags[200], reply[400];

	rest_replay_fault(w->cloud, VOLUMES, 200, "{\"volumes\":[]}", 0, 1);
	rest_replay_fault(w->cloud, "POST /8776", 0, "", 0, 1);
	refused(w->p->ops->disk_create(w->p, &spec, &ref, e), ERR_NETWORK, "creating disk wherry-web1-disk0");
	assert_has(rest_replay_body(w->cloud, "POST /8776"), "\"size\":2,\"metadata\":{\"wherry\":\"wherry1 o=me j=web1 r=run1 e=3 p=replica");
	snprintf(tags, sizeof tags, TAGS, "replica", "wherry-web1-disk0");
	snprintf(reply, sizeof reply, "{\"volumes\":[{\"id\":\"v0\",\"name\":\"theirs\",\"metadata\":{}},"
		 "{\"id\":\"v1\",\"name\":\"wherry-web1-disk0\",\"metadata\":{\"wherry\":\"%s\"}}]}", tags);
	rest_replay_fault(w->cloud, VOLUMES, 200, reply, 0, 2);
	snprintf(reply, sizeof reply, "{\"volume\":{\"id\":\"v1\",\"name\":\"wherry-web1-disk0\",\"metadata\":{\"wherry\":\"%s\"}}}", tags);
	rest_replay_fault(w->cloud, "/volumes/v1", 200, reply, 0, 2);
	ok(w->p->ops->disk_create(w->p, &spec, &ref, e));
	assert_string_equal(ref.id, "v1");
	assert_int_equal(rest_replay_seen(w->cloud, "POST /8776"), 1);
	ref.id[0] = '\0';
	snprintf(ref.tags.owner, sizeof ref.tags.owner, "you");
	refused(w->p->ops->disk_create(w->p, &spec, &ref, e), ERR_BUSY, "belongs to owner me, job web1, run run1");
}

static void poll_each_status_is_a_state(void **state)
{
	static const struct {
		const char *status;
		enum res_state state;
	} cases[] = {
		{"creating", RES_PENDING}, {"downloading", RES_PENDING}, {"available", RES_READY}, {"in-use", RES_READY},
		{"attaching", RES_READY}, {"extending", RES_PENDING}, {"deleting", RES_PENDING}, {"error", RES_FAILED},
		{"error_deleting", RES_FAILED},
	};
	struct world *w = opened(state);
	struct res_ref ref = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "x", "v9");
	enum res_state got;
	struct err e = ERR_INIT;

	rest_replay_fault(w->cloud, "/messages", 200, "{\"messages\":[{\"user_message\":\"no room on any back end\"}]}", 0, 2);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char reply[100];

		e = (struct err)ERR_INIT;
		snprintf(reply, sizeof reply, "{\"volume\":{\"status\":\"%s\"}}", cases[i].status);
		rest_replay_fault(w->cloud, "/volumes/v9", 200, reply, 0, 1);
		assert_int_equal(w->p->ops->poll(w->p, &ref, &got, &e), 0);
		assert_int_equal(got, cases[i].state);
		assert_string_equal(w->p->seen, cases[i].status);
		if (got == RES_FAILED)
			assert_has(e.msg, "no room on any back end");
	}
	rest_replay_fault(w->cloud, "/volumes/v9", 404, "{}", 0, 1);
	e = (struct err)ERR_INIT;
	assert_int_equal(w->p->ops->poll(w->p, &ref, &got, &e), 0);
	assert_int_equal(got, RES_ABSENT);
}

static void remove_frees_a_volume_whose_server_is_gone(void **state)
{
	struct world *w = opened(state);
	struct res_ref ref = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "x", "v9");
	char tags[200], reply[400];

	snprintf(tags, sizeof tags, TAGS, "scaffold", "x");
	snprintf(reply, sizeof reply, "{\"volume\":{\"id\":\"v9\",\"name\":\"x\",\"status\":\"attaching\",\"metadata\":{\"wherry\":\"%s\"}}}", tags);
	rest_replay_fault(w->cloud, "GET /8776/v3/" PROJECT "/volumes/v9", 200, reply, 0, 3);
	rest_replay_fault(w->cloud, "/attachments/detail", 200, "{\"attachments\":[{\"id\":\"a1\",\"instance\":\"s1\"}]}", 0, 1);
	rest_replay_fault(w->cloud, "GET /8774/v2.1/servers/s1", 404, "{}", 0, 1);
	rest_replay_fault(w->cloud, "DELETE /8776/v3/" PROJECT "/attachments/a1", 200, "{}", 0, 1);
	rest_replay_fault(w->cloud, "DELETE /8776/v3/" PROJECT "/volumes/v9", 202, "", 0, 1);
	ok(w->p->ops->remove(w->p, &ref, e));
	assert_int_equal(rest_replay_seen(w->cloud, "/attachments/a1"), 1);
	/* One whose server is there stays, and so does another's. */
	rest_replay_fault(w->cloud, "/attachments/detail", 200, "{\"attachments\":[{\"id\":\"a2\",\"instance\":\"s2\"}]}", 0, 1);
	rest_replay_fault(w->cloud, "GET /8774/v2.1/servers/s2", 200, "{\"server\":{\"id\":\"s2\"}}", 0, 1);
	rest_replay_fault(w->cloud, "DELETE /8776/v3/" PROJECT "/volumes/v9", 400,
			  "{\"badRequest\":{\"message\":\"Volume status must be available or error\"}}", 0, 1);
	refused(w->p->ops->remove(w->p, &ref, e), ERR_BUSY, "it is \"attaching\": ");
	snprintf(ref.tags.run, sizeof ref.tags.run, "run2");
	refused(w->p->ops->remove(w->p, &ref, e), ERR_BUSY, "it is not touched");
	rest_replay_fault(w->cloud, "GET /8776/v3/" PROJECT "/volumes/v9", 404, "{}", 0, 1);
	ok(w->p->ops->remove(w->p, &ref, e));
}

static void claim_of_another_epoch_is_busy(void **state)
{
	struct world *w = opened(state);
	struct res_ref ref = a_ref(RES_DISK, PURPOSE_REPLICA, "wherry-web1-disk0", "v1");
	struct res_tags expect = ref.tags, set = ref.tags;
	char tags[200], reply[400];

	snprintf(tags, sizeof tags, TAGS, "replica", "wherry-web1-disk0");
	snprintf(reply, sizeof reply, "{\"volume\":{\"id\":\"v1\",\"name\":\"wherry-web1-disk0\",\"metadata\":{\"wherry\":\"%s\"}}}", tags);
	rest_replay_fault(w->cloud, "GET /8776/v3/" PROJECT "/volumes/v1", 200, reply, 0, 2);
	rest_replay_fault(w->cloud, "POST /8776/v3/" PROJECT "/volumes/v1/metadata", 200, "{}", 0, 1);
	set.epoch = 4;
	set.dirty = true;
	ok(w->p->ops->replica_claim(w->p, &ref, &expect, &set, e));
	assert_has(rest_replay_body(w->cloud, "/metadata"), "e=4 p=replica x=0 g=0 d=1 n=wherry-web1-disk0");
	expect.epoch = 2;
	refused(w->p->ops->replica_claim(w->p, &ref, &expect, &set, e), ERR_BUSY, "carries epoch 3 of owner me, not epoch 2 of me");
}

static void worker_create_makes_network_then_server(void **state)
{
	struct world *w = *state;
	struct res_ref disk = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "clone", DATA_VOL);
	struct res_ref ref = a_ref(RES_WORKER, PURPOSE_SCAFFOLD, "wherry-web1-export-1", "");
	struct worker_disk wd = {.disk = &disk};
	struct worker_spec spec = {.bootdata = "{\"a\":1}", .disks = &wd, .disk_count = 1, .port = 4433};

	ok(open_with(w, MOVER, ",\"availability_zone\":\"az2\"", e));
	rest_replay_fault(w->cloud, "POST /9696/v2.0/security-groups", 201, "{\"security_group\":{\"id\":\"g1\"}}", 0, 1);
	rest_replay_fault(w->cloud, "POST /9696/v2.0/security-group-rules", 201, "{}", 0, 1);
	rest_replay_fault(w->cloud, "POST /9696/v2.0/ports", 201, "{\"port\":{\"id\":\"p1\"}}", 0, 1);
	rest_replay_fault(w->cloud, "POST /8774/v2.1/servers", 202, "{\"server\":{\"id\":\"s1\"}}", 0, 1);
	rest_replay_fault(w->cloud, "GET /9292/v2/images?", 200, "{\"images\":[{\"id\":\"i1\",\"name\":\"w\",\"status\":\"active\",\"wherry_image\":"
			  "\"wherry1 v=1 w=2 s=abc f=any n=0\",\"owner\":\"8d1aff806790464497953ef6d5914827\"}]}", 0, 1);
	rest_replay_fault(w->cloud, "GET /9292/v2/images/i1", 200, "{\"id\":\"i1\",\"hw_disk_bus\":\"virtio\"}", 0, 1);
	rest_replay_fault(w->cloud, "/flavors/detail", 200, "{\"flavors\":[{\"id\":\"f1\",\"name\":\"worker\"}]}", 0, 1);
	ok(w->p->ops->worker_create(w->p, &spec, &ref, e));
	assert_string_equal(ref.id, "s1");
	assert_string_equal(wd.serial, "38511e52-ab25-4d7f-8");
	assert_has(rest_replay_body(w->cloud, "security-group-rules"),
		   "\"port_range_min\":4433,\"port_range_max\":4433,\"remote_ip_prefix\":\"192.0.2.0/24\"");
	assert_has(rest_replay_body(w->cloud, "POST /9696/v2.0/ports"), "\"security_groups\":[\"g1\"]");
	const char *body = rest_replay_body(w->cloud, "POST /8774/v2.1/servers");
	assert_has(body, "\"availability_zone\":\"az2\"");
	assert_has(body, "\"imageRef\":\"i1\",\"flavorRef\":\"f1\"");
	assert_has(body, "\"networks\":[{\"port\":\"p1\"}],\"config_drive\":true,\"user_data\":\"eyJhIjoxfQ==\"");
	assert_has(body, "{\"boot_index\":-1,\"uuid\":\"" DATA_VOL "\",\"source_type\":\"volume\",\"destination_type\":\"volume\","
		   "\"delete_on_termination\":false}");
}

/* That of a group that was just made: it would let nobody in. */
static void worker_create_with_rules_that_are_refused_fails(void **state)
{
	struct world *w = opened(state);
	struct res_ref ref = a_ref(RES_WORKER, PURPOSE_SCAFFOLD, "wherry-web1-export-1", "");
	struct worker_spec spec = {.bootdata = "{}", .port = 4433};

	rest_replay_fault(w->cloud, "GET /9292/v2/images?", 200, "{\"images\":[{\"id\":\"i1\",\"name\":\"w\",\"status\":\"active\",\"wherry_image\":"
			  "\"wherry1 v=1 w=2 s=abc f=any n=0\",\"owner\":\"8d1aff806790464497953ef6d5914827\"}]}", 0, 1);
	rest_replay_fault(w->cloud, "GET /9292/v2/images/i1", 200, "{\"id\":\"i1\"}", 0, 1);
	rest_replay_fault(w->cloud, "/flavors/detail", 200, "{\"flavors\":[{\"id\":\"f1\",\"name\":\"worker\"}]}", 0, 1);
	rest_replay_fault(w->cloud, "POST /9696/v2.0/security-groups", 201, "{\"security_group\":{\"id\":\"g1\"}}", 0, 1);
	rest_replay_fault(w->cloud, "POST /9696/v2.0/security-group-rules", 409,
			  "{\"NeutronError\":{\"message\":\"Duplicate Security Group Rule in POST Body.\"}}", 0, 1);
	refused(w->p->ops->worker_create(w->p, &spec, &ref, e), ERR_BUSY, "Duplicate Security Group Rule");
}

static void open_each_wrong_allow_is_named(void **state)
{
	static const struct {
		const char *allow, *words; /* NULL: it is right */
	} cases[] = {
		{"\"192.0.2.0/24\",\"192.0.2.0/25\",\"192.0.2.7\",\"2001:db8::/32\",\"::/0\"", NULL},
		{"\"192.0.2.0/24\",\"192.0.2.0/24\"", "\"192.0.2.0/24\" and \"192.0.2.0/24\" are one network"},
		{"\"192.0.2.9/24\",\"192.0.2.0/24\"", "are one network"},
		{"\"192.0.2.9\",\"192.0.2.9/32\"", "are one network"},
		{"\"2001:db8:0::/48\",\"2001:db8::/48\"", "are one network"},
		{"\"192.0.2.0/33\"", "expected networks as"},
		{"\"192.0.2.0/\"", "expected networks as"},
		{"\"192.0.2.0/-1\"", "expected networks as"},
		{"\"192.0.2.0/8x\"", "expected networks as"},
		{"\"office\"", "expected networks as"},
	};
	struct world *w = *state;

	write_clouds(w, MOVER);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = ERR_INIT;
		char *block = mem_printf("{\"provider\":\"openstack\",\"cloud\":\"lab\",\"clouds_file\":\"%s/clouds.yaml\",\"allow\":[%s]}", w->dir,
					 cases[i].allow);
		struct json_doc *doc = json_parse(block, strlen(block), "job", &e);
		struct json_at at = json_root(doc);

		provider_close(provider_openstack_ops.open(&at, &w->log, &e));
		if (cases[i].words == NULL)
			assert_string_equal(json_findings(doc), "");
		else
			assert_has(json_findings(doc), cases[i].words);
		json_free(doc);
		free(block);
	}
}

static int see(void *ctx, const struct res_ref *ref)
{
	char *out = ctx;

	snprintf(out + strlen(out), 400 - strlen(out), "%s %s, ", res_kind_name(ref->kind), ref->name);
	return 0;
}

/* A port of a worker that is there goes with it; one that is left over has to go by itself. */
static void find_names_what_is_ours_and_parts_left_over(void **state)
{
	struct world *w = opened(state);
	char a[200], b[200], reply[600], found[400] = "";

	snprintf(a, sizeof a, TAGS, "scaffold", "w1");
	snprintf(b, sizeof b, TAGS, "scaffold", "w2");
	snprintf(reply, sizeof reply, "{\"servers\":[{\"id\":\"s1\",\"name\":\"w1\",\"metadata\":{\"wherry\":\"%s\"}}]}", a);
	rest_replay_fault(w->cloud, "/servers/detail", 200, reply, 0, 1);
	snprintf(reply, sizeof reply, "{\"ports\":[{\"id\":\"p1\",\"name\":\"w1\",\"description\":\"%s\"},{\"id\":\"p2\",\"name\":\"w2\","
		 "\"description\":\"%s\"}]}", a, b);
	rest_replay_fault(w->cloud, "/ports", 200, reply, 0, 1);
	snprintf(reply, sizeof reply, "{\"floatingips\":[{\"id\":\"f2\",\"description\":\"%s\"}]}", b);
	rest_replay_fault(w->cloud, "/floatingips", 200, reply, 0, 1);
	rest_replay_fault(w->cloud, VOLUMES, 200, "{\"volumes\":[]}", 0, 1);
	ok(w->p->ops->find(w->p, NULL, see, found, e));
	assert_string_equal(found, "worker w1, nic w2, address w2, ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(open_each_credential_asks_for_a_token_with_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_what_is_missing_or_wrong_is_one_sentence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_clouds_yaml_that_lacks_the_cloud_lists_those_it_has, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_each_catalogue_chooses_or_asks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_from_the_environment_and_secure_yaml, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_each_environment_says_who_one_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(place_open_of_another_project_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(job_load_keeps_what_place_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(machine_get_of_a_real_server_reads_disks_and_ports, set_up, tear_down),
		cmocka_unit_test_setup_teardown(machine_get_what_cannot_be_copied_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_each_refusal_is_a_kind_and_a_sentence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_with_an_expired_token_logs_in_once_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_old_services_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(log_holds_calls_but_no_secret, set_up, tear_down),
		cmocka_unit_test_setup_teardown(disk_create_after_a_lost_reply_adopts_what_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(poll_each_status_is_a_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remove_frees_a_volume_whose_server_is_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(claim_of_another_epoch_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(worker_create_makes_network_then_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(worker_create_with_rules_that_are_refused_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_each_wrong_allow_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(find_names_what_is_ours_and_parts_left_over, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
