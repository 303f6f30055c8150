// SPDX-License-Identifier: Apache-2.0
/* What replies say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "rest.h"

void rest_reply_fini(struct rest_reply *reply)
{
	yyjson_doc_free(reply->doc);
	free(reply->body);
	if (reply->headers != NULL)
		mem_wipe(reply->headers, strlen(reply->headers));
	free(reply->headers);
	*reply = (struct rest_reply)REST_REPLY_INIT;
}

enum err_kind rest_kind(int status)
{
	switch (status) {
	case 400: case 422: return ERR_CONFIG;
	case 401: case 403: return ERR_DENIED;
	case 404: case 410: return ERR_NOT_FOUND;
	case 409: case 412: case 423: return ERR_BUSY;
	case 408: return ERR_TIMEOUT;
	case 413: case 507: return ERR_NO_SPACE;
	case 429: case 500: case 502: case 503: case 504: return ERR_NETWORK;
	default: return status / 100 == 5 ? ERR_UNSUPPORTED : ERR_PROTOCOL;
	}
}

void rest_doc_free(yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
}

const char *rest_text(yyjson_val *object, const char *key)
{
	const char *s = yyjson_get_str(yyjson_obj_get(object, key));

	return s != NULL ? s : "";
}

uint64_t rest_number(yyjson_val *object, const char *key)
{
	yyjson_val *v = yyjson_obj_get(object, key);

	return yyjson_is_uint(v) ? yyjson_get_uint(v) : 0;
}

/* Services wrap their words differently: {"message": ...}, {"badRequest": {"message": ...}}, {"errors": [{"detail": ...}]}. */
static const char *words_of(yyjson_val *root)
{
	static const char *const keys[] = {"message", "detail", "title", "error_description"};
	yyjson_obj_iter it = yyjson_obj_iter_with(root);
	yyjson_val *key;

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (rest_text(root, keys[i])[0] != '\0')
			return rest_text(root, keys[i]);
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		yyjson_val *v = yyjson_obj_iter_get_val(key);

		v = yyjson_is_arr(v) ? yyjson_arr_get_first(v) : v;
		if (yyjson_is_obj(v) && words_of(v)[0] != '\0')
			return words_of(v);
	}
	return "";
}

const char *rest_words(const struct rest_reply *reply)
{
	const char *words = words_of(yyjson_doc_get_root(reply->doc));

	return words[0] != '\0' ? words : reply->text[0] != '\0' ? reply->text : "it does not say why";
}

/* Into one line, as part of a sentence. */
static void flatten(const char *words, char out[300])
{
	snprintf(out, 300, "%s", words);
	for (char *at = out; *at != '\0'; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
}

int rest_refusal(const struct rest_reply *r, const char *what, int64_t *not_before_ns, struct err *e)
{
	const char *words = rest_words(r);
	enum err_kind kind = rest_kind(r->status);
	char line[300], id[100];

	/* A full quota comes as 403, 409 or 413; only the words tell. */
	if (r->status / 100 == 4 && r->status != 429 && (strstr(words, "uota") != NULL || strstr(words, "xceed") != NULL))
		kind = ERR_NO_SPACE;
	if (r->retry_after_s > 0)
		*not_before_ns = clock_mono_ns() + r->retry_after_s * NS_PER_S;
	snprintf(id, sizeof id, r->id[0] != '\0' ? ", request %s" : "%s", r->id);
	flatten(words, line);
	return err_set(e, kind, 0, "%s: %s (HTTP %d%s)", what, line, r->status, id);
}

/* "/v3/volumes" of "http://host:8776/v3/volumes?limit=5". */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://"), *path = strchr(host != NULL ? host + 3 : url, '/');

	return path != NULL ? path : url;
}

int rest_ask(struct rest *r, const struct rest_call *c, const char *who, int64_t *not_before_ns, yyjson_doc **doc, struct err *e)
{
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	const char *path = path_of(c->url);
	char what[240];

	if (doc != NULL)
		*doc = NULL;
	if (rest_call(r, c, &reply, e) < 0)
		return -1;
	snprintf(what, sizeof what, "%s refused %s %.*s", who, c->method, (int)strcspn(path, "?"), path);
	if (reply.status / 100 != 2 && reply.status != 300)
		return rest_refusal(&reply, what, not_before_ns, e);
	if (doc != NULL && reply.doc == NULL)
		return err_set(e, ERR_PROTOCOL, 0, "%s answered what is no JSON: %.100s (request %s)", c->url, reply.text, reply.id);
	if (doc != NULL)
		*doc = take_ptr(&reply.doc);
	return 0;
}
