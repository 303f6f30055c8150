#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 240
#
# A sync whose job file lets it send so little that it would take two minutes; the limit is changed, then lifted, while
# it runs. That it ends in time is the proof. Limits that were set hold for the next run, until they are reset.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img jq openssl

two_clouds
jq '.limits = {"bandwidth": "256kB/s"}' "$job" >"$work/slow.json"
expect 0 'limited to 256 kB/s on the network, as in the job file' wherry limit "$work/slow.json"
expect 2 'bandwidth: expected a rate' wherry limit "$work/slow.json" --bandwidth 100

# told WORDS: wait until an event of the sync has them
told() {
	local tries
	for ((tries = 0; tries < 1200; tries++)); do
		! grep -q "$1" "$work/events" || return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	cat "$work/events" "$work/talk"
	fail "the sync never told '$1'"
}

say 'a sync at 256 kB/s, then 257 kB/s, then without limits'
: >"$work/events"
wherry_bg sync "$work/slow.json" --json >"$work/events" 2>"$work/talk" &
pid=$!
told '"progress".*"limits":{"bandwidth":256000}'
expect 0 "taken up within a second by pid $pid" wherry limit "$work/slow.json" --bandwidth 257kB/s
told '"step":"limit","text":"limited to 257 kB/s on the network"'
[ "$(jq -s 'map(select(.event == "progress")) | last | .durable' "$work/events")" -lt $((24 << 20)) ] || fail 'no limit at all'
wherry limit "$work/slow.json" --none >/dev/null
told 'no limits any more'
wait "$pid" || { cat "$work/talk"; fail "the sync ended with status $?"; }
replica_equals t
nothing_left
[ "$(result sent_raw)" = "$(result sent)" ] || fail "noise does not shrink, but $(result sent_raw) of $(result sent) was sent raw"
[ "$(result levels)" = none=$((32 << 4)) ] || fail "levels: $(result levels)"
[ "$(result ratio)" = 1.00 ] || fail "ratio: $(result ratio)"
expect 0 '"sent_raw":33554432,"levels":"none=512"' wherry status "$job" --json

say 'what was set holds for the next run, too, until it is reset'
wherry limit "$work/slow.json" --disk-iops 5000 >/dev/null
expect 0 '5000 IOPS on each disk .set by' wherry status "$work/slow.json"
poke "$work/d0.raw" 65536 next
sync_job "$work/slow.json"
grep -q '"limited to 5000 IOPS on each disk"' "$work/events" || fail 'the second run knows of no limit'
replica_equals t
expect 0 'as in the job file' wherry limit "$work/slow.json" --reset
nothing_left
