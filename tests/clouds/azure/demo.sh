#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 1800
#
# demo.sh [hub]: a machine with two disks in a test cloud that speaks Azure Resource Manager (of the public cloud, or of an Azure
# Stack Hub), on a host without any other network, is replicated by really booted workers (BIOS, then UEFI where there is that):
# whole; after 1 % of it has changed, with the cloud's word on what that is, and again without it; then it is promoted and
# boots. The workers' image is uploaded twice, which sends it once. The oracles are qemu-img, the cloud's own inventory and list of
# calls, and the guest's console.
# shellcheck source=tests/clouds/azure/lib.sh
. "$(dirname "$0")/lib.sh"
requires sgdisk syslinux mcopy debugfs
job=$work/shop.json
keys='"location": "westeurope", "export_worker_size": "Standard_DS1_v2"'
location=westeurope row=() hints=all bios=(--firmware bios) uefi=(--firmware uefi)
if [ "${1:-}" = hub ]; then # no galleries, no user data, nobody who knows what has changed
	location=local row=(--hub) hints=none bios=() uefi=()
	keys='"location": "local", "export_worker_size": "Standard_DS1_v2", "disk_sku": "Standard_LRS", "storage_account_name": "consoles"'
fi

tell() {
	say "read $(result read), unchanged $(result unchanged), sent $(result sent) bytes, hints: $(result hints)," \
		"in $(result seconds) s: generation $(result generation)"
}

# About 1 % of what is on the disks, as a file in each file system, while the machine is off.
change() { # SEED
	filled "$work/more" 2 "$1"
	debugfs -w -R "write $work/more more-$1" "$(file_of shop-root)?offset=$((41 << 20))" >"$work/debugfs" 2>&1 ||
		fail "debugfs: $(cat "$work/debugfs")"
	truncate -s 256K "$work/more"
	debugfs -w -R "write $work/more more-$1" "$(file_of shop-data)" >"$work/debugfs" 2>&1 || fail "debugfs: $(cat "$work/debugfs")"
}

calls() { ask_cloud calls | jq -r --arg call "$1" '[.[] | select(.mutating and (.call | test($call)))] | length'; }

# The second time nothing is sent or made, by the cloud's own list of calls; nor does the disk of the upload stay.
upload_twice() { # [FIRMWARE OPTION]
	local did pages
	pages=$(calls 'PUT page')
	wherry image upload "$@" "$job"
	[ "$(calls 'PUT page')" -gt "$pages" ] || fail 'nothing was sent'
	did=$(calls .)
	wherry image upload "$@" "$job"
	[ "$(calls .)" = "$did" ] || fail 'the second upload made or sent something'
	! ask_cloud inventory | grep -q 'disks/.*wherry_image' || fail 'the disk of the upload is left'
	wherry image list "$job"
}

sync_and_check() { # HINTS
	sync_job "$job"
	tell
	[ "$(result hints)" = "$1" ] || fail "hints: $(result hints) instead of $1"
	replica_is_right
	only_replica
}

say 'a machine, and a cloud that has it'
"$top/tests/guest/make-machine.sh" "$work/disks" 160 24
seed_shop "$work/seed.json" V1 "$location"
start_cloud "$work/arm" --seed-file "$work/seed.json" --public-net 198.51.100.0/24 "${row[@]}"
rm "$work"/disks/*.raw
write_azure_job "$job" "" "$keys"

say 'the image that workers boot from, twice'
upload_twice "${bios[@]}"
before=$(inventory_now)

say 'validate, plan'
wherry validate "$job"
wherry plan "$job"
[ "$(inventory_now)" = "$before" ] || fail 'validate or plan made something'

say 'first sync'
sync_and_check none

say 'second sync, after 1 % has changed'
change 1
sync_and_check "$hints"

say 'third sync, after another 1 %, without hints, by the other image'
change 2
write_azure_job "$job" "" "$keys" '"hints": "ignore"'
if [ "${#uefi[@]}" != 0 ]; then # the newest is the one that is used
	left=$(inventory_now)
	upload_twice "${uefi[@]}"
	before=$(sort <(echo "$before") <(comm -13 <(echo "$left") <(inventory_now)))
fi
sync_and_check none

if [ "${row[*]}" = '' ]; then # all disks of a sync are made of one restore point, of which the newest that hints need stays
	ask_cloud counts | jq -e '."restore points of 2 disks at one instant" == 3 and ."disks by Restore" == 6' >/dev/null ||
		fail "not of one instant: $(ask_cloud counts)"
	! inventory_now | grep 'snapshots/wherry-shop-snap' || fail 'a disk was snapshotted by itself'
fi

say 'promote'
wherry promote "$job"
log=$(find "$work/arm/machines" -name serial.log -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2) # the last to boot
for ((i = 0; i < 240; i++)); do
	! grep -aq 'GUEST: up' "$log" || break
	sleep 0.5
done
grep -a 'GUEST: up' "$log" || { tail -n 20 "$log"; fail 'the promoted machine did not come up'; }
wherry cleanup
only_replica shop-there
no_defects
[ "${row[*]}" = '' ] || conformance "$work/arm" 200
say "$(ask_cloud counts | jq 'map(numbers) | add') calls; nothing is left but the replica and its machine"
