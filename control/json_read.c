// SPDX-License-Identifier: Apache-2.0
#include "json_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "json_doc.h"

/* A job file is a page of text; what is larger is the wrong file. */
#define FILE_MAX ((size_t)4 << 20)

static int read_file(const char *file, struct buf *text, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, err_kind_of_errno(errno), errno,
			       "cannot open %s (is the path right, and may this user read it?)", file);
	for (;;) {
		ssize_t n = read(fd, buf_reserve(text, 65536), 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EISDIR
				       ? err_set(e, ERR_CONFIG, 0, "%s is a folder: name a JSON file", file)
				       : err_set(e, err_kind_of_errno(errno), errno, "cannot read %s", file);
		text->len += (size_t)n;
		text->data[text->len] = '\0';
		if (n == 0)
			return 0;
		if (text->len > FILE_MAX)
			return err_set(e, ERR_CONFIG, 0, "%s is larger than %zu MiB: that is no JSON file of ours; "
				       "check the name", file, FILE_MAX >> 20);
	}
}

struct json_doc *json_load(const char *file, struct err *e)
{
	cleanup(buf_fini) struct buf text = BUF_INIT;

	if (read_file(file, &text, e) < 0)
		return NULL;
	return json_parse(buf_str(&text), text.len, file, e);
}

struct json_doc *json_parse(const char *text, size_t len, const char *name, struct err *e)
{
	yyjson_read_err why;
	size_t line = 1, column = 1, characters;

	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, len, 0, NULL, &why);
	if (doc == NULL) {
		yyjson_locate_pos(text, len, why.pos < len ? why.pos : len, &line, &column, &characters);
		err_set(e, ERR_CONFIG, 0, "%s:%zu:%zu: this is not JSON: %s; correct it there", name, line, column,
			len == 0 ? "the file is empty" : why.msg);
		return NULL;
	}
	struct json_doc *d = mem_alloc(sizeof *d);
	*d = (struct json_doc){.doc = doc, .name = mem_strdup(name), .findings = BUF_INIT};
	return d;
}

void json_free(struct json_doc *d)
{
	if (d == NULL)
		return;
	yyjson_doc_free(d->doc);
	buf_fini(&d->findings);
	free(d->name);
	free(d);
}

struct json_at json_root(struct json_doc *d)
{
	return (struct json_at){.doc = d, .val = yyjson_doc_get_root(d->doc)};
}

void json_path(const struct json_at *at, const char *key, char *out, size_t size)
{
	const char *dot = key != NULL && at->path[0] != '\0' ? "." : "";

	snprintf(out, size, "%.96s%s%.60s", at->path, dot, key != NULL ? key : "");
}

static void complain_v(struct json_at *at, const char *key, const char *fmt, va_list ap)
{
	struct json_doc *d = at->doc;
	char path[sizeof at->path];
	cleanup(cleanup_free) char *text = mem_vprintf(fmt, ap);

	json_path(at, key, path, sizeof path);
	/* One finding is one line, whatever a driver or a file put into it. */
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	buf_addf(&d->findings, "%s: %s%s%s\n", d->name, path, path[0] != '\0' ? ": " : "", text);
	d->count++;
}

void json_complain(struct json_at *at, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_v(at, key, fmt, ap);
	va_end(ap);
}

/* How many single-letter edits make a into b, the case of letters ignored (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[48], n = strlen(b);

	if (n >= sizeof row / sizeof row[0] || strlen(a) >= sizeof row / sizeof row[0])
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);

			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[n];
}

const char *json_nearest(const char *word, const char *const known[], size_t count)
{
	const char *near = NULL;
	size_t best = strlen(word) / 3 + 1;

	for (size_t i = 0; i < count; i++) {
		size_t d = distance(word, known[i]);

		if (d <= best && (near == NULL || d < best)) {
			near = known[i];
			best = d;
		}
	}
	return near;
}

static void complain_unknown(struct json_at *at, const char *key)
{
	cleanup(buf_fini) struct buf list = BUF_INIT;
	char shown[64];
	const char *near = json_nearest(key, at->asked, at->asked_count);

	for (unsigned i = 0; i < at->asked_count; i++)
		buf_addf(&list, "%s%s", i == 0 ? "" : ", ", at->asked[i]);
	json_shorten(key, shown, sizeof shown);
	if (near != NULL)
		json_complain(at, NULL, "unknown key \"%s\": did you mean \"%s\"? Known here: %s", shown, near,
			      buf_str(&list));
	else
		json_complain(at, NULL, "unknown key \"%s\": expected one of %s", shown, buf_str(&list));
}

static bool was_asked(const struct json_at *at, const char *key)
{
	for (unsigned i = 0; i < at->asked_count; i++)
		if (strcmp(at->asked[i], key) == 0)
			return true;
	return false;
}

/* JSON leaves open which of two equal keys counts, so neither does. */
static bool given_before(yyjson_val *object, yyjson_val *key)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(object);
	yyjson_val *k;

	while ((k = yyjson_obj_iter_next(&it)) != NULL && k != key)
		if (yyjson_equals(k, key))
			return true;
	return false;
}

void json_no_more(struct json_at *at)
{
	yyjson_obj_iter it;
	yyjson_val *key;

	if (!yyjson_is_obj(at->val))
		return;
	it = yyjson_obj_iter_with(at->val);
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		const char *name = yyjson_get_str(key);

		if (given_before(at->val, key)) {
			char shown[64];

			json_shorten(name, shown, sizeof shown);
			json_complain(at, NULL, "key \"%s\" is given twice: keep one of them", shown);
		} else if (!was_asked(at, name)) {
			complain_unknown(at, name);
		}
	}
}

int json_finish(struct json_doc *d, struct err *e)
{
	return d->count == 0 ? 0 : json_finish_text(buf_str(&d->findings), d->count, e);
}

int json_finish_text(const char *findings, unsigned count, struct err *e)
{
	char more[80];
	size_t fits = 0, lines = 0;

	/* As many whole findings as an error holds; the rest is counted. */
	for (const char *p = findings; *p != '\0'; lines++) {
		size_t end = (size_t)(strchrnul(p, '\n') - findings);

		if (end + (lines + 1 == count ? 1 : sizeof more) > sizeof e->msg)
			break;
		fits = end;
		p = findings + end + (findings[end] == '\n');
	}
	if (lines == 0)
		fits = sizeof e->msg - sizeof more;
	more[0] = '\0';
	if (lines < count && count > 1)
		snprintf(more, sizeof more, "\n... and %u more; `wherry validate` lists all",
			 count - (unsigned)(lines == 0 ? 1 : lines));
	return err_set(e, ERR_CONFIG, 0, "%.*s%s", (int)fits, findings, more);
}

const char *json_findings(struct json_doc *d)
{
	return buf_str(&d->findings);
}

char *json_write(struct json_at *at)
{
	char *text = at->val == NULL ? NULL : yyjson_val_write(at->val, 0, NULL);

	return text != NULL ? text : mem_strdup("null");
}
