// SPDX-License-Identifier: Apache-2.0
#include "job/run_spec.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "job/limits_json.h"

static int wrong(const char *key, const char *expected, struct err *e)
{
	return err_set(e, ERR_CONFIG, 0, "the order for a run: \"%s\" must be %s", key, expected);
}

bool run_attempt_is_valid(const char *text, size_t len)
{
	return len == API_ATTEMPT_LEN && strspn(text, "0123456789abcdef") == len && text[len] == '\0';
}

static int take_attempt(yyjson_val *v, struct run_spec *s, struct err *e)
{
	const char *text = yyjson_get_str(v);

	if (text == NULL || !run_attempt_is_valid(text, yyjson_get_len(v)))
		return wrong("attempt", "16 lower-case hex digits, other ones for every run", e);
	memcpy(s->attempt, text, sizeof s->attempt);
	return 0;
}

static int take_kind(yyjson_val *v, struct run_spec *s, struct err *e)
{
	if (yyjson_equals_str(v, "export"))
		s->kind = RUN_EXPORT;
	else if (yyjson_equals_str(v, "import"))
		s->kind = RUN_IMPORT;
	else if (yyjson_equals_str(v, "scan"))
		s->kind = RUN_SCAN;
	else if (yyjson_equals_str(v, "copy"))
		s->kind = RUN_COPY;
	else
		return wrong("kind", "\"export\", \"import\", \"scan\" or \"copy\"", e);
	return 0;
}

static int take_key(yyjson_val *v, struct run_spec *s, struct err *e)
{
	const char *hex = yyjson_get_str(v);

	/* The error must not repeat any of it. */
	return hex != NULL && hex_decode(hex, s->secret, sizeof s->secret) == 0 ? 0 : wrong("key", "64 hex digits", e);
}

static int take_chunk_size(yyjson_val *v, struct run_spec *s, struct err *e)
{
	uint64_t n = yyjson_get_uint(v);

	if (!yyjson_is_uint(v) || n < WIRE_MIN_CHUNK || n > WIRE_MAX_CHUNK || (n & (n - 1)) != 0)
		return wrong("chunk_size", "a power of two from 65536 to 4194304", e);
	s->chunk_size = (uint32_t)n;
	return 0;
}

static int take_checkpoint_bytes(yyjson_val *v, struct run_spec *s, struct err *e)
{
	s->checkpoint_bytes = yyjson_get_uint(v);
	return yyjson_is_uint(v) && s->checkpoint_bytes > 0 ? 0 : wrong("checkpoint_bytes", "a whole number from 1", e);
}

static int take_checkpoint_ms(yyjson_val *v, struct run_spec *s, struct err *e)
{
	uint64_t ms = yyjson_get_uint(v);

	if (!yyjson_is_uint(v) || ms == 0 || ms > 24 * 3600 * 1000)
		return wrong("checkpoint_ms", "milliseconds from 1 to 86400000", e);
	s->checkpoint_ns = (int64_t)ms * NS_PER_MS;
	return 0;
}

static int take_reconnect_ms(yyjson_val *v, struct run_spec *s, struct err *e)
{
	uint64_t ms = yyjson_get_uint(v);

	if (!yyjson_is_uint(v) || ms == 0 || ms > 24 * 3600 * 1000)
		return wrong("reconnect_ms", "milliseconds from 1 to 86400000", e);
	s->reconnect_ns = (int64_t)ms * NS_PER_MS;
	return 0;
}

static int take_compression(yyjson_val *v, struct run_spec *s, struct err *e)
{
	if (yyjson_equals_str(v, "none"))
		s->compression = COMPRESSION_NONE;
	else if (yyjson_equals_str(v, "zstd"))
		s->compression = COMPRESSION_ZSTD;
	else if (yyjson_equals_str(v, "auto"))
		s->compression = COMPRESSION_AUTO;
	else
		return wrong("compression", "\"auto\", \"none\" or \"zstd\"", e);
	return 0;
}

static int take_level(yyjson_val *v, struct run_spec *s, struct err *e)
{
	int64_t level = yyjson_get_sint(v); /* of one past INT64_MAX: something negative */

	if (!yyjson_is_int(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > COMPRESSION_LEVEL_MAX) ||
	    level < COMPRESSION_LEVEL_MIN || level == 0)
		return wrong("level", "a zstd level from -50 to 19, not 0", e);
	s->level = (int)level;
	return 0;
}

static int take_read_back(yyjson_val *v, struct run_spec *s, struct err *e)
{
	s->read_back = yyjson_get_bool(v);
	return yyjson_is_bool(v) ? 0 : wrong("read_back", "true or false", e);
}

static int take_read_only(yyjson_val *v, struct run_spec *s, struct err *e)
{
	s->read_only = yyjson_get_bool(v);
	return yyjson_is_bool(v) ? 0 : wrong("read_only", "true or false", e);
}

static int take_limits(yyjson_val *v, struct run_spec *s, struct err *e)
{
	return limits_from_json(v, &s->limits, e) < 0 ? err_wrap(e, "the order for a run") : 0;
}

/* What goes into a line of a request, or an address. */
static bool is_line(yyjson_val *v)
{
	const char *text = yyjson_get_str(v);
	size_t n = yyjson_get_len(v);

	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return text != NULL && n <= RUN_TOKEN_MAX;
}

char *run_token_take(yyjson_val *v)
{
	return is_line(v) ? mem_strdup(yyjson_get_str(v)) : NULL;
}

static int take_at(yyjson_val *v, struct run_blob *b, struct err *e)
{
	yyjson_val *url = yyjson_obj_get(v, "url"), *token = yyjson_obj_get(v, "token"), *lease = yyjson_obj_get(v, "lease");

	if (v == NULL)
		return 0;
	if (yyjson_obj_size(v) != 3 || !is_line(url) || yyjson_get_len(url) == 0 || !is_line(token) || !is_line(lease))
		return wrong("disks", "with \"at\" as {\"url\":\"https://...\",\"token\":\"...\",\"lease\":\"...\"}", e);
	b->url = run_token_take(url);
	b->token = run_token_take(token);
	b->lease = run_token_take(lease);
	return 0;
}

/* "" when there is none. */
static bool take_serial(yyjson_val *v, char out[DISK_SERIAL_MAX + 1])
{
	const char *text = yyjson_get_str(v);

	if (v == NULL)
		return true;
	if (text == NULL || strlen(text) != yyjson_get_len(v) || !disk_serial_is_valid(text))
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

static int take_disk(yyjson_val *v, size_t at, struct run_spec *s, struct err *e)
{
	yyjson_val *serial = yyjson_obj_get(v, "serial"), *size = yyjson_obj_get(v, "size");
	yyjson_val *index = yyjson_obj_get(v, "index"), *blob = yyjson_obj_get(v, "at");
	size_t keys = 2 + (serial != NULL) + (blob != NULL) + (yyjson_obj_get(v, "changed") != NULL);

	if (yyjson_obj_size(v) != keys || !yyjson_is_uint(index) || yyjson_get_uint(index) >= WIRE_MAX_DISKS ||
	    !take_serial(serial, s->disks[at].serial) || !yyjson_is_uint(size) || yyjson_get_uint(size) == 0)
		return wrong("disks", "a list of {\"index\":0,\"serial\":\"...\",\"size\":bytes}", e);
	s->disks[at].index = (unsigned)yyjson_get_uint(index);
	s->disks[at].size = yyjson_get_uint(size);
	if (take_at(blob, &s->disks[at].at, e) < 0)
		return -1;
	if (at > 0 && s->disks[at].index <= s->disks[at - 1].index)
		return wrong("disks", "in the order of their \"index\", each once", e);
	for (size_t k = 0; serial != NULL && k < at; k++)
		if (strcmp(s->disks[k].serial, s->disks[at].serial) == 0)
			return err_set(e, ERR_CONFIG, 0, "the order for a run: disk \"%s\" in \"disks\" is there twice",
				       s->disks[at].serial);
	return 0;
}

static int take_disks(yyjson_val *v, struct run_spec *s, struct err *e)
{
	size_t i, count;
	yyjson_val *disk;

	if (!yyjson_is_arr(v) || yyjson_arr_size(v) == 0 || yyjson_arr_size(v) > WIRE_MAX_DISKS)
		return wrong("disks", "a list of 1 to 64 disks", e);
	yyjson_arr_foreach(v, i, count, disk)
		if (take_disk(disk, i, s, e) < 0)
			return -1;
	s->disk_count = (unsigned)count;
	return 0;
}

static int wrong_changed(struct err *e)
{
	return wrong("changed", "pairs of whole numbers of chunks, left out and to be read, that end within the disk", e);
}

/* Pairs of gap and count, in chunks. */
static int take_pairs(yyjson_val *v, struct hints *h, struct err *e)
{
	uint64_t chunks = h->size / h->chunk_size + (h->size % h->chunk_size != 0), at = 0;
	yyjson_val *number;
	size_t i, count;

	yyjson_arr_foreach(v, i, count, number) {
		uint64_t n = yyjson_get_uint(number);

		/* Only the first range may begin where the one before ends: at the start of the disk. */
		if (!yyjson_is_uint(number) || n > chunks - at || (n == 0 && i != 0))
			return wrong_changed(e);
		if (i % 2 == 1)
			hints_add(h, at * h->chunk_size, n * h->chunk_size);
		at += n;
	}
	return 0;
}

/* After everything else: it needs the chunk size. */
static int take_changed(yyjson_val *disks, struct run_spec *s, struct err *e)
{
	size_t i, count, pairs = 0;
	yyjson_val *disk;

	yyjson_arr_foreach(disks, i, count, disk) {
		yyjson_val *changed = yyjson_obj_get(disk, "changed");

		if (changed == NULL)
			continue;
		if (s->kind != RUN_EXPORT && s->kind != RUN_COPY)
			return wrong("changed", "left out of what is no export and no copy", e);
		pairs += yyjson_arr_size(changed) / 2;
		if (!yyjson_is_arr(changed) || yyjson_arr_size(changed) % 2 != 0 || pairs > API_MAX_RANGES)
			return wrong_changed(e);
		s->disks[i].changed = mem_alloc(sizeof *s->disks[i].changed);
		hints_init(s->disks[i].changed, s->disks[i].size, s->chunk_size);
		if (take_pairs(changed, s->disks[i].changed, e) < 0)
			return -1;
	}
	return 0;
}

static int take_peer(yyjson_val *v, struct run_spec *s, struct err *e)
{
	yyjson_val *dial = yyjson_obj_get(v, "dial"), *listen = yyjson_obj_get(v, "listen");
	yyjson_val *connections = yyjson_obj_get(v, "connections");
	const char *address = yyjson_get_str(dial), *session = yyjson_get_str(yyjson_obj_get(v, "session"));
	size_t len = yyjson_get_len(dial);

	s->listen = yyjson_is_true(listen);
	s->connections = (unsigned)yyjson_get_uint(connections);
	if (yyjson_obj_size(v) != 3 || (!s->listen && (address == NULL || len == 0 || len >= sizeof s->dial ||
						       strlen(address) != len)))
		return wrong("peer", "{\"dial\":\"host:port\" or \"listen\":true, \"session\":\"...\", \"connections\":N}", e);
	if (session == NULL || hex_decode(session, (uint8_t *)&s->session, sizeof s->session) < 0)
		return wrong("peer.session", "16 lower-case hex digits, the same for both workers", e);
	if (!yyjson_is_uint(connections) || s->connections < 1 || s->connections > WIRE_MAX_CHANNELS)
		return wrong("peer.connections", "1 to 8", e);
	if (!s->listen)
		memcpy(s->dial, address, len + 1);
	return 0;
}

static int take_trust(yyjson_val *v, struct run_spec *s, struct err *e)
{
	if (!yyjson_is_str(v))
		return wrong("trust", "certificates as PEM", e);
	s->trust = mem_strdup(yyjson_get_str(v));
	return 0;
}

static const struct {
	const char *name;
	int (*take)(yyjson_val *v, struct run_spec *s, struct err *e);
	bool optional;
} keys[] = {
	{"attempt", take_attempt, false},
	{"kind", take_kind, false},
	{"key", take_key, false},
	{"chunk_size", take_chunk_size, false},
	{"checkpoint_bytes", take_checkpoint_bytes, true},
	{"checkpoint_ms", take_checkpoint_ms, true},
	{"compression", take_compression, true},
	{"level", take_level, true},
	{"read_back", take_read_back, true},
	{"read_only", take_read_only, true},
	{"limits", take_limits, true},
	{"disks", take_disks, false},
	{"trust", take_trust, true},
	{"peer", take_peer, true},
	{"reconnect_ms", take_reconnect_ms, true},
};

#define KEYS (sizeof keys / sizeof keys[0])

static int take_named(yyjson_val *key, yyjson_val *value, bool seen[KEYS], struct run_spec *s, struct err *e)
{
	for (size_t k = 0; k < KEYS; k++) {
		if (!yyjson_equals_str(key, keys[k].name))
			continue;
		if (seen[k])
			return err_set(e, ERR_CONFIG, 0, "the order for a run: \"%s\" is there twice", keys[k].name);
		seen[k] = true;
		return keys[k].take(value, s, e);
	}
	return err_set(e, ERR_CONFIG, 0,
		       "the order for a run: unknown key \"%.60s\"; is the image older than the controller?",
		       yyjson_get_str(key));
}

/* A copy has a device and a blob for each disk, a scan one of them, all others the device. */
static int check_places(const struct run_spec *s, struct err *e)
{
	for (unsigned i = 0; i < s->disk_count; i++) {
		bool device = s->disks[i].serial[0] != '\0', blob = s->disks[i].at.url != NULL;

		if (s->kind == RUN_COPY ? !device || !blob : s->kind == RUN_SCAN ? device == blob : !device || blob)
			return wrong("disks", "with \"serial\" and \"at\" in a copy, one of them in a scan, else \"serial\"", e);
	}
	return 0;
}

static int take_all(yyjson_val *root, struct run_spec *s, struct err *e)
{
	bool seen[KEYS] = {false};
	yyjson_val *key, *value;
	size_t i, count;

	if (!yyjson_is_obj(root))
		return err_set(e, ERR_CONFIG, 0, "the order for a run must be one JSON object");
	yyjson_obj_foreach(root, i, count, key, value)
		if (take_named(key, value, seen, s, e) < 0)
			return -1;
	for (size_t k = 0; k < KEYS; k++)
		if (!seen[k] && !keys[k].optional)
			return err_set(e, ERR_CONFIG, 0, "the order for a run: \"%s\" is missing", keys[k].name);
	if (s->read_only && s->kind == RUN_IMPORT)
		return err_set(e, ERR_CONFIG, 0, "the order for a run: \"read_only\" is not for an import");
	if ((s->kind == RUN_EXPORT || s->kind == RUN_IMPORT) != (s->listen || s->dial[0] != '\0'))
		return err_set(e, ERR_CONFIG, 0,
			       "the order for a run: \"peer\" belongs to an export or import, not to a scan or copy");
	return check_places(s, e) < 0 ? -1 : take_changed(yyjson_obj_get(root, "disks"), s, e);
}

int run_spec_parse(const char *json, size_t len, struct run_spec *out, struct err *e)
{
	yyjson_read_err why;

	*out = (struct run_spec){
		.checkpoint_bytes = COPY_DEFAULT_CHECKPOINT_BYTES,
		.checkpoint_ns = COPY_DEFAULT_CHECKPOINT_NS,
		.compression = COMPRESSION_AUTO,
		.level = 1,
		.read_back = true,
		.reconnect_ns = COPY_DEFAULT_PATIENCE_NS,
	};
	yyjson_doc *doc = yyjson_read_opts((char *)json, len, YYJSON_READ_NOFLAG, NULL, &why);
	if (doc == NULL)
		return err_set(e, ERR_CONFIG, 0, "the order for a run is not JSON: %s at byte %zu", why.msg, why.pos);
	int rc = take_all(yyjson_doc_get_root(doc), out, e);
	yyjson_doc_free(doc);
	return rc;
}

void run_token_free(char *token)
{
	if (token != NULL)
		mem_wipe(token, strlen(token));
	free(token);
}

void run_spec_fini(struct run_spec *s)
{
	for (unsigned i = 0; i < WIRE_MAX_DISKS; i++) {
		if (s->disks[i].changed != NULL)
			hints_fini(s->disks[i].changed);
		free(s->disks[i].changed);
		free(s->disks[i].at.url);
		free(s->disks[i].at.lease);
		run_token_free(s->disks[i].at.token);
	}
	free(s->trust);
	mem_wipe(s, sizeof *s);
}
