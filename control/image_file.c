// SPDX-License-Identifier: Apache-2.0
#include "image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "net/pki.h"

#define INSTALLED_IMAGE "/usr/share/wherry/image"
#define PATH_SIZE       1024

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* image/ beside the running program; "" when that cannot be told. */
static void beside_program(char *out, size_t size)
{
	char exe[PATH_SIZE];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	out[0] = '\0';
	if (n <= 0)
		return;
	exe[n] = '\0';
	char *slash = strrchr(exe, '/');

	if (slash == NULL || (size_t)(slash - exe) + sizeof "/image" > size)
		return;
	snprintf(out, size, "%.*s/image", (int)(slash - exe), exe);
}

int image_place(const char *asked, char *out, size_t size, struct err *e)
{
	const char *env = getenv("WHERRY_IMAGE");
	const char *given = asked[0] != '\0' ? asked : env;
	char beside[PATH_SIZE];

	beside_program(beside, sizeof beside);
	if (given != NULL && given[0] != '\0') {
		snprintf(out, size, "%s", given);
		if (access(given, F_OK) == 0)
			return 0;
		return err_set(e, ERR_NOT_FOUND, 0, "there is no worker image %s%s: build one with `make image`, or correct it", given,
			       asked[0] != '\0' ? "" : " (from $WHERRY_IMAGE)");
	}
	if (beside[0] != '\0' && is_dir(beside))
		snprintf(out, size, "%s", beside);
	else if (is_dir(INSTALLED_IMAGE))
		snprintf(out, size, "%s", INSTALLED_IMAGE);
	else
		return err_set(e, ERR_NOT_FOUND, 0, "there is no worker image in %s or %s: build one with `make image`, or name one "
			       "(\"image\" of a job, --file of an upload, or $WHERRY_IMAGE)", beside, INSTALLED_IMAGE);
	return 0;
}

/* ---- One file ---- */

static bool has_end(const char *name, const char *format)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && strcmp(dot + 1, format) == 0;
}

static int choose_file(const char *place, const char *const formats[], struct image_file *f, struct err *e)
{
	bool dir = is_dir(place);
	cleanup(buf_fini) struct buf known = BUF_INIT;

	for (size_t i = 0; formats[i] != NULL; i++) {
		buf_addf(&known, "%s%s", i == 0 ? "" : " or ", formats[i]);
		if (dir)
			snprintf(f->path, sizeof f->path, "%.900s/wherry.%s", place, formats[i]);
		else
			snprintf(f->path, sizeof f->path, "%s", place);
		f->format = formats[i];
		if (dir ? access(f->path, F_OK) == 0 : has_end(place, formats[i]))
			return 0;
	}
	if (dir)
		return err_set(e, ERR_NOT_FOUND, 0, "%s has no disk image wherry.%s: build it with `make image`", place, known.data);
	return err_set(e, ERR_CONFIG, 0, "%s does not end in .%s, which this cloud takes: name such a file, or the folder that `make "
		       "image` builds", place, known.data);
}

static const char *text_at(yyjson_val *object, const char *key)
{
	const char *s = yyjson_get_str(yyjson_obj_get(object, key));

	return s != NULL ? s : "";
}

/* The manifest is beside the file, and of these very bytes. */
static int read_manifest(struct image_file *f, struct err *e)
{
	const char *name = strrchr(f->path, '/') != NULL ? strrchr(f->path, '/') + 1 : f->path, *said = "";
	cleanup(cleanup_free) char *path = mem_printf("%.*smanifest.json", (int)(name - f->path), f->path);
	yyjson_doc *doc = yyjson_read_file(path, 0, NULL, NULL);
	yyjson_val *root = yyjson_doc_get_root(doc), *file;
	size_t i, max;
	int rc = 0;

	yyjson_arr_foreach(yyjson_obj_get(root, "files"), i, max, file)
		if (strcmp(text_at(file, "name"), name) == 0)
			said = text_at(file, "sha256");
	snprintf(f->version, sizeof f->version, "%s", text_at(root, "version"));
	f->wire = (unsigned)yyjson_get_uint(yyjson_obj_get(root, "wire"));
	if (f->wire == 0 || f->version[0] == '\0' || strpbrk(f->version, " \t") != NULL)
		rc = err_set(e, ERR_CONFIG, 0, "%s does not say what version %s is: build the image again with `make image`, which "
			     "writes it", path, f->path);
	else if (strcmp(said, f->sha256) != 0)
		rc = err_set(e, ERR_CONFIG, 0, "%s is not the file that %s tells of: build the image again with `make image`", f->path,
			     path);
	yyjson_doc_free(doc);
	return rc;
}

int image_file_open(const char *given, const char *const formats[], struct image_file *f, struct err *e)
{
	char place[PATH_SIZE];
	uint8_t small[32], large[64];
	struct stat st;

	*f = (struct image_file){.fd = -1};
	if (image_place(given, place, sizeof place, e) < 0 || choose_file(place, formats, f, e) < 0)
		return -1;
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st) < 0) {
		err_set(e, err_kind_of_errno(errno), errno, "cannot open the worker image %s", f->path);
		image_file_close(f);
		return -1;
	}
	f->size = (uint64_t)st.st_size;
	f->changed = st.st_mtim;
	if (pki_file_sums(f->fd, small, large, e) < 0) {
		err_wrap(e, "the worker image %s", f->path);
	} else {
		hex_encode(small, sizeof small, f->sha256);
		hex_encode(large, sizeof large, f->sha512);
		if (read_manifest(f, e) == 0)
			return 0;
	}
	image_file_close(f);
	return -1;
}

int image_file_same(const struct image_file *f, struct err *e)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot look at the worker image %s", f->path);
	if ((uint64_t)st.st_size == f->size && st.st_mtim.tv_sec == f->changed.tv_sec && st.st_mtim.tv_nsec == f->changed.tv_nsec)
		return 0;
	return err_set(e, ERR_CORRUPT, 0, "the worker image %s was written to while it was read: try again when it is built", f->path);
}

void image_file_close(struct image_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}
