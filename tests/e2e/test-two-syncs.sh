#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 240
#
# Two syncs of one job started together, from one state directory and from two: one runs, the other says who holds the
# job or the replica and exits; there are never two writers.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img jq openssl

two_clouds
both() { # STATE-DIR-1 STATE-DIR-2 WORDS
	local one two rc1=0 rc2=0
	STATE=$1 wherry sync "$job" >"$work/one" 2>&1 &
	one=$!
	STATE=$2 wherry sync "$job" >"$work/two" 2>&1 &
	two=$!
	wait "$one" || rc1=$?
	wait "$two" || rc2=$?
	case "$rc1 $rc2" in
	'0 5') grep -E "$3" "$work/two" || { cat "$work/two"; fail "the second did not say who holds it"; } ;;
	'5 0') grep -E "$3" "$work/one" || { cat "$work/one"; fail "the first did not say who holds it"; } ;;
	*) tail -n 5 "$work/one" "$work/two"; fail "exit statuses $rc1 and $rc2: one must run (0), the other must not (5)" ;;
	esac
	replica_equals t
	nothing_left
}

say 'one state directory'
both "$work/state" "$work/state" 'pid [0-9]+'
say 'two state directories: the second finds the replica in other hands, at once and later'
poke "$work/d0.raw" 65536 other
both "$work/state" "$work/state2" 'wherry-t-disk0'
