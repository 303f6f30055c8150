// SPDX-License-Identifier: Apache-2.0
/*
 * Config drives as cloud-init knows them: OpenStack's "config-2" with openstack/latest/user_data, NoCloud's "cidata"
 * with user-data, each as ISO 9660 or FAT on a whole disk or CD.
 */
#ifndef WHERRY_BOOT_CONFIG_DRIVE_H
#define WHERRY_BOOT_CONFIG_DRIVE_H

#include "boot/volume.h"

/* The user data of this volume, if it is a config drive; errors as of iso9660_read_file(). */
int config_drive_read(const struct volume *v, size_t max, struct buf *out, bool *found, struct err *e);

#endif
