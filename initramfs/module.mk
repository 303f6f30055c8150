# SPDX-License-Identifier: Apache-2.0
# PID 1 of the appliance, BusyBox and the packed initramfs.
ARCHIVES += initramfs
initramfs_SRCS := bootdata.c console.c dhcp_event.c disk_broker.c disks.c mounts.c net.c netlink.c power.c resolv.c \
	say.c spawn.c sysfile.c
PROGRAMS += wherry-init
wherry-init_SRCS := initramfs/init.c
wherry-init_LIBS := initramfs
UNIT_LIBS_initramfs := initramfs

$(BUILD)/initramfs/busybox: initramfs/busybox.sh initramfs/busybox.config initramfs/deps.mk $(BUILD)/deps/musl.stamp
	$(Q)initramfs/busybox.sh $@

INITRAMFS_SOURCES := init=$(BUILD)/wherry-init busybox=$(BUILD)/initramfs/busybox wherry-worker=$(BUILD)/wherry-worker

$(BUILD)/image/initramfs.img: initramfs/mkinitramfs.sh initramfs/verify.sh initramfs/files.list $(BUILD)/wherry-init \
		$(BUILD)/initramfs/busybox $(BUILD)/wherry-worker
	$(call say,CPIO,$@)
	$(Q)initramfs/mkinitramfs.sh $@ initramfs/files.list $(INITRAMFS_SOURCES)
	$(Q)initramfs/verify.sh $@ initramfs/files.list >/dev/null || { rm -f $@; exit 1; }
