// SPDX-License-Identifier: Apache-2.0
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "state_file.h"

/* Magic numbers of statfs(2) whose locks or fsync do not mean what the journal needs (linux/magic.h). */
static const struct {
	unsigned long magic;
	const char *name;
} network_fs[] = {
	{0x6969, "NFS"},        {0x517b, "SMB"},         {0xff534d42, "CIFS"},    {0xfe534d42, "SMB2"},
	{0x01021997, "9P"},     {0x5346414f, "AFS"},     {0x6b414653, "AFS"},     {0x73757245, "Coda"},
	{0x00c36400, "Ceph"},   {0x0bd00bd0, "Lustre"},  {0x564c, "NCP"},         {0x19830326, "FhGFS"},
};

const char *state_network_fs(unsigned long magic)
{
	for (size_t i = 0; i < sizeof network_fs / sizeof network_fs[0]; i++)
		if (network_fs[i].magic == (magic & 0xffffffff))
			return network_fs[i].name;
	return NULL;
}

int state_refuse_network(const char *dir, struct err *e)
{
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot look at the state directory %s", dir);
	const char *name = state_network_fs((unsigned long)fs.f_type);
	if (name == NULL)
		return 0;
	return err_set(e, ERR_REFUSED, 0,
		       "the state directory %s is on a network file system (%s), where locks and fsync cannot be "
		       "relied on: choose one on a local disk with --state-dir", dir, name);
}

static char *default_dir(void)
{
	const char *set = getenv("WHERRY_STATE_DIR"), *home = getenv("HOME"), *xdg = getenv("XDG_STATE_HOME");

	if (set != NULL && set[0] != '\0')
		return mem_strdup(set);
	if (geteuid() == 0)
		return mem_strdup("/var/lib/wherry");
	if (xdg != NULL && xdg[0] == '/')
		return mem_printf("%s/wherry", xdg);
	return home != NULL && home[0] == '/' ? mem_printf("%s/.local/state/wherry", home) : NULL;
}

int state_sync_dir(const char *dir, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot make the folder %s durable", dir);
	return 0;
}

int state_make_dirs(const char *path, struct err *e)
{
	cleanup(cleanup_free) char *part = mem_strdup(path);

	for (char *slash = part + 1;; slash++) {
		slash = strchrnul(slash, '/');
		bool last = *slash == '\0';

		*slash = '\0';
		if (mkdir(part, 0700) == 0) {
			cleanup(cleanup_free) char *above = mem_strdup(part);
			char *cut = strrchr(above, '/');

			if (cut != NULL)
				cut[cut == above] = '\0';
			if (state_sync_dir(cut != NULL ? above : ".", e) < 0)
				return -1;
		} else if (errno != EEXIST && (last || errno != EROFS)) {
			return err_set(e, err_kind_of_errno(errno), errno, "cannot make the folder %s", part);
		}
		if (last)
			return 0;
		*slash = '/';
	}
}

int state_open(const char *dir, struct state *s, struct err *e)
{
	cleanup(cleanup_free) char *path = dir != NULL ? mem_strdup(dir) : default_dir();
	struct stat st;

	s->dir = NULL;
	if (path == NULL || path[0] == '\0')
		return err_set(e, ERR_CONFIG, 0, "there is no place for the state: set HOME, or name one with "
			       "--state-dir");
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	if (state_make_dirs(path, e) < 0)
		return err_wrap(e, "state directory (--state-dir chooses another)");
	if (stat(path, &st) < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot look at the state directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFIG, 0, "%s is no folder: name another state directory with --state-dir",
			       path);
	if ((st.st_mode & 0022) != 0)
		return err_set(e, ERR_DENIED, 0,
			       "others may write to the state directory %s (mode %04o), so its keys prove nothing: run "
			       "`chmod 700 %s` if nobody else was there", path, st.st_mode & 07777, path);
	if (access(path, R_OK | W_OK | X_OK) < 0)
		return err_set(e, err_kind_of_errno(errno), errno,
			       "the state directory %s cannot be used by this user; name another with --state-dir",
			       path);
	if (state_refuse_network(path, e) < 0)
		return -1;
	s->dir = take_ptr(&path);
	return 0;
}

void state_fini(struct state *s)
{
	free(s->dir);
	s->dir = NULL;
}

char *state_path(const struct state *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cleanup(cleanup_free) char *tail = mem_vprintf(fmt, ap);
	va_end(ap);
	return mem_printf("%s/%s", s->dir, tail);
}

static char *disk_folder(const struct state *s, const char *job, unsigned disk)
{
	char *folder = state_path(s, "manifests/%s/disk%u", job, disk);
	struct err ignored = ERR_INIT;

	state_make_dirs(folder, &ignored); /* whoever opens the file learns of it */
	return folder;
}

char *state_working_path(const struct state *s, const char *job, unsigned disk)
{
	cleanup(cleanup_free) char *folder = disk_folder(s, job, disk);

	return mem_printf("%s/working", folder);
}

char *state_generation_path(const struct state *s, const char *job, unsigned disk, uint64_t generation)
{
	cleanup(cleanup_free) char *folder = disk_folder(s, job, disk);

	return mem_printf("%s/%llu", folder, (unsigned long long)generation);
}

/* ---- The lock of a job: an open-file-description lock, so that others can ask for it without taking it. ---- */

static int open_lock(const struct state *s, const char *job, bool make, struct err *e)
{
	cleanup(cleanup_free) char *folder = state_path(s, "jobs/%s", job);
	cleanup(cleanup_free) char *path = mem_printf("%s/lock", folder);

	if (make && state_make_dirs(folder, e) < 0)
		return -1;
	int fd = open(path, O_RDWR | O_CLOEXEC | (make ? O_CREAT : 0), 0600);
	if (fd < 0)
		err_set(e, err_kind_of_errno(errno), errno, "cannot open the lock file %s", path);
	return fd;
}

static void read_holder(int fd, char *out, size_t size)
{
	ssize_t n = pread(fd, out, size - 1, 0);

	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (out[0] == '\0')
		snprintf(out, size, "a process that just took it");
}

bool state_job_held(const struct state *s, const char *job, char *holder, size_t size)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct err ignored = ERR_INIT;
	cleanup(cleanup_fd) int fd = open_lock(s, job, false, &ignored);

	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return false;
	read_holder(fd, holder, size);
	return true;
}

static int refuse_held(int fd, const char *job, struct err *e)
{
	char holder[256];

	/* Who took it in this moment writes the name in the next one; until then the last holder's may stand there. */
	clock_sleep_ns(50 * NS_PER_MS);
	read_holder(fd, holder, sizeof holder);
	return err_set(e, ERR_BUSY, 0,
		       "job %s is held by %s: wait until that command ends or stop it, then try again", job, holder);
}

int state_lock_job(const struct state *s, const char *job, const char *command, struct err *e)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char text[256], host[80] = "", now[24];
	cleanup(cleanup_fd) int fd = open_lock(s, job, true, e);

	if (fd < 0)
		return -1;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return refuse_held(fd, job, e);
		return err_set(e, err_kind_of_errno(errno), errno, "cannot lock job %s in %s", job, s->dir);
	}
	gethostname(host, sizeof host - 1);
	int n = snprintf(text, sizeof text, "pid %ld on %s since %s: wherry %s", (long)getpid(), host,
			 clock_format(clock_wall_ns(), now), command);
	n = n < (int)sizeof text ? n : (int)sizeof text - 1;
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot write the lock file of job %s in %s", job,
			       s->dir);
	return take_fd(&fd);
}
