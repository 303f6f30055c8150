#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# formats.sh RAW OUT...: every other format of the disk image, chosen by OUT's suffix (qcow2, vhd), made from RAW by
# qemu-img and compared back with it. Same RAW, same bytes.

set -euo pipefail
[ $# -ge 2 ] || { echo "usage: formats.sh RAW OUT..." >&2; exit 2; }
raw=$1
shift
epoch=${SOURCE_DATE_EPOCH:-1735689600}

# qemu-img writes now and a random identifier into the footer of a fixed VHD (its last 512 bytes; Microsoft, "Virtual
# Hard Disk Image Format Specification"): time at 24 counts from 2000, checksum at 64, identifier at 68.
fix_footer() { # file
	python3 - "$1" "$raw" "$epoch" <<'PYTHON'
import hashlib, struct, sys

path, raw, epoch = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(raw, "rb") as source:
    identity = hashlib.sha256(source.read()).digest()[:16]
with open(path, "r+b") as disk:
    disk.seek(-512, 2)
    footer = bytearray(disk.read(512))
    if footer[:8] != b"conectix":
        sys.exit(f"formats: {path} has no VHD footer at its end.")
    struct.pack_into(">I", footer, 24, epoch - 946684800)
    struct.pack_into(">I", footer, 64, 0)
    footer[68:84] = identity
    struct.pack_into(">I", footer, 64, ~sum(footer) & 0xFFFFFFFF)
    disk.seek(-512, 2)
    disk.write(footer)
PYTHON
}

for out; do
	rm -f "$out" "$out.new"
	case $out in
	*.qcow2)
		qemu-img convert -f raw -O qcow2 "$raw" "$out.new"
		qemu-img compare -q -f raw -F qcow2 "$raw" "$out.new"
		;;
	*.vhd)
		# Azure takes fixed disks of whole MiB only; force_size keeps qemu-img from rounding to cylinders.
		qemu-img convert -f raw -O vpc -o subformat=fixed,force_size=on "$raw" "$out.new"
		fix_footer "$out.new"
		qemu-img compare -q -f raw -F vpc "$raw" "$out.new"
		;;
	*)
		echo "formats: no format is known by the name ${out##*.}; qcow2 and vhd are." >&2
		exit 1
		;;
	esac
	mv "$out.new" "$out"
done
