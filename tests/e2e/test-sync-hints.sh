#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 420
#
# A running machine whose cloud records what it writes: a sync reads only that; a record that leaves changes out is found
# and said; a machine that was started again is read as a whole. qemu-img compares every byte.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img jq openssl

two_clouds
# guest DISK COMMAND: the machine writes, as its guest would
guest() {
	"$BUILD/qemu-cloud" qmp "$cloud_a" m human-monitor-command \
		"$(jq -n --arg c "qemu-io -d /machine/peripheral/disk$1/virtio-backend \"$2\"" '{"command-line": $c}')" >/dev/null
}
hinted_since() { wherry status "$job" --json | jq -r 'select(.event == "full-scan") | .hinted_since'; }

say 'the first sync reads everything'
"$BUILD/qemu-cloud" start "$cloud_a" m
inventory_a=$(inventory "$cloud_a")
sync_job "$job"
replica_equals t
[ "$(result hints)" = none ] || fail "hints $(result hints) in the first sync"
size=$((40 * 1048576 + 1536 + 8 * 1048576))
[ "$(result read)" = $size ] || fail "read $(result read) of $size"

say 'the second one only what was written: three chunks on one disk, one on the other'
guest 0 'write -P 0x11 64k 128k'
guest 0 'write -P 0x22 30M 512'
guest 1 'write -P 0x33 1M 64k'
sync_job "$job"
replica_equals t
nothing_left 1
[ "$(result hints)" = all ] || fail "hints $(result hints): $(cat "$work/talk")"
[ "$(result sent)" = $((4 * 65536)) ] || fail "sent $(result sent), not 4 chunks"
[ "$(result read)" = $((4 * 65536)) ] || fail "read $(result read), not 4 chunks"
[ "$(hinted_since)" = 1 ] || fail "$(wherry status "$job")"
wherry verify "$job"

say 'nothing written, and a second generation in a row'
sync_job "$job"
[ "$(result hints)" = all ] && [ "$(result read)" = 0 ] || fail "hints $(result hints), read $(result read)"
[ "$(hinted_since)" = 2 ] || fail "$(wherry status "$job")"

say 'a full scan is due'
write_job "$job" t m m '"full_scan_every": 3'
guest 0 'write -P 0x44 5M 64k'
sync_job "$job"
replica_equals t
[ "$(result hints)" = none ] && [ "$(result read)" = $size ] || fail "hints $(result hints), read $(result read)"
[ "$(hinted_since)" = 0 ] || fail "$(wherry status "$job")"

say 'a disk that changed behind the back of the record: found, said, and copied'
for ((at = 8 << 20; at < 20 << 20; at += 65536)); do poke "$work/d0.raw" $at "lie$at"; done
guest 0 'write -P 0x55 2M 64k'
sync_job "$job"
replica_equals t
[ "$(result hints)" = refuted ] || fail "hints $(result hints)"
grep -q 'list of changes of disk d0 is wrong' "$work/events" || fail "nobody said it: $(cat "$work/events")"
[ "$(result sent)" = $((193 * 65536)) ] || fail "sent $(result sent)"
wherry status "$job" | grep -q 'were WRONG' || fail "status does not tell: $(wherry status "$job")"
nothing_left 1

say 'a machine that was started again remembers nothing'
"$BUILD/qemu-cloud" stop "$cloud_a" m --now
poke "$work/d1.raw" 0 off
"$BUILD/qemu-cloud" start "$cloud_a" m
sync_job "$job"
replica_equals t
[ "$(result hints)" = none ] || fail "hints $(result hints)"
grep -q 'all of disk d1 is read' "$work/events" || fail "nobody said why: $(cat "$work/events")"
nothing_left 1
