// SPDX-License-Identifier: Apache-2.0
/* The controller's key in a file. A crash leaves either no key or a whole one, and two that start together
 * get one. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "net/pki.h"

#define KEY_FILE_MAX 16384

static void cleanup_secret(struct buf *b)
{
	if (b->data != NULL)
		mem_wipe(b->data, b->cap);
	buf_fini(b);
}

static int file_err(struct err *e, const char *what, const char *path)
{
	int sys = errno;

	return err_set(e, err_kind_of_errno(sys), sys, "cannot %s the private key file %s", what, path);
}

static int check_file(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return file_err(e, "look at", path);
	if (!S_ISREG(st.st_mode) || st.st_size > KEY_FILE_MAX)
		return err_set(e, ERR_REFUSED, 0,
			"%s is not a private key file: expected a regular file of at most %d bytes", path,
			KEY_FILE_MAX);
	if ((st.st_mode & 077) != 0)
		return err_set(e, ERR_REFUSED, 0,
			"others may read the private key file %s (mode %04o): if nobody did, run "
			"`chmod 600 %s`, else make a new key",
			path, (unsigned)st.st_mode & 07777, path);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_REFUSED, 0,
			"the private key file %s belongs to uid %u, not to %u, who runs this", path,
			(unsigned)st.st_uid, (unsigned)geteuid());
	return 0;
}

static struct pki_key *load(int fd, const char *path, struct err *e)
{
	cleanup(cleanup_secret) struct buf pem = BUF_INIT;

	if (check_file(fd, path, e) < 0)
		return NULL;
	buf_reserve(&pem, KEY_FILE_MAX); /* never moved, so that no copy of the secret stays behind */
	while (pem.len < KEY_FILE_MAX) {
		ssize_t got = read(fd, pem.data + pem.len, KEY_FILE_MAX - pem.len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			file_err(e, "read", path);
			return NULL;
		}
		if (got == 0)
			break;
		pem.len += (size_t)got;
	}
	pem.data[pem.len] = '\0';
	struct pki_key *k = pki_key_from_pem(pem.data, e);
	if (k == NULL) {
		e->kind = ERR_CORRUPT;
		err_wrap(e,
			"the private key file %s is damaged (restore it, or remove it to get a new key; "
			"workers booted "
			"for the old one must be booted again)",
			path);
	}
	return k;
}

static int sync_folder(const char *path, struct err *e)
{
	cleanup(cleanup_free) char *copy = mem_strdup(path);
	cleanup(cleanup_fd) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? file_err(e, "make durable the folder of", path) : 0;
}

static int write_whole(int fd, const struct buf *text, const char *path, struct err *e)
{
	for (size_t done = 0; done < text->len;) {
		ssize_t put = write(fd, text->data + done, text->len - done);

		if (put < 0 && errno != EINTR)
			return file_err(e, "write", path);
		done += put > 0 ? (size_t)put : 0;
	}
	return fsync(fd) < 0 ? file_err(e, "make durable", path) : 0;
}

/* 1: made; 0: somebody else was faster. */
static int publish(const char *temp, const char *path, struct err *e)
{
	int rc = link(temp, path) == 0 ? 1 : errno == EEXIST ? 0 : file_err(e, "make", path);

	if (unlink(temp) < 0 && rc >= 0)
		rc = file_err(e, "remove the temporary copy of", path);
	return rc > 0 && sync_folder(path, e) < 0 ? -1 : rc;
}

/* 1, 0 as above; -1. */
static int save_new(struct pki_key *k, const char *path, struct err *e)
{
	cleanup(cleanup_secret) struct buf pem = BUF_INIT;
	cleanup(cleanup_free) char *temp = NULL;
	uint8_t random[8];
	char hex[2 * sizeof random + 1];

	buf_reserve(&pem, KEY_FILE_MAX);
	if (pki_key_to_pem(k, &pem, e) < 0 || pki_random(random, sizeof random, e) < 0)
		return -1;
	temp = mem_printf("%s.%s", path, hex_encode(random, sizeof random, hex));
	cleanup(cleanup_fd) int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_err(e, "make", path);
	if (write_whole(fd, &pem, path, e) < 0) {
		unlink(temp);
		return -1;
	}
	return publish(temp, path, e);
}

struct pki_key *pki_key_load_or_make(const char *path, struct err *e)
{
	/* Twice: the file may appear between the look and the making. */
	for (int turn = 0; turn < 2; turn++) {
		cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd >= 0)
			return load(fd, path, e);
		if (errno != ENOENT) {
			file_err(e, "open", path);
			return NULL;
		}
		struct pki_key *k = pki_key_new(e);
		int made = k == NULL ? -1 : save_new(k, path, e);
		if (made > 0)
			return k;
		pki_key_free(k);
		if (made < 0)
			return NULL;
	}
	err_set(e, ERR_BUSY, 0, "the private key file %s comes and goes: is another program removing it?",
		path);
	return NULL;
}
