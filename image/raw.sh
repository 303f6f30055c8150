#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# raw.sh OUT VMLINUZ INITRAMFS UKI CMDLINE: a disk image that boots on BIOS and on UEFI machines. All other formats
# are made from it (formats.sh).
#
# GPT with one EFI system partition, FAT32, that is active in the sense of the BIOS as well: syslinux's gptmbr starts
# syslinux from it, which loads kernel and initramfs; UEFI starts the same two from EFI/BOOT/BOOTX64.EFI. Made with
# sgdisk, mkfs.vfat and mtools on a file: no root, no loop device. Same inputs, same bytes: identifiers are derived
# from the contents, times are SOURCE_DATE_EPOCH.

set -euo pipefail
[ $# = 5 ] || { echo "usage: raw.sh OUT VMLINUZ INITRAMFS UKI CMDLINE" >&2; exit 2; }
out=$1 vmlinuz=$2 initramfs=$3 uki=$4 cmdline=$5
export PATH=$PATH:/usr/sbin:/sbin MTOOLS_SKIP_CHECK=1 TZ=UTC LC_ALL=C
epoch=${SOURCE_DATE_EPOCH:-1735689600}
export SOURCE_DATE_EPOCH=$epoch
syslinux_mbr=/usr/lib/syslinux/mbr/gptmbr.bin

mib=64 sector=512 first=2048
offset=$((first * sector))
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
disk=$dir/disk
fat=$disk@@$offset

# id NUMBER: a GUID that says what is inside, and nothing of where or when it was made.
sum=$(cat "$vmlinuz" "$initramfs" "$uki" "$cmdline" | sha256sum)
id() {
	local hex
	hex=$(echo "$1 $sum" | sha256sum)
	echo "${hex:0:8}-${hex:8:4}-4${hex:13:3}-8${hex:17:3}-${hex:20:12}"
}

partition() {
	truncate -s "${mib}M" "$disk"
	# sgdisk -q would write nothing at all.
	sgdisk -a "$first" -n "1:$first:0" -t 1:ef00 -c 1:wherry -A 1:set:2 -U "$(id disk)" -u "1:$(id esp)" "$disk" >/dev/null
	dd if="$syslinux_mbr" of="$disk" bs=440 count=1 conv=notrunc status=none
}

file_system() {
	local last kib
	last=$(sgdisk -i 1 "$disk" | awk '/^Last sector:/ { print $3 }')
	kib=$(((last + 1 - first) / 2))
	mkfs.vfat --invariant -F 32 -s 1 -n WHERRY -i "${sum:0:8}" --offset "$first" "$disk" "$kib" >/dev/null 2>"$dir/mkfs.log" ||
		{ cat "$dir/mkfs.log" >&2; return 1; }
}

copy() { # source name
	cp "$1" "$dir/file"
	touch -d "@$epoch" "$dir/file"
	mcopy -m -i "$fat" "$dir/file" "::$2"
}

fill() {
	mmd -i "$fat" ::/EFI ::/EFI/BOOT ::/syslinux
	printf 'DEFAULT wherry\nPROMPT 0\nTIMEOUT 0\nNOESCAPE 1\nALLOWOPTIONS 0\nLABEL wherry\n KERNEL /vmlinuz\n INITRD /initrd.img\n APPEND %s\n' \
		"$(cat "$cmdline")" >"$dir/syslinux.cfg"
	copy "$dir/syslinux.cfg" /syslinux/syslinux.cfg
	copy "$vmlinuz" /vmlinuz
	copy "$initramfs" /initrd.img
	copy "$uki" /EFI/BOOT/BOOTX64.EFI
	syslinux --offset "$offset" --directory /syslinux --install "$disk"
}

for program in sgdisk mkfs.vfat mcopy syslinux; do
	command -v "$program" >/dev/null || { echo "raw: $program is missing; run make packages." >&2; exit 1; }
done
partition
file_system
fill
mkdir -p "$(dirname "$out")"
mv "$disk" "$out"
