// SPDX-License-Identifier: Apache-2.0
#include "host_key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "host_state.h"

#define SECRET 32
#define LINE   (2 * SECRET + 1)

static int read_key(int fd, const char *path, struct manifest_keys *keys, struct err *e)
{
	char text[LINE + 1] = {0};
	uint8_t secret[SECRET];
	struct stat st;
	int rc = -1;

	if (fstat(fd, &st) != 0)
		return err_set(e, ERR_IO, errno, "cannot look at the hash key %s", path);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(e, ERR_DENIED, 0, "the hash key %s can be read by others; run: chmod 600 %s", path, path);
	ssize_t n = read(fd, text, LINE);
	if (n == LINE && text[LINE - 1] == '\n')
		text[--n] = '\0';
	if (n == LINE - 1 && hex_decode(text, secret, sizeof secret) == 0) {
		manifest_keys_derive(secret, keys);
		rc = 0;
	}
	mem_wipe(text, sizeof text);
	mem_wipe(secret, sizeof secret);
	if (rc != 0)
		err_set(e, ERR_CONFIG, 0, "%s is not a hash key, which is a line of %d hexadecimal digits", path, 2 * SECRET);
	return rc;
}

static int write_key(int fd)
{
	uint8_t secret[SECRET];
	char text[LINE + 1];
	int sys = 0;

	if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
		sys = errno;
	hex_encode(secret, sizeof secret, text);
	text[LINE - 1] = '\n';
	if (sys == 0 && write(fd, text, LINE) != LINE)
		sys = errno != 0 ? errno : ENOSPC;
	if (sys == 0 && fsync(fd) != 0)
		sys = errno;
	mem_wipe(text, sizeof text);
	mem_wipe(secret, sizeof secret);
	return sys;
}

/* Complete under its name from the start, also when two commands make it at once: the first one's stays. */
static int make_key(const char *path, struct err *e)
{
	cleanup(cleanup_free) char *temp = mem_printf("%s.%ld", path, (long)getpid());
	cleanup(cleanup_fd) int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int sys = fd < 0 ? errno : write_key(fd);

	if (sys == 0 && link(temp, path) != 0 && errno != EEXIST)
		sys = errno;
	if (fd >= 0)
		unlink(temp);
	if (sys != 0)
		return err_set(e, err_kind_of_errno(sys), sys, "cannot make the hash key %s; name one with --key-file", path);
	return 0;
}

int host_key_load(const char *path, struct manifest_keys *keys, struct err *e)
{
	cleanup(cleanup_free) char *standard = path == NULL ? host_state_path("copy.key", e) : NULL;
	const char *name = path != NULL ? path : standard;

	if (name == NULL || (path == NULL && access(name, F_OK) != 0 && make_key(name, e) != 0))
		return -1;
	cleanup(cleanup_fd) int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot open the hash key %s", name);
	return read_key(fd, name, keys, e);
}
