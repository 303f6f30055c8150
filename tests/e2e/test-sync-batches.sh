#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 420
#
# A machine with more disks than a worker takes: they are copied in batches by workers of their own, of which there is one
# pair at a time, and become one generation. Killed in the second batch; gone on with; incremental; verified. qemu-img
# compares every byte; the kernel's list of processes and the clouds' lists tell what is there.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img jq openssl

cloud_a=$work/a cloud_b=$work/b job=$work/job.json disks=()
new_cloud a
new_cloud b
for i in 0 1 2 3 4; do
	filled "$work/d$i.raw" 8 "disk $i"
	disks+=(--disk "name=d$i,file=$work/d$i.raw,format=raw")
done
"$BUILD/qemu-cloud" add-machine "$cloud_a" m --memory 128 --vcpus 1 --firmware bios "${disks[@]}"
write_job "$job" t m m
jq '.source.worker_disks = 2 | .target.worker_disks = 3' "$job" >"$job.new" && mv "$job.new" "$job"
inventory_a=$(inventory "$cloud_a") inventory_b=$(inventory "$cloud_b")

all_equal() {
	local i
	for i in 0 1 2 3 4; do
		same_as_replica "$cloud_b" t "$i" "$work/d$i.raw" || fail "disk $i differs from its replica"
	done
}
workers() { jq -r 'select(.event == "step" and .step == "worker") | .text' "$work/events" | grep -c "$1" || :; }

watcher=''
stop_watcher() { [ -z "$watcher" ] || { kill "$watcher" 2>/dev/null && wait "$watcher"; watcher=''; } || :; }
cleanup_fns+=(stop_watcher)
watch_workers() {
	while sleep 0.05; do cloud_pids "$work" | wc -l >>"$work/running"; done &
	watcher=$!
}

say 'plan: three workers at each end, the smaller number of disks decides'
wherry plan "$job" >"$work/plan"
grep -q 'export1-XXXX .*reads disks 0-1 of 5 (a worker takes 2)$' "$work/plan" || fail "$(cat "$work/plan")"
grep -q 'export3-XXXX .*when the one before is gone: reads disk 4 of 5 ' "$work/plan" || fail "$(cat "$work/plan")"
grep -q 'import2-XXXX .*writes disks 2-3 of 5 of the replica (a worker takes 3)$' "$work/plan" || fail "$(cat "$work/plan")"

say 'killed in the second batch'
wherry_bg sync "$job" --json >"$work/killed" 2>&1 &
pid=$!
for ((i = 0; i < 2400; i++)); do
	! grep -q 'import2.* for disks 2-3 of 5' "$work/killed" || break
	kill -0 "$pid" 2>/dev/null || break
	sleep 0.05
done
kill -KILL "$pid" || fail "the sync ended: $(tail -n 2 "$work/killed")"
wait "$pid" 2>/dev/null || :
same_as_replica "$cloud_b" t 1 "$work/d1.raw" || fail 'the first batch was not copied before the second'
expect 4 'no committed generation' wherry promote "$job" --last-good

say 'the next sync goes on: the first batch is compared, not sent'
watch_workers
sync_job "$job"
stop_watcher
all_equal
nothing_left
[ "$(result sent)" = $((24 << 20)) ] || fail "sent $(result sent) of the 24 MiB of the last three disks"
[ "$(result unchanged)" = $((16 << 20)) ] || fail "unchanged $(result unchanged), not the 16 MiB of the first two disks"
[ "$(result read)" = $((40 << 20)) ] || fail "read $(result read) of 40 MiB"
[ "$(result attempts)" = 3 ] || fail "attempts $(result attempts) for three batches"
[ "$(workers 'source worker')" = 3 ] && [ "$(workers 'target worker')" = 3 ] || fail "workers: $(cat "$work/events")"
[ "$(sort -n "$work/running" | tail -n 1)" = 2 ] || fail "workers at a time: $(sort "$work/running" | uniq -c)"

say 'incremental: a chunk in the first batch, two in the last'
poke "$work/d1.raw" 1048576 first
poke "$work/d4.raw" 65536 last
poke "$work/d4.raw" 4194304 more
sync_job "$job"
all_equal
nothing_left
[ "$(result sent)" = $((3 * 65536)) ] || fail "sent $(result sent), not 3 chunks"
[ "$(result generation)" = 2 ] || fail "generation $(result generation)"

say 'verify has import workers only: two'
wherry verify "$job" --json >"$work/events" 2>"$work/talk" || fail "$(cat "$work/talk")"
[ "$(workers 'target worker')" = 2 ] || fail "workers: $(cat "$work/events")"
[ "$(result verified)" = 2 ] || fail "verified $(result verified)"
nothing_left
