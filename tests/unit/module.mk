# SPDX-License-Identifier: Apache-2.0
# What the unit tests of each folder are linked with: the archives of their own floor and below, nothing above.

UNIT_LIBS_base := worker/base
UNIT_LIBS_net := worker/net worker/base
UNIT_LIBS_block := worker/block worker/base
UNIT_LIBS_manifest := worker/manifest worker/base
UNIT_LIBS_copy := worker/copy worker/net worker/block worker/manifest worker/base
UNIT_LIBS_boot := worker/boot worker/net worker/block worker/manifest worker/base
UNIT_LIBS_job := worker/job worker/copy worker/boot worker/net worker/block worker/manifest worker/base
UNIT_LIBS_control := control worker/manifest worker/net worker/base

# The files of the commands stand directly in worker/, in no archive.
UNIT_LIBS_host := worker/net worker/manifest worker/base
UNIT_SRCS_host := worker/host_options.c worker/host_order.c
