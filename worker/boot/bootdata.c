// SPDX-License-Identifier: Apache-2.0
#include "boot/bootdata.h"

#include <string.h>
#include <yyjson.h>

#include "base/hex.h"

#define MAX_LEASE_S (7 * 24 * 3600)
#define MIN_LEASE_S 2

static int wrong(const char *key, const char *expected, struct err *e)
{
	return err_set(e, ERR_CONFIG, 0, "bootstrap data: \"%s\" must be %s", key, expected);
}

/* Names become certificate fields, journal keys and lines on a console. */
static int take_name(yyjson_val *v, const char *key, char *out, size_t size, struct err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *s = yyjson_get_str(v);
	size_t len = yyjson_get_len(v);

	if (s == NULL || len == 0 || len >= size || strspn(s, allowed) != len)
		return err_set(e, ERR_CONFIG, 0,
			       "bootstrap data: \"%s\" must be a string of 1 to %zu letters, digits, '.', '_' and "
			       "'-'",
			       key, size - 1);
	memcpy(out, s, len + 1);
	return 0;
}

static int take_version(yyjson_val *v, struct bootdata *b, struct err *e)
{
	(void)b;
	if (!yyjson_is_uint(v))
		return wrong("wherry", "the number 1", e);
	if (yyjson_get_uint(v) != 1)
		return err_set(e, ERR_CONFIG, 0,
			       "bootstrap data: \"wherry\" is %llu, and this worker knows version 1: use an "
			       "image of the controller's own version",
			       (unsigned long long)yyjson_get_uint(v));
	return 0;
}

static int take_job(yyjson_val *v, struct bootdata *b, struct err *e)
{
	return take_name(v, "job", b->job, sizeof b->job, e);
}

static int take_run(yyjson_val *v, struct bootdata *b, struct err *e)
{
	return take_name(v, "run", b->run, sizeof b->run, e);
}

static int take_epoch(yyjson_val *v, struct bootdata *b, struct err *e)
{
	b->epoch = yyjson_get_uint(v);
	return yyjson_is_uint(v) && b->epoch != 0 ? 0 : wrong("epoch", "a whole number from 1", e);
}

static int take_role(yyjson_val *v, struct bootdata *b, struct err *e)
{
	if (yyjson_equals_str(v, "export"))
		b->role = WIRE_SOURCE;
	else if (yyjson_equals_str(v, "import"))
		b->role = WIRE_TARGET;
	else
		return wrong("role", "\"export\" or \"import\"", e);
	return 0;
}

static int take_controller(yyjson_val *v, struct bootdata *b, struct err *e)
{
	const char *s = yyjson_get_str(v);

	if (s == NULL || hex_decode(s, b->controller_pin, sizeof b->controller_pin) < 0)
		return wrong("controller", "64 hex digits, the SHA-256 of the controller's public key", e);
	return 0;
}

/* "host:port" or "[v6]:port". Names are resolved when dialing. */
static bool is_address(const char *s, size_t len, size_t size)
{
	const char *colon = s != NULL ? strrchr(s, ':') : NULL;
	unsigned port = 0;

	if (colon == NULL || colon == s || len >= size || strlen(s) != len || colon[1] == '\0' ||
	    strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strcspn(s, " \t\r\n/") != len)
		return false;
	for (const char *c = colon + 1; *c != '\0'; c++)
		port = port * 10 + (unsigned)(*c - '0');
	return port >= 1 && port <= 65535;
}

static int take_control(yyjson_val *v, struct bootdata *b, struct err *e)
{
	yyjson_val *path = yyjson_obj_get(v, "path"), *address = yyjson_obj_get(v, "address");

	if (yyjson_equals_str(path, "dial-in") && yyjson_obj_size(v) == 1) {
		b->control = BOOT_DIAL_IN;
		return 0;
	}
	if (!yyjson_equals_str(path, "dial-out") || yyjson_obj_size(v) != 2 ||
	    !is_address(yyjson_get_str(address), yyjson_get_len(address), sizeof b->controller_address))
		return wrong("control",
			     "{\"path\":\"dial-in\"} or {\"path\":\"dial-out\",\"address\":\"host:port\"}", e);
	b->control = BOOT_DIAL_OUT;
	memcpy(b->controller_address, yyjson_get_str(address), yyjson_get_len(address) + 1);
	return 0;
}

static bool take_mac(yyjson_val *v, char out[18])
{
	const char *s = yyjson_get_str(v);
	uint8_t byte;

	if (s == NULL || yyjson_get_len(v) != 17)
		return false;
	for (unsigned i = 0; i < 17; i += 3) {
		const char pair[3] = {s[i], s[i + 1], '\0'};

		if (hex_decode(pair, &byte, 1) < 0 || (i < 15 && s[i + 2] != ':'))
			return false;
	}
	memcpy(out, s, 18);
	return true;
}

static int take_nics(yyjson_val *v, struct bootdata *b, struct err *e)
{
	static const char expected[] = "\"auto\" or a list of 1 to 16 addresses like \"52:54:00:12:34:56\"";
	size_t i, count;
	yyjson_val *mac;

	if (yyjson_equals_str(v, "auto")) {
		b->nics_auto = true;
		return 0;
	}
	if (!yyjson_is_arr(v) || yyjson_arr_size(v) == 0 || yyjson_arr_size(v) > BOOTDATA_MAX_NICS)
		return wrong("nics", expected, e);
	yyjson_arr_foreach(v, i, count, mac)
		if (!take_mac(mac, b->nics[b->nic_count++]))
			return wrong("nics", expected, e);
	return 0;
}

static int take_lease(yyjson_val *v, struct bootdata *b, struct err *e)
{
	uint64_t seconds = yyjson_get_uint(v);

	if (!yyjson_is_uint(v) || seconds < MIN_LEASE_S || seconds > MAX_LEASE_S)
		return wrong("lease_seconds", "a whole number of seconds from 2 to 604800 (a week)", e);
	b->lease_seconds = (uint32_t)seconds;
	return 0;
}

static int take_debug(yyjson_val *v, struct bootdata *b, struct err *e)
{
	b->debug = yyjson_get_bool(v);
	return yyjson_is_bool(v) ? 0 : wrong("debug", "true or false", e);
}

static const struct {
	const char *name;
	int (*take)(yyjson_val *v, struct bootdata *b, struct err *e);
} keys[] = {
	{"wherry", take_version}, {"job", take_job},               {"run", take_run},
	{"epoch", take_epoch},    {"role", take_role},             {"controller", take_controller},
	{"control", take_control}, {"nics", take_nics},            {"lease_seconds", take_lease},
	{"debug", take_debug},
};

#define KEYS (sizeof keys / sizeof keys[0])

static int take_key(const char *name, size_t len, yyjson_val *v, bool seen[KEYS], struct bootdata *b, struct err *e)
{
	for (size_t k = 0; k < KEYS; k++) {
		if (strlen(keys[k].name) != len || memcmp(keys[k].name, name, len) != 0)
			continue;
		if (seen[k])
			return err_set(e, ERR_CONFIG, 0, "bootstrap data: \"%s\" is there twice", keys[k].name);
		seen[k] = true;
		return keys[k].take(v, b, e);
	}
	return err_set(e, ERR_CONFIG, 0,
		       "bootstrap data: unknown key \"%.60s\"; is the image older than the controller?", name);
}

static int take_all(yyjson_val *root, struct bootdata *out, struct err *e)
{
	bool seen[KEYS] = {false};
	yyjson_val *key, *value;
	size_t i, count;

	if (!yyjson_is_obj(root))
		return err_set(e, ERR_CONFIG, 0, "bootstrap data must be one JSON object");
	/* The version first: what else a later one holds would only confuse. */
	if (take_version(yyjson_obj_get(root, "wherry"), out, e) < 0)
		return -1;
	yyjson_obj_foreach(root, i, count, key, value)
		if (take_key(yyjson_get_str(key), yyjson_get_len(key), value, seen, out, e) < 0)
			return -1;
	for (size_t k = 0; k < KEYS; k++)
		if (!seen[k])
			return err_set(e, ERR_CONFIG, 0, "bootstrap data: \"%s\" is missing", keys[k].name);
	return 0;
}

int bootdata_parse(const char *json, size_t len, struct bootdata *out, struct err *e)
{
	yyjson_read_err why;

	memset(out, 0, sizeof *out);
	if (len > BOOTDATA_MAX)
		return err_set(e, ERR_CONFIG, 0,
			       "bootstrap data of %zu bytes is longer than the %d that are allowed", len,
			       BOOTDATA_MAX);
	yyjson_doc *doc = yyjson_read_opts((char *)json, len, YYJSON_READ_NOFLAG, NULL, &why);
	if (doc == NULL)
		return err_set(e, ERR_CONFIG, 0, "bootstrap data is not JSON: %s at byte %zu", why.msg, why.pos);
	int rc = take_all(yyjson_doc_get_root(doc), out, e);
	yyjson_doc_free(doc);
	return rc;
}
