// SPDX-License-Identifier: Apache-2.0
#include "boot/bootdata.h"

/* What only the hypervisor can write comes before what stands on a disk. */
static const struct boot_source *const sources[] = {
	&boot_source_fw_cfg,
	&boot_source_cmdline,
	&boot_source_imds,
	&boot_source_config_drive,
};

#define SOURCES (sizeof sources / sizeof sources[0])

static int nothing_found(struct err *e)
{
	struct buf places = BUF_INIT;

	for (size_t i = 0; i < SOURCES; i++)
		buf_addf(&places, "%s%s", i == 0 ? "" : i + 1 < SOURCES ? ", " : " and ", sources[i]->name);
	err_set(e, ERR_NOT_FOUND, 0, "this machine was given no bootstrap data; looked at %s", buf_str(&places));
	buf_fini(&places);
	return -1;
}

int bootdata_find(const char *root, struct buf *raw, const char **source, struct err *e)
{
	for (size_t i = 0; i < SOURCES; i++) {
		bool found = false;

		buf_clear(raw);
		int rc = sources[i]->read(root, raw, &found, e);
		if (rc < 0)
			return err_wrap(e, "bootstrap data from %s", sources[i]->name);
		if (rc == BOOT_NEEDS_NETWORK)
			return rc;
		if (found) {
			*source = sources[i]->name;
			return 0;
		}
	}
	return nothing_found(e);
}
