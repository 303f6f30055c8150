# SPDX-License-Identifier: Apache-2.0
# Tools of the tests and the demo.

PROGRAMS += qemu-cloud
qemu-cloud_SRCS := tests/tools/qemu_cloud.c
qemu-cloud_LIBS := control worker/base
E2E_NEEDS += build/qemu-cloud

# A network that cuts connections, for tests of the chunk stream.
PROGRAMS += tests/cut_proxy
tests/cut_proxy_SRCS := tests/tools/cut_proxy.c
tests/cut_proxy_LIBS := worker/net worker/base
E2E_NEEDS += build/tests/cut_proxy
