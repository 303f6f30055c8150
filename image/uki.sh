#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# uki.sh OUT VMLINUZ INITRAMFS CMDLINE: one EFI program of systemd's boot stub, kernel, initramfs and command line
# (a "unified kernel image"): what a UEFI machine starts, by itself or from a network, and what can be signed whole.
#
# The stub comes from the Debian package systemd-boot-efi (EFI_STUB to name another). Its sections are loaded where
# objcopy puts them, so each gets an address behind all before it.

set -euo pipefail
[ $# = 4 ] || { echo "usage: uki.sh OUT VMLINUZ INITRAMFS CMDLINE" >&2; exit 2; }
out=$1 vmlinuz=$2 initramfs=$3 cmdline=$4
stub=${EFI_STUB:-/usr/lib/systemd/boot/efi/linuxx64.efi.stub}
[ -f "$stub" ] || { echo "uki: $stub is missing; install the package systemd-boot-efi." >&2; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

tr -d '\n' <"$cmdline" >"$dir/cmdline"
printf 'ID=wherry\nNAME=Wherry\nPRETTY_NAME="Wherry appliance"\n' >"$dir/osrel"

page=4096
# The first free address behind the stub's own sections.
next=$(objdump -h "$stub" | awk '$1 ~ /^[0-9]+$/ { print $4, $3 }' | while read -r vma size; do
	echo $((16#$vma + 16#$size))
done | sort -n | tail -n1)
arguments=()
for section in osrel="$dir/osrel" cmdline="$dir/cmdline" initrd="$initramfs" linux="$vmlinuz"; do
	file=${section#*=} name=.${section%%=*}
	next=$(((next + page - 1) / page * page))
	arguments+=(--add-section "$name=$file" --set-section-flags "$name=contents,alloc,load,readonly,data"
		--change-section-vma "$name=$next")
	next=$((next + $(stat -Lc %s "$file")))
done
objcopy "${arguments[@]}" "$stub" "$dir/uki"
# objcopy writes the time of day into the PE header, 8 bytes behind the signature that offset 60 points to, and a
# checksum over it, 88 bytes behind; EFI reads neither.
python3 - "$dir/uki" "${SOURCE_DATE_EPOCH:-1735689600}" <<'PYTHON'
import struct, sys

with open(sys.argv[1], "r+b") as program:
    program.seek(60)
    header = struct.unpack("<I", program.read(4))[0]
    program.seek(header + 8)
    program.write(struct.pack("<I", int(sys.argv[2])))
    program.seek(header + 88)
    program.write(bytes(4))
PYTHON
mv "$dir/uki" "$out"
