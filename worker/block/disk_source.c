// SPDX-License-Identifier: Apache-2.0
#include "block/disk_source.h"

#include <string.h>

int disk_source_list(struct disk_source *s, struct disk_list *out, struct err *e)
{
	return s->ops->list(s, out, e);
}

struct block *disk_source_open(struct disk_source *s, const char *serial, enum block_mode mode, unsigned depth,
			       struct err *e)
{
	if (disk_serial_is_valid(serial))
		return s->ops->open(s, serial, mode, depth, e);
	err_set(e, ERR_CONFIG, 0, "'%.64s' is no serial of a disk; it is 1 to %d of the characters A-Z a-z 0-9 ._:+=@,*-",
		serial, DISK_SERIAL_MAX);
	return NULL;
}

int disk_source_poweroff(struct disk_source *s, struct err *e)
{
	return s->ops->poweroff(s, e);
}

int disk_source_set_time(struct disk_source *s, int64_t wall_ns, struct err *e)
{
	return s->ops->set_time(s, wall_ns, e);
}

void disk_source_close(struct disk_source *s)
{
	if (s != NULL)
		s->ops->close(s);
}

bool disk_serial_is_valid(const char *serial)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:+=@,*-";
	size_t n = strlen(serial);

	return n > 0 && n <= DISK_SERIAL_MAX && strspn(serial, allowed) == n;
}
