// SPDX-License-Identifier: Apache-2.0
/* The kernel command line: wherry.bootdata=<base64>. */
#include <string.h>

#include "base/cleanup.h"
#include "base/base64.h"
#include "boot/bootdata.h"
#include "boot/source_file.h"

#define OPTION "wherry.bootdata="

static int read_cmdline(const char *root, struct buf *out, bool *found, struct err *e)
{
	cleanup(buf_fini) struct buf line = BUF_INIT;
	size_t len = 0;

	if (source_file_read(root, "/proc/cmdline", 2 * BOOTDATA_MAX, &line, found, e) < 0)
		return -1;
	*found = false;
	for (const char *at = buf_str(&line); *at != '\0'; at += len) {
		at += strspn(at, " \t\n");
		len = strcspn(at, " \t\n");
		if (strncmp(at, OPTION, strlen(OPTION)) != 0)
			continue;
		if (base64_decode(at + strlen(OPTION), len - strlen(OPTION), out) < 0)
			return err_set(e, ERR_CONFIG, 0,
				       "wherry.bootdata= on the kernel command line is not base64, or was cut off "
				       "(the kernel takes 2048 characters): use fw_cfg or a config drive for long "
				       "data");
		*found = true;
		return 0;
	}
	return 0;
}

const struct boot_source boot_source_cmdline = {
	.name = "the kernel command line (wherry.bootdata=)",
	.read = read_cmdline,
};
