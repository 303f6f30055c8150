#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The main job from end to end, on real machines: a machine with two disks runs in cloud A and keeps writing while it is
# replicated to cloud B through two booted appliances; again after 1 % of it changed; again with the client killed half
# way; then it is promoted and boots in cloud B. What is right is said by qemu-img, e2fsck, the guest itself and the
# clouds' own lists, never by wherry. Needs what `make demo` builds; leaves nothing but this output.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/../e2e/lib.sh"

requires qemu-system-x86_64 qemu-img e2fsck socat jq sgdisk syslinux
began=$SECONDS
cloud_a=$work/cloud-a cloud_b=$work/cloud-b job=$work/web1.json
root_mib=${DEMO_ROOT_MIB:-320} data_mib=${DEMO_DATA_MIB:-96}
rows=()
row() { rows+=("$(printf '%-12s %s' "$1" "$2")"); }

# what COMMAND printed as --json results, as "key value" lines in $work/result
run_sync() {
	wherry sync "$job" --json >"$work/events" || { tail -n 3 "$work/events"; fail 'wherry sync failed'; }
	jq -r 'select(.event == "result") | "\(.key) \(.value)"' "$work/events" >"$work/result"
}
result() { awk -v k="$1" '$1 == k { print $2 }' "$work/result"; }
mib() { awk -v b="$1" 'BEGIN { printf "%.1f MiB", b / 1048576 }'; }
tell() {
	say "read $(mib "$(result read)"), zero $(mib "$(result zero)"), unchanged $(mib "$(result unchanged)"), sent" \
		"$(mib "$(result sent)") as $(mib "$(result wire)"), in $(result seconds) s: generation $(result generation)"
}

# The guest answers on its console.
guest() { "$BUILD/qemu-cloud" send "$cloud_a" web1 "$1"; }
guest_says() { # CLOUD MACHINE WORDS SECONDS
	local i
	for ((i = 0; i < $4 * 5; i++)); do
		"$BUILD/qemu-cloud" console "$1" "$2" | tr -d '\r' | grep -aE "$3" | tail -n 1 && return 0
		sleep 0.2
	done
	"$BUILD/qemu-cloud" console "$1" "$2" | tail -n 20
	fail "machine $2 did not say '$3' within $4 s"
}

# e2fsck on copies of the replica's file systems; the source ran, so the journal may need a replay first.
check_file_systems() {
	local start
	replica_raw "$cloud_b" web1 0 "$work/r0.raw"
	replica_raw "$cloud_b" web1 1 "$work/r1.raw"
	start=$(sgdisk -i 2 "$work/r0.raw" | awk '/First sector/ { print $3 }')
	dd if="$work/r0.raw" of="$work/r2.raw" bs=1M skip=$((start / 2048)) conv=sparse status=none
	for fs in "$work/r2.raw" "$work/r1.raw"; do
		e2fsck -fp "$fs" >"$work/fsck" 2>&1 || [ $? = 1 ] || { cat "$work/fsck"; fail "e2fsck repaired more than a journal"; }
		e2fsck -fn "$fs" >"$work/fsck" 2>&1 || { cat "$work/fsck"; fail 'e2fsck found errors'; }
	done
	rm -f "$work"/r?.raw
	say 'e2fsck: both file systems of the replica are clean'
}

only_replica_left() {
	nothing_left 1
	say 'nothing is left: both clouds list what they listed before, and the replica'
}

say "a machine: $root_mib MiB of real files in ext4, and a data disk of $data_mib MiB and 7 sectors"
new_cloud cloud-a
new_cloud cloud-b
"$top/tests/guest/make-machine.sh" "$work/disks" "$root_mib" "$data_mib"
"$BUILD/qemu-cloud" add-machine "$cloud_a" web1 --memory 256 --vcpus 1 --firmware bios \
	--disk "name=root,file=$work/disks/root.raw,format=raw,boot" --disk "name=data,file=$work/disks/data.raw,format=raw"
inventory_a=$(inventory "$cloud_a") inventory_b=$(inventory "$cloud_b")
"$BUILD/qemu-cloud" start "$cloud_a" web1
guest_says "$cloud_a" web1 'GUEST: up' 90
cat >"$job" <<EOF
{ "job": "web1",
  "source": {"provider": "qemu", "cloud": "$cloud_a", "machine": "web1"},
  "target": {"provider": "qemu", "cloud": "$cloud_b", "machine": "web1"},
  "options": {"chunk_size": "64K", "checkpoint_size": "16M"} }
EOF

say 'validate and plan'
wherry validate "$job"
wherry plan "$job"

say 'first sync, while the machine runs and writes'
run_sync
tell
checkpoints=$(result checkpoints)
[ "$checkpoints" -ge 20 ] || fail "only $checkpoints checkpoints"
check_file_systems
whole=$(result read)
row full "$(mib "$(result sent)") sent of $(mib "$whole") read, $checkpoints checkpoints"

say 'the machine changes about 1 % of its disks, then stands still for the comparison'
guest 'change 32'
guest_says "$cloud_a" web1 'GUEST: changed 32' 60
"$BUILD/qemu-cloud" pause "$cloud_a" web1
run_sync
tell
same_as_replica "$cloud_b" web1 0 "$work/disks/root.raw" || fail 'the root disk differs from its replica'
same_as_replica "$cloud_b" web1 1 "$work/disks/data.raw" || fail 'the data disk differs from its replica'
say 'qemu-img compare: every byte of both disks is equal'
"$BUILD/qemu-cloud" resume "$cloud_a" web1
check_file_systems
row incremental "$(mib "$(result read)") read and $(mib "$(result sent)") sent, $(awk -v s="$(result sent)" -v w="$whole" 'BEGIN { printf "%.1f %%", 100 * s / w }') of the disks"
only_replica_left

say 'the machine changes a lot; the client is killed in the middle of the third sync'
guest 'change 800'
guest_says "$cloud_a" web1 'GUEST: changed 800' 120
wherry_bg sync "$job" --json >"$work/killed" 2>&1 &
victim=$!
for ((i = 0; i < 600; i++)); do
	durable=$(jq -r 'select(.event == "progress" and .disk == 0) | .written' "$work/killed" 2>/dev/null | tail -n 1)
	[ "${durable:-0}" -gt $((12 << 20)) ] && break
	sleep 0.1
done
kill -KILL "$victim"
wait "$victim" 2>/dev/null || :
say "killed after $(mib "${durable:-0}") were written; left behind:"
wherry cleanup --list "$job" | cut -c 1-66
run_sync
tell
removed=$(jq -r 'select(.event == "step" and .step == "recover") | .text' "$work/events")
[ -n "$removed" ] || fail 'the next run did not say what it cleaned up'
say "$removed"
row resumed "$(mib "$(result sent)") sent after the kill; $removed"
only_replica_left

say 'verify reads the replica back'
wherry verify "$job"
row verified "every chunk of generation $(result generation) read back"

say 'the machine goes down cleanly; last sync; promote'
guest sum
sum=$(guest_says "$cloud_a" web1 'GUEST: sum' 60)
guest off
for ((i = 0; i < 150; i++)); do [ -n "$(cloud_pids "$cloud_a")" ] || break; sleep 0.2; done
run_sync
tell
same_as_replica "$cloud_b" web1 0 "$work/disks/root.raw" || fail 'the root disk differs from its replica'
wherry promote "$job"
up=$(guest_says "$cloud_b" web1 'GUEST: up' 90)
say "cloud B, machine web1: $up"
grep -q ', 0 file system messages' <<<"$up" || fail 'the promoted machine had to repair its file systems'
"$BUILD/qemu-cloud" send "$cloud_b" web1 sum
[ "$(guest_says "$cloud_b" web1 'GUEST: sum' 60)" = "$sum" ] || fail 'the big file differs in the promoted machine'
row promoted 'boots in cloud B, mounts clean, same SHA-256'
"$BUILD/qemu-cloud" send "$cloud_b" web1 off
for ((i = 0; i < 150; i++)); do [ -n "$(cloud_pids "$cloud_b")" ] || break; sleep 0.2; done
left=$(cloud_pids "$cloud_a"; cloud_pids "$cloud_b")
[ -z "$left" ] || fail "processes are left: $left"
wherry cleanup --list "$job" | cut -c 1-66
row 'nothing left' 'no worker, cloned disk, snapshot, port or process'

echo
printf '%s\n' '  what         shown' '  -----------  -----'
printf '  %s\n' "${rows[@]}"
echo "  in $((SECONDS - began)) s"
