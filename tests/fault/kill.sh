#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kill.sh [MOMENTS] [SEED]: SIGKILL of `wherry`, of the source worker or of the target worker at MOMENTS random moments of
# a sync of at least 20 checkpoints, then `wherry sync` again. After each: the replica equals the source by qemu-img; no
# process or file of the runs is left by the clouds' own lists, and so no port; what was done twice is at most one
# checkpoint. A sync that outlives the kill of a worker says so in one sentence and leaves nothing by itself.
#
# Three of four moments are somewhere in the copying, the fourth is anywhere between start and end, and then it is always
# wherry. In every second case the machine has gone back to its old content before the next run, snapshot and all, also in
# the chunks that the killed run had already written: the replica must be right all the same.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/../e2e/lib.sh"

moments=${1:-20} seed=${2:-$RANDOM}
requires qemu-system-x86_64 qemu-img jq openssl python3
RANDOM=$seed
say "$moments moments, seed $seed"
cloud_a=$work/a cloud_b=$work/b job=$work/job.json disk=$work/disk.raw
mib=176 checkpoint_mib=16
turn=$RANDOM most=0

content() { filled "$disk" "$mib" "$seed-$1"; } # another whole disk for another number

new_cloud a
new_cloud b
content 0
"$BUILD/qemu-cloud" add-machine "$cloud_a" m --memory 128 --vcpus 1 --firmware bios --disk "name=d,file=$disk,format=raw,boot"
cat >"$job" <<JSON
{ "job": "kill",
  "source": {"provider": "qemu", "cloud": "$cloud_a", "machine": "m"},
  "target": {"provider": "qemu", "cloud": "$cloud_b", "machine": "m"},
  "options": {"chunk_size": "64K", "checkpoint_size": "${checkpoint_mib}M", "compression": "none"} }
JSON
inventory_a=$(inventory "$cloud_a") inventory_b=$(inventory "$cloud_b")

# What lies in the state directory, without the numbers of generations.
state_files() { find "$work/state" -type f -printf '%P\n' | sed 's,/[0-9]*$,/N,' | sort; }

began=${EPOCHREALTIME/./}
sync_job "$job"
run_ms=$(((${EPOCHREALTIME/./} - began) / 1000))
nothing_left
state_expected=$(state_files)
[ "$(result checkpoints)" -ge 20 ] || fail "only $(result checkpoints) checkpoints in a whole run"
say "a run that is left alone: $(result checkpoints) checkpoints, $run_ms ms"

written_so_far() { jq -r 'select(.event == "progress") | .written' "$work/killed" 2>/dev/null | tail -n 1; }

# the process to kill: wherry itself, or the QEMU of one of its workers
victim_pid() {
	case $what in
	wherry) echo "$pid" ;;
	source) cloud_pids "$cloud_a" ;;
	target) cloud_pids "$cloud_b" ;;
	esac
}

wait_for_written() { # MIB
	local i written
	for ((i = 0; i < 2400; i++)); do
		written=$(written_so_far)
		[ "${written:-0}" -lt $(($1 << 20)) ] || return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	fail "the sync ended before it could be killed at $1 MiB: $(tail -n 2 "$work/killed")"
}

equal_chunks() { # FILE FILE: how many chunks of 64 KiB are the same in both
	python3 -c '
import sys
a, b = (open(f, "rb") for f in sys.argv[1:])
print(sum(x == y for x, y in iter(lambda: (a.read(65536), b.read(65536)), (b"", b""))))' "$1" "$2"
}

# How many chunks of what the target should become are really there, when nobody writes any more: the workers of a wherry
# that was killed go on for a while.
count_there() {
	local file last=''
	there=''
	until [ -n "$there" ] && [ "$there" = "$last" ]; do
		last=$there
		[ -z "$last" ] || sleep 0.5
		file=$("$BUILD/qemu-cloud" disk-file "$cloud_b" wherry-kill-disk0)
		qemu-img convert -U -O raw "$file" "$work/now.raw"
		there=$(equal_chunks "$work/now.raw" "$disk")
	done
}

# The sync that outlived its worker: an error of its own, and nothing left but the replica.
survivor() {
	[ "$(jq -r 'select(.event == "error") | .message' "$work/killed" | wc -l)" = 1 ] ||
		fail "not one sentence after the kill of the $what worker: $(tail -n 2 "$work/killed")"
	nothing_left
}

kill_once() { # runs a sync and kills it at a random moment; $moment says when
	local at rc=0 victim
	wherry_bg sync "$job" --json >"$work/killed" 2>&1 &
	pid=$!
	if [ $((n % 4)) = 0 ]; then
		what=wherry
		at=$((RANDOM % run_ms))
		moment="$what killed after $at of $run_ms ms"
		sleep "$((at / 1000)).$(printf %03d $((at % 1000)))"
	else
		at=$((RANDOM % (mib - 2 * checkpoint_mib) + 1))
		moment="$what killed at $at MiB"
		wait_for_written "$at"
	fi
	victim=$(victim_pid)
	[ -z "$victim" ] || kill -KILL "$victim" 2>/dev/null || :
	{ wait "$pid" || rc=$?; } 2>/dev/null
	[ "$rc" != 0 ] || [ $((n % 4)) = 0 ] || fail "moment $n, $moment: the sync ended as if nothing had happened"
	[ "$what" = wherry ] || survivor
}

for ((n = 1; n <= moments; n++)); do
	case $(((turn + n) % 3)) in 0) what=wherry ;; 1) what=source ;; *) what=target ;; esac
	back=$((n % 2))
	mv "$disk" "$work/old.raw"
	content "$n"
	kill_once
	count_there
	[ "$back" = 0 ] || mv "$work/old.raw" "$disk"
	sync_job "$job"
	same_as_replica "$cloud_b" kill 0 "$disk" || fail "moment $n, $moment: the replica differs"
	nothing_left
	[ "$(state_files)" = "$state_expected" ] || fail "moment $n, $moment: in the state directory lies $(state_files)"
	sent=$(result sent)
	if [ "$back" = 0 ]; then
		again=$((there * 65536 + sent - (mib << 20)))
		[ "$again" -le "$most" ] || most=$again
		[ "$again" -le $((checkpoint_mib << 20)) ] || fail "moment $n, $moment: $again bytes done twice, more than a checkpoint"
		say "moment $n: $moment, $((sent >> 20)) MiB left to send, $((again >> 10)) KiB done twice; equal and clean"
	else
		say "moment $n: $moment, source back to its old content, $((sent >> 20)) MiB sent; equal and clean"
	fi
done
say "$moments of $moments moments survived; at most $((most >> 10)) KiB of a checkpoint of $((checkpoint_mib << 10)) done twice"
