# SPDX-License-Identifier: Apache-2.0
# The main job, shown once from end to end.

run-demo: all $(BUILD)/qemu-cloud $(BUILD)/image/vmlinuz $(BUILD)/image/initramfs.img
	$(Q)BUILD=$(CURDIR)/$(BUILD) tests/demo/demo.sh
