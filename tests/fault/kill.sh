#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kill.sh [MOMENTS] [SEED]: SIGKILL of `wherry`, of the source worker or of the target worker at MOMENTS random moments of
# a sync of at least 20 checkpoints, then `wherry sync` again. After each: the replica equals the source by qemu-img; no
# process, file or port of the runs is left by the cloud's own list; what was done twice is at most one checkpoint.
#
# In every second case the machine has gone back to its old content before the next run, snapshot and all, also in the
# chunks that the killed run had already written: the replica must be right all the same.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/../e2e/lib.sh"

moments=${1:-20} seed=${2:-$RANDOM}
requires qemu-system-x86_64 qemu-img jq openssl python3
RANDOM=$seed
say "$moments moments, seed $seed"
cloud_a=$work/a cloud_b=$work/b job=$work/job.json disk=$work/disk.raw
mib=192 checkpoint_mib=16

# pseudo-random bytes that no compressor shrinks, the same for the same number
content() { openssl enc -aes-128-ctr -nosalt -pass "pass:$1" -md sha256 </dev/zero 2>/dev/null | head -c $((mib << 20)) || :; }

new_cloud a
new_cloud b
content "$seed-0" >"$disk"
"$BUILD/qemu-cloud" add-machine "$cloud_a" m --memory 128 --vcpus 1 --firmware bios --disk "name=d,file=$disk,format=raw,boot"
cat >"$job" <<EOF
{ "job": "kill",
  "source": {"provider": "qemu", "cloud": "$cloud_a", "machine": "m"},
  "target": {"provider": "qemu", "cloud": "$cloud_b", "machine": "m"},
  "options": {"chunk_size": "64K", "checkpoint_size": "${checkpoint_mib}M", "compression": "none"} }
EOF
inventory_a=$(inventory "$cloud_a") inventory_b=$(inventory "$cloud_b")
wherry sync "$job" --json >"$work/events" || fail 'the first sync failed'

written_so_far() { jq -r 'select(.event == "progress") | .written' "$1" 2>/dev/null | tail -n 1; }

# the process to kill: wherry itself, or the QEMU of one of its workers
victim_pid() { # WHAT WHERRY_PID
	local cloud=$cloud_a
	[ "$1" = wherry ] && { echo "$2"; return; }
	[ "$1" = target ] && cloud=$cloud_b
	cloud_pids "$cloud" | head -n 1
}

equal_chunks() { # FILE FILE: how many chunks of 64 KiB are the same in both
	python3 -c '
import sys
a, b = (open(f, "rb") for f in sys.argv[1:])
print(sum(x == y for x, y in iter(lambda: (a.read(65536), b.read(65536)), (b"", b""))))' "$1" "$2"
}

for ((n = 1; n <= moments; n++)); do
	case $((RANDOM % 3)) in 0) what=wherry ;; 1) what=source ;; *) what=target ;; esac
	back=$((n % 2))
	mv "$disk" "$work/old.raw"
	content "$seed-$n" >"$disk"
	wherry_bg sync "$job" --json >"$work/killed" 2>&1 &
	pid=$!
	at=$((RANDOM % (mib - 2 * checkpoint_mib) + 1))
	for ((i = 0; i < 1200; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		written=$(written_so_far "$work/killed")
		[ "${written:-0}" -ge $((at << 20)) ] && break
		sleep 0.05
	done
	victim=$(victim_pid "$what" "$pid")
	[ -n "$victim" ] && kill -KILL "$victim" 2>/dev/null
	rc=0
	wait "$pid" || rc=$?
	[ "$rc" != 0 ] || fail "the sync ended before it could be killed (moment $n, $what at $at MiB)"
	# What really is at the target now, by comparing it with what it should become: chunks that need not be sent.
	file=$("$BUILD/qemu-cloud" disk-file "$cloud_b" wherry-kill-disk0)
	qemu-img convert -U -O raw "$file" "$work/now.raw"
	there=$(equal_chunks "$work/now.raw" "$disk")
	[ "$back" = 0 ] || mv "$work/old.raw" "$disk"
	wherry sync "$job" --json >"$work/events" || { tail -n 3 "$work/events"; fail "the sync after moment $n failed"; }
	same_as_replica "$cloud_b" kill 0 "$disk" || fail "moment $n ($what at $at MiB): the replica differs"
	nothing_left
	sent=$(result sent)
	if [ "$back" = 0 ]; then
		again=$((there * 65536 + sent - (mib << 20)))
		[ "$again" -le $((checkpoint_mib << 20)) ] || fail "moment $n: $again bytes were done twice, more than a checkpoint"
		say "moment $n: $what killed at $at MiB, $((sent >> 20)) MiB left to send, $((again >> 10)) KiB done twice; equal and clean"
	else
		say "moment $n: $what killed at $at MiB, source back to its old content, $((sent >> 20)) MiB sent; equal and clean"
	fi
done
say "$moments of $moments moments survived"
