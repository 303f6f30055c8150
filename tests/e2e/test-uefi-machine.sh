#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 240
#
# A machine that starts by UEFI from a program that only its boot entry names (as installed systems do; there is no
# fallback on the disk) is replicated and promoted: its variables go with it, and the promoted machine starts by them.
# The guest is the appliance's own EFI program, which says on the console that nobody told it what to do.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img jq python3 sgdisk mkfs.vfat mmd mcopy
template=/usr/share/OVMF/OVMF_VARS_4M.fd
[ -f "$template" ] || { echo "needs the package ovmf"; exit 77; }

# starts CLOUD: machine u boots the guest within 90 s
starts() {
	local console=$1/run/u/serial.log i
	"$BUILD/qemu-cloud" start "$1" u
	for ((i = 0; i < 900; i++)); do
		if grep -qa 'does not know what to do' "$console"; then
			grep -qa 'starting Boot0007 "guest"' "$console" || fail "not by its entry: $(tail -c 2000 "$console")"
			"$BUILD/qemu-cloud" stop "$1" u --now
			return
		fi
		sleep 0.1
	done
	fail "machine u in $1 did not boot: $(tail -c 2000 "$console")"
}

cloud_a=$work/a cloud_b=$work/b job=$work/job.json disk=$work/u.raw
new_cloud a
new_cloud b
truncate -s 64M "$disk"
sgdisk -n 1:2048:+60M -t 1:ef00 "$disk" >/dev/null
mkfs.vfat -F 32 -s 1 --offset 2048 "$disk" 61440 >/dev/null 2>&1
mmd -i "$disk@@1M" ::/EFI ::/EFI/guest
mcopy -i "$disk@@1M" "$BUILD/image/wherry.efi" ::/EFI/guest/guest.efi
"$BUILD/qemu-cloud" add-machine "$cloud_a" u --memory 512 --vcpus 2 --firmware uefi \
	--disk "name=d0,file=$disk,format=raw,boot"
cp "$template" "$cloud_a/machines/u.efivars"
"$top/tests/guest/efi-boot-entry.py" "$cloud_a/machines/u.efivars" "$disk" '\EFI\guest\guest.efi'
write_job "$job" t u u

say 'it boots where it is'
starts "$cloud_a"

say 'it is replicated; promoted, it has the variables that it had then'
cp "$cloud_a/machines/u.efivars" "$work/then.efivars"
sync_job "$job"
printf 'garbage' >>"$cloud_a/machines/u.efivars"
wherry promote --no-start --quiet "$job"
cmp "$work/then.efivars" "$cloud_b/machines/u.efivars" || fail 'its UEFI variables are not those of the generation'

say 'it boots there'
starts "$cloud_b"

say 'variables that no firmware here knows: told before the machine is needed, and not booted with others'
rm "$cloud_b/machines/u.efivars"
truncate -s 4096 "$cloud_b/machines/u.efivars"
expect 4 '4096 bytes, and no OVMF' "$BUILD/qemu-cloud" start "$cloud_b" u
truncate -s 4096 "$cloud_a/machines/u.efivars"
write_job "$job" other u other
expect 0 '^warning: target: machine u has UEFI variables of 4096 bytes.*cannot be promoted here' wherry validate "$job"
