# SPDX-License-Identifier: Apache-2.0
# The appliance as files to boot: kernel and initramfs by themselves, one EFI program of both, one disk, and the
# other formats of that disk.
#
# image/cmdline is the command line of the disk and of the EFI program. It has no panic=: a machine whose kernel panics
# stops with the reason on its console, where the controller reads it and takes the machine away; a restart would loop.
# Who starts QEMU with -kernel adds panic=-1 and -no-reboot (or a pvpanic device), so that a panic ends the process.
IMAGE := $(BUILD)/image
IMAGE_MIB_MAX := 12
IMAGE_FILES := $(addprefix $(IMAGE)/,vmlinuz initramfs.img wherry.efi wherry.raw wherry.qcow2 wherry.vhd)
IMAGE_BOOTLOADERS := syslinux,GPL-2.0-or-later,/usr/bin/syslinux \
	syslinux-common,GPL-2.0-or-later,/usr/lib/syslinux/mbr/gptmbr.bin \
	systemd-boot-efi,LGPL-2.1-or-later,/usr/lib/systemd/boot/efi/linuxx64.efi.stub
# Recursive: the worker's own module.mk may be read after this one.
IMAGE_DEPS = musl $(call uniq,$(wherry-worker_DEPS) $(call deps_of,$(wherry-worker_LIBS)))

image: $(IMAGE)/manifest.json ## build the appliance: kernel, initramfs, disk images, manifest (12 minutes, then seconds)
	$(Q)image/size.sh $(IMAGE_MIB_MAX) $(IMAGE)/vmlinuz $(IMAGE)/initramfs.img

$(IMAGE)/wherry.efi: image/uki.sh image/cmdline $(IMAGE)/vmlinuz $(IMAGE)/initramfs.img
	$(call say,UKI,$@)
	$(Q)image/uki.sh $@ $(IMAGE)/vmlinuz $(IMAGE)/initramfs.img image/cmdline

$(IMAGE)/wherry.raw: image/raw.sh $(IMAGE)/wherry.efi
	$(call say,DISK,$@)
	$(Q)image/raw.sh $@ $(IMAGE)/vmlinuz $(IMAGE)/initramfs.img $(IMAGE)/wherry.efi image/cmdline

$(IMAGE)/wherry.qcow2 $(IMAGE)/wherry.vhd: image/formats.sh $(IMAGE)/wherry.raw
	$(call say,DISK,$@)
	$(Q)image/formats.sh $(IMAGE)/wherry.raw $@

$(IMAGE)/manifest.json: image/manifest.sh $(IMAGE_FILES)
	$(call say,JSON,$@)
	$(Q)BUILD=$(BUILD) image/manifest.sh $(VERSION) $(IMAGE_FILES) -- $(IMAGE_BOOTLOADERS) -- $(IMAGE_DEPS) >$@

# What tests/e2e/test-image-disks.sh boots in the worker's place.
PROGRAMS += image-probe
image-probe_SRCS := tests/e2e/image_probe.c

E2E_NEEDS += $(IMAGE)/manifest.json $(BUILD)/image-probe

PROGRAMS += bare-init
bare-init_SRCS := tests/bench/bare_init.c

$(BUILD)/bench/bare.img: initramfs/mkinitramfs.sh tests/bench/bare.list $(BUILD)/bare-init
	$(Q)initramfs/mkinitramfs.sh $@ tests/bench/bare.list init=$(BUILD)/bare-init

bench-boot: $(IMAGE)/manifest.json $(BUILD)/bench/bare.img ## time the appliance's boot against a bare init and Debian's cloud kernel
	$(Q)BUILD=$(BUILD) tests/bench/boot.sh
.PHONY: image bench-boot
