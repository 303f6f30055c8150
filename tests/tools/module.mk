# SPDX-License-Identifier: Apache-2.0
# Tools of the tests and the demo.

PROGRAMS += qemu-cloud
qemu-cloud_SRCS := tests/tools/qemu_cloud.c
qemu-cloud_LIBS := control worker/base
E2E_NEEDS += build/qemu-cloud
