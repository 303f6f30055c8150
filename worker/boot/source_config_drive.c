// SPDX-License-Identifier: Apache-2.0
/*
 * A config drive among the disks of this machine. A disk that is to be copied may carry the label of one, by accident
 * or on purpose: data counts only if it looks like ours, and two disks that say different things are refused rather
 * than guessed between.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "boot/bootdata.h"
#include "boot/config_drive.h"

#define MAX_DISKS 256

struct search {
	const char *root;
	struct buf data;      /* of the first drive that has some */
	char *drive;          /* its name, NULL while there is none */
	struct err trouble;   /* the first drive that could not be read */
};

static int read_fd(void *ctx, uint64_t offset, void *p, size_t n, struct err *e)
{
	const int *fd = ctx;

	for (size_t done = 0; done < n;) {
		ssize_t got = pread(*fd, (char *)p + done, n - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(e, ERR_IO, errno, "a config drive cannot be read at byte %llu",
				       (unsigned long long)(offset + done));
		if (got == 0)
			return err_set(e, ERR_IO, 0, "a config drive ends early, at byte %llu",
				       (unsigned long long)(offset + done));
		done += (size_t)got;
	}
	return 0;
}

static bool looks_like_ours(const struct buf *data)
{
	return buf_str(data)[strspn(buf_str(data), " \t\r\n")] == '{';
}

static int take(struct search *s, const char *drive, const struct buf *data, struct err *e)
{
	if (!looks_like_ours(data))
		return 0;
	if (s->drive == NULL) {
		s->drive = mem_strdup(drive);
		buf_add(&s->data, data->data, data->len);
		return 0;
	}
	if (s->data.len == data->len && memcmp(s->data.data, data->data, data->len) == 0)
		return 0;
	return err_set(e, ERR_REFUSED, 0,
		       "%s and %s both hold bootstrap data, and not the same: a disk to be copied may pretend to "
		       "be a config drive; pass the data by fw_cfg or the kernel command line",
		       s->drive, drive);
}

static int look_at(struct search *s, const char *name, struct err *e)
{
	cleanup(cleanup_free) char *path = mem_printf("%s/dev/%s", s->root, name);
	cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	cleanup(buf_fini) struct buf data = BUF_INIT;
	struct err why = ERR_INIT;
	bool found;

	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	if (size <= 0)
		return 0; /* an empty CD drive, a card reader */
	struct volume v = {.name = path, .size = (uint64_t)size, .read = read_fd, .ctx = &fd};
	if (config_drive_read(&v, BOOTDATA_MAX, &data, &found, &why) < 0) {
		if (s->trouble.kind == ERR_NONE)
			s->trouble = why;
		return 0;
	}
	return found ? take(s, path, &data, e) : 0;
}

static int is_disk(const struct dirent *entry)
{
	static const char *const not_disks[] = {".", "loop", "ram", "zram", "nbd", "fd", "md", "dm-"};

	for (size_t i = 0; i < sizeof not_disks / sizeof not_disks[0]; i++)
		if (strncmp(entry->d_name, not_disks[i], strlen(not_disks[i])) == 0)
			return 0;
	return 1;
}

static int look_at_all(struct search *s, struct err *e)
{
	cleanup(cleanup_free) char *folder = mem_printf("%s/sys/block", s->root);
	struct dirent **names = NULL;
	int count = scandir(folder, &names, is_disk, alphasort), rc = 0;

	for (int i = 0; i < count; i++) {
		if (rc == 0 && i < MAX_DISKS)
			rc = look_at(s, names[i]->d_name, e);
		free(names[i]);
	}
	free(names);
	return rc;
}

static int read_config_drive(const char *root, struct buf *out, bool *found, struct err *e)
{
	struct search s = {.root = root, .data = BUF_INIT, .trouble = ERR_INIT};
	int rc = look_at_all(&s, e);

	*found = s.drive != NULL;
	if (rc == 0 && *found) {
		buf_add(out, s.data.data, s.data.len);
	} else if (rc == 0 && s.trouble.kind != ERR_NONE) {
		*e = s.trouble;
		rc = -1;
	}
	buf_fini(&s.data);
	free(s.drive);
	return rc;
}

const struct boot_source boot_source_config_drive = {
	.name = "a config drive (label config-2 or cidata)",
	.read = read_config_drive,
};
