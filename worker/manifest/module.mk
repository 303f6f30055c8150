# SPDX-License-Identifier: Apache-2.0
ARCHIVES += worker/manifest
worker/manifest_SRCS := cpu.c hints.c hints_text.c manifest.c manifest_commit.c manifest_format.c manifest_keys.c \
	manifest_root.c manifest_tree.c
worker/manifest_DEPS := blake3
