#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 420
#
# A stopped machine with two disks through two booted appliances: full, incremental, unchanged, verify, a damaged replica
# found and mended, and the ways data and control can go. qemu-img compares every byte; the clouds' lists tell what is left.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img jq openssl

two_clouds
say 'full'
sync_job "$job"
replica_equals t
nothing_left
[ "$(result generation)" = 1 ] || fail "generation $(result generation)"
[ "$(result sent)" = $((32 << 20)) ] || fail "sent $(result sent) of 32 MiB of data"

say 'incremental: three chunks on one disk, one on the other, control path dial-out'
for at in 65536 10485760 25100288; do poke "$work/d0.raw" $((at / 65536 * 65536)) "at$at"; done
poke "$work/d1.raw" 1048576 again
write_job "$job" t m m '"control_path": "dial-out"'
sync_job "$job"
replica_equals t
nothing_left
[ "$(result sent)" = $((4 * 65536)) ] || fail "sent $(result sent), not 4 chunks"

say 'nothing changed, data path target-dials'
write_job "$job" t m m '"data_path": "target-dials"'
sync_job "$job"
[ "$(result sent)" = 0 ] || fail "sent $(result sent)"
[ "$(result generation)" = 3 ] || fail "generation $(result generation)"

say 'verify, then damage the replica behind its back: found, and mended by the next sync (data path relay)'
wherry verify "$job"
file=$("$BUILD/qemu-cloud" disk-file "$cloud_b" wherry-t-disk1)
qemu-io -f "$(qemu-img info --output=json "$file" | jq -r .format)" -c 'write -P 0x5a 3M 4k' "$file" >/dev/null
expect 12 'differ' wherry verify "$job"
expect 13 'DIRTY' wherry promote "$job"
write_job "$job" t m m '"data_path": "relay"'
sync_job "$job"
[ "$(result sent)" = 65536 ] || fail "sent $(result sent) to mend one chunk"
replica_equals t
wherry verify "$job"
nothing_left

say 'zeros over data, and a lost working manifest: hashed where it is, not copied again'
dd if=/dev/zero of="$work/d0.raw" bs=1M seek=4 count=8 conv=notrunc status=none
rm "$work"/state/manifests/t/disk0/working
sync_job "$job"
replica_equals t
[ "$(result sent)" = 0 ] || fail "sent $(result sent) bytes of data although only zeros were new"
nothing_left

say 'the other ways to boot and attach: disk image, hot-plugged disks'
jq '.source.boot = "disk" | .source.hotplug = true | .target.hotplug = true' "$job" >"$work/plug.json"
poke "$work/d0.raw" 131072 plug
sync_job "$work/plug.json"
replica_equals t
[ "$(result sent)" = 65536 ] || fail "sent $(result sent), not one chunk"
nothing_left
