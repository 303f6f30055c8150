# SPDX-License-Identifier: Apache-2.0
ARCHIVES += worker/block
worker/block_SRCS := block.c block_disk.c block_mem.c disk_broker.c disk_broker_host.c disk_error.c disk_holder.c \
	disk_probe.c disk_source.c disk_zero.c engine_psync.c engine_uring.c uring.c
worker/block_DEPS := uring
