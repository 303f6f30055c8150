#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 300
#
# Two syncs of one job started together, from one state directory and from two (strangers, and one a copy of the other):
# one runs, the other says who holds the job or the replica and exits. There are never two writers: the kernel's list of
# processes is looked at all the time for a second worker of the target.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img jq openssl

two_clouds
watcher=''
stop_watcher() { [ -z "$watcher" ] || { kill "$watcher" 2>/dev/null && wait "$watcher"; watcher=''; } || :; }
cleanup_fns+=(stop_watcher)
watch_target() {
	while sleep 0.05; do cloud_pids "$cloud_b" | wc -l >>"$work/writers"; done &
	watcher=$!
}
one_writer() {
	stop_watcher
	[ "$(sort -n "$work/writers" | tail -n 1)" = 1 ] || fail "workers at the target at a time: $(sort "$work/writers" | uniq -c)"
	rm "$work/writers"
}

# until_written FILE PID: until that sync, which runs, has written something
until_written() {
	local i
	for ((i = 0; i < 1200; i++)); do
		jq -se 'map(select(.event == "progress") | .written) | max // 0 | . > 0' "$1" >/dev/null 2>&1 && return
		kill -0 "$2" 2>/dev/null || break
		sleep 0.05
	done
	fail "a sync wrote nothing: $(tail -n 3 "$1")"
}

# both JOB STATE-DIR-1 STATE-DIR-2 [later]: together, or the second when the first writes. $winner, $loser: their pids;
# $winner_state: the state directory of the first; $sentence: what the loser said.
both() {
	local one two rc1=0 rc2=0 said
	watch_target
	STATE=$2 wherry_bg sync "$job" --json >"$work/one" 2>&1 &
	one=$!
	[ -z "${4:-}" ] || until_written "$work/one" "$one"
	STATE=$3 wherry_bg sync "$job" --json >"$work/two" 2>&1 &
	two=$!
	wait "$one" || rc1=$?
	wait "$two" || rc2=$?
	case "$rc1 $rc2" in
	'0 5') winner=$one said=$work/two winner_state=$2 ;;
	'5 0') winner=$two said=$work/one winner_state=$3 ;;
	*) tail -n 5 "$work/one" "$work/two"; fail "exit statuses $rc1 and $rc2: one must run (0), the other must not (5)" ;;
	esac
	sentence=$(jq -r 'select(.event == "error") | .message' "$said")
	say "$sentence"
	one_writer
	replica_equals "$1"
	nothing_left
}
says() { [[ $sentence =~ $1 ]] || fail "that does not say $1"; }

say 'one state directory: the job is held'
both t "$work/state" "$work/state"
says "job t is held by pid $winner on .*: wherry sync"

say 'two state directories, and the replica of one of them'
poke "$work/d0.raw" 65536 other
both t "$work/state" "$work/state2"
[ "$winner_state" = "$work/state" ] || fail 'the replica changed hands'
says "wherry-t-disk0.*owner $(cat "$work/state/owner")"

say 'a copy of the state directory, started together and while the other writes'
cp -a "$work/state" "$work/copy"
poke "$work/d0.raw" 131072 copied
both t "$work/state" "$work/copy"
says "wherry-t-disk0 is held by .*pid $winner on "
filled "$work/d1.raw" 8 more
both t "$work/state" "$work/copy" later
[ "$winner_state" = "$work/state" ] || fail 'the sync that wrote was not the one to go on'
says "wherry-t-disk0 is held by .*pid $winner on "

say 'two state directories, and no replica yet: both want to make it'
write_job "$job" u m m
both u "$work/state3" "$work/state4"
says "wherry-u-disk0.*owner $(cat "$winner_state/owner")"
