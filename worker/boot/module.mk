# SPDX-License-Identifier: Apache-2.0
ARCHIVES += worker/boot
worker/boot_SRCS := bootdata.c config_drive.c fat.c find.c iso9660.c source_cmdline.c source_file.c \
	source_config_drive.c source_fw_cfg.c source_imds.c volume.c
worker/boot_DEPS := yyjson

# Helpers of its unit tests.
UNIT_SRCS_boot := tests/unit/boot/image_volume.c
