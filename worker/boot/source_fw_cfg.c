// SPDX-License-Identifier: Apache-2.0
/* QEMU: -fw_cfg name=opt/wherry/bootdata,file=F, shown by the kernel's fw_cfg driver (docs/specs/fw_cfg in QEMU). */
#include "boot/bootdata.h"
#include "boot/source_file.h"

static int read_fw_cfg(const char *root, struct buf *out, bool *found, struct err *e)
{
	return source_file_read(root, "/sys/firmware/qemu_fw_cfg/by_name/opt/wherry/bootdata/raw", BOOTDATA_MAX,
				out, found, e);
}

const struct boot_source boot_source_fw_cfg = {
	.name = "QEMU fw_cfg (opt/wherry/bootdata)",
	.read = read_fw_cfg,
};
