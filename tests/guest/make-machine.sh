#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# make-machine.sh OUT ROOT_MIB DATA_MIB: the two disks of a machine that boots from its own first disk, made without root
# and without loop mounts:
#
#   OUT/root.raw   GPT; a FAT partition with syslinux, Debian's cloud kernel and an initramfs (tests/guest/init); an ext4
#                  partition labelled wroot with ROOT_MIB of real files from this host's /usr and a file var/big
#   OUT/data.raw   ext4 labelled wdata, DATA_MIB, on a disk of odd size (a few sectors more than whole MiB)
#
# KERNEL_DIR: where kernel.sh unpacked the kernel (default: below the cache directory).
set -euo pipefail

out=$1 root_mib=$2 data_mib=$3
here=$(dirname "$(realpath "$0")")
kernel=${KERNEL_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/wherry/guest-kernel}
export PATH=$PATH:/usr/sbin:/sbin
"$here/kernel.sh" "$kernel"
mkdir -p "$out"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

make_initramfs() {
	local root=$tmp/initramfs modules m file
	mkdir -p "$root/bin" "$root/modules"
	cp /bin/busybox "$root/bin/busybox"
	cp "$here/init" "$root/init"
	chmod 755 "$root/init"
	modules=$(ls "$kernel/lib/modules")
	depmod -b "$kernel" "$modules"
	# Everything these need, in an order that loads.
	for m in virtio_pci virtio_blk virtio_scsi sd_mod crc32c_generic ext4; do
		modprobe -d "$kernel" -S "$modules" --show-depends "$m" 2>/dev/null | awk '/^insmod/ { print $2 }'
	done | awk '!seen[$0]++' >"$tmp/modules"
	: >"$root/modules.list"
	while read -r file; do
		m=$(basename "$file" .xz)
		case $file in *.xz) xz -dc "$file" >"$root/modules/$m" ;; *) cp "$file" "$root/modules/$m" ;; esac
		echo "$m" >>"$root/modules.list"
	done <"$tmp/modules"
	(cd "$root" && find . | sort | cpio --quiet -o -H newc | gzip -1) >"$tmp/initrd.img"
}

# Real files: as much of this host's /usr/lib and /usr/share as fits in half of the file system.
make_stage() {
	local stage=$tmp/stage limit=$((root_mib * 1024 / 2))
	mkdir -p "$stage/var" "$stage/usr"
	local dir used=0 size
	for dir in /usr/share/doc /usr/share/perl /usr/lib/python3 /usr/share/man /usr/lib/gcc /usr/share/locale \
		/usr/lib/x86_64-linux-gnu/perl /usr/share/zoneinfo /usr/share/vim /usr/lib/git-core /usr/include; do
		[ -d "$dir" ] || continue
		size=$(du -skx "$dir" | cut -f1)
		[ $((used + size)) -le "$limit" ] || continue
		mkdir -p "$stage$(dirname "$dir")"
		cp -a --no-preserve=ownership "$dir" "$stage$(dirname "$dir")/" 2>/dev/null || continue
		used=$((used + size))
	done
	head -c $((root_mib * 1048576 / 5)) /dev/urandom >"$stage/var/big"
}

make_root() {
	local disk=$out/root.raw boot_at=$((1 << 20)) boot_kib=$((40 * 1024)) root_at=$((41 << 20))
	rm -f "$disk"
	truncate -s $((root_at + (root_mib << 20) + (1 << 20))) "$disk"
	sgdisk -n 1:2048:$((root_at / 512 - 1)) -t 1:ef00 -A 1:set:2 -n 2:$((root_at / 512)):$(((root_at + (root_mib << 20)) / 512 - 1)) \
		-t 2:8300 "$disk" >/dev/null
	mkfs.vfat -F 32 -s 1 -n WBOOT --offset $((boot_at / 512)) "$disk" "$boot_kib" >/dev/null 2>&1
	mmd -i "$disk@@$boot_at" ::/syslinux
	mcopy -i "$disk@@$boot_at" "$kernel"/boot/vmlinuz-* ::/vmlinuz
	mcopy -i "$disk@@$boot_at" "$tmp/initrd.img" ::/initrd.img
	printf 'SERIAL 0 115200\nDEFAULT w\nPROMPT 0\nTIMEOUT 1\nLABEL w\n KERNEL /vmlinuz\n INITRD /initrd.img\n APPEND console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check\n' >"$tmp/syslinux.cfg"
	mcopy -i "$disk@@$boot_at" "$tmp/syslinux.cfg" ::/syslinux/syslinux.cfg
	syslinux --offset "$boot_at" -d /syslinux --install "$disk"
	dd if=/usr/lib/syslinux/mbr/gptmbr.bin of="$disk" bs=440 count=1 conv=notrunc status=none
	mke2fs -q -t ext4 -L wroot -d "$tmp/stage" -E offset="$root_at",lazy_itable_init=0,lazy_journal_init=0 "$disk" "$((root_mib))m"
}

make_data() {
	local disk=$out/data.raw
	rm -f "$disk"
	mkdir -p "$tmp/data"
	seq 1 $((data_mib * 4000)) | sha256sum >"$tmp/data/seal"
	tar -C /usr/share -cf "$tmp/data/some.tar" common-licenses misc 2>/dev/null
	truncate -s $(((data_mib << 20) + 7 * 512)) "$disk"
	mke2fs -q -t ext4 -L wdata -d "$tmp/data" -E lazy_itable_init=0,lazy_journal_init=0 "$disk" "${data_mib}m"
}

make_initramfs
make_stage
make_root
make_data
