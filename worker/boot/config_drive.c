// SPDX-License-Identifier: Apache-2.0
#include "boot/config_drive.h"

static const struct {
	const char *label, *path;
} kinds[] = {
	{"config-2", "openstack/latest/user_data"},
	{"cidata", "user-data"},
};

static int (*const readers[])(const struct volume *v, const struct volume_want *want, struct buf *out, bool *found,
			      struct err *e) = {iso9660_read_file, fat_read_file};

int config_drive_read(const struct volume *v, size_t max, struct buf *out, bool *found, struct err *e)
{
	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		for (size_t r = 0; r < sizeof readers / sizeof readers[0]; r++) {
			struct volume_want want = {.label = kinds[k].label, .path = kinds[k].path, .max = max};

			if (readers[r](v, &want, out, found, e) < 0)
				return -1;
			if (*found)
				return 0;
		}
	}
	return 0;
}
