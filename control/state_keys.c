// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "state.h"
#include "state_file.h"

#define DAY_S   (24 * 3600)
#define CA_LIFE (10 * 365 * DAY_S)

int state_read_file(const char *path, bool secret, struct buf *out, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot open %s", path);
	if (secret && (st.st_mode & 0077) != 0)
		return err_set(e, ERR_DENIED, 0,
			       "others may read the secret %s (mode %04o): run `chmod 600 %s` if nobody did, else "
			       "remove it and run the job again (it makes a new one)", path, st.st_mode & 07777, path);
	for (;;) {
		ssize_t n = read(fd, buf_reserve(out, 4096), 4096);

		if (n < 0)
			return err_set(e, err_kind_of_errno(errno), errno, "cannot read %s", path);
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (n == 0)
			return 0;
	}
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

int state_make_file(const char *path, const void *data, size_t len, struct err *e)
{
	cleanup(cleanup_free) char *temp = mem_printf("%s.%ld", path, (long)getpid());
	cleanup(cleanup_free) char *folder = mem_strdup(path);
	cleanup(cleanup_fd) int fd = -1;

	*strrchr(folder, '/') = '\0';
	unlink(temp); /* of a dead process with our number */
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, data, len) < 0) {
		err_set(e, err_kind_of_errno(errno), errno, "cannot write %s%s", path,
			errno == ENOSPC || errno == EDQUOT ? "; make room on that disk, then run again" : "");
		unlink(temp);
		return -1;
	}
	/* A link, not a rename: whoever was first wins, and nobody goes on with a key that is no longer in the file. */
	int rc = link(temp, path);
	if (rc < 0 && errno != EEXIST)
		err_set(e, err_kind_of_errno(errno), errno, "cannot make %s", path);
	else
		rc = state_sync_dir(folder, e);
	unlink(temp);
	return rc;
}

static int hash_key(const char *path, uint8_t secret[32], struct err *e)
{
	cleanup(buf_fini) struct buf text = BUF_INIT;
	char hex[66];
	int rc = -1;

	if (access(path, F_OK) < 0) {
		if (pki_random(secret, 32, e) < 0)
			return -1;
		hex_encode(secret, 32, hex);
		strcat(hex, "\n");
		rc = state_make_file(path, hex, 65, e);
		mem_wipe(hex, sizeof hex);
		if (rc < 0)
			return -1;
	}
	if (state_read_file(path, true, &text, e) < 0)
		return -1;
	rc = text.len == 65 && text.data[64] == '\n' ? 0 : -1;
	if (rc == 0) {
		text.data[64] = '\0';
		rc = hex_decode(text.data, secret, 32);
	}
	if (rc < 0)
		err_set(e, ERR_CORRUPT, 0,
			"%s does not hold a key (64 hexadecimal digits): restore it from a backup, or remove it, and "
			"the next run hashes the replica anew", path);
	if (text.data != NULL)
		mem_wipe(text.data, text.cap);
	return rc;
}

static char *ca_certificate(const char *path, struct pki_key *ca, const char *job, struct err *e)
{
	cleanup(buf_fini) struct buf pem = BUF_INIT;
	int64_t now = clock_wall_ns() / NS_PER_S;

	if (access(path, F_OK) < 0 && (pki_ca_new(ca, job, now - DAY_S, now + CA_LIFE, &pem, e) < 0 ||
				       state_make_file(path, buf_str(&pem), pem.len, e) < 0))
		return NULL;
	buf_clear(&pem);
	if (state_read_file(path, false, &pem, e) < 0)
		return NULL;
	if (strstr(buf_str(&pem), "-----END CERTIFICATE-----") == NULL) {
		err_set(e, ERR_CORRUPT, 0, "%s holds no certificate: remove it, and the next run makes a new one",
			path);
		return NULL;
	}
	return buf_take(&pem);
}

int state_job_keys(const struct state *s, const char *job, struct job_keys *out, struct err *e)
{
	cleanup(cleanup_free) char *folder = state_path(s, "jobs/%s", job);
	cleanup(cleanup_free) char *controller = state_path(s, "controller.key");
	cleanup(cleanup_free) char *ca_key = mem_printf("%s/ca.key", folder);
	cleanup(cleanup_free) char *ca_pem = mem_printf("%s/ca.pem", folder);
	cleanup(cleanup_free) char *hash = mem_printf("%s/hash.key", folder);

	*out = (struct job_keys){0};
	if (state_make_dirs(folder, e) == 0 && hash_key(hash, out->hash_secret, e) == 0 &&
	    (out->controller = pki_key_load_or_make(controller, e)) != NULL &&
	    (out->ca = pki_key_load_or_make(ca_key, e)) != NULL &&
	    (out->ca_pem = ca_certificate(ca_pem, out->ca, job, e)) != NULL) {
		manifest_keys_derive(out->hash_secret, &out->hash);
		return 0;
	}
	job_keys_fini(out);
	return -1;
}

void job_keys_fini(struct job_keys *k)
{
	pki_key_free(k->controller);
	pki_key_free(k->ca);
	free(k->ca_pem);
	mem_wipe(k, sizeof *k);
}
