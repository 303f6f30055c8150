#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh TEST...: run unit test programs and test scripts one after another, each with a time limit, its output in
# build/test-logs/<name>.log. A line for each; the last lines of the log of one that failed; at the end
# "N passed, N failed" and, when there were any, ", N skipped". Exit status 1 when one failed.
#
# Exit status 77 of a test means it could not run here; the last line of its output is the reason. With CI=true
# that counts as a failure. A script may state its own limit in a line "# TIMEOUT: seconds".
# BUILD is the build folder (default build); TEST_TIMEOUT the limit of those that state none.

set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-$PWD/build}
logs=$BUILD/test-logs
mkdir -p "$logs"

passed=0 failed=0 skipped=0 failures=''
child=''
trap '[ -z "$child" ] || { kill -TERM "$child" && wait "$child"; } 2>/dev/null; exit 130' INT TERM

limit_of() {
	local own=''
	case $1 in *.sh) own=$(sed -n 's/^# TIMEOUT: *\([0-9]*\).*/\1/p' "$1" | head -n1) ;; esac
	case $1 in */tests/test_*) echo "${own:-${TEST_TIMEOUT:-60}}" ;; *) echo "${own:-${TEST_TIMEOUT:-600}}" ;; esac
}

line() { printf '%-5s %s (%s s)%s\n' "$1" "$2" "$3" "${4:+: $4}"; }

fail() { # name seconds log why
	failed=$((failed + 1)) failures+=" $1"
	line FAIL "$1" "$2" "$4"
	tail -n 40 "$3" | sed 's/^/      | /'
	echo "      the whole log: ${3#"$PWD"/}"
}

run() {
	local name log limit start took rc
	name=$(basename "$1" .sh)
	log=$logs/$name.log limit=$(limit_of "$1") start=$EPOCHREALTIME
	timeout --kill-after=10 "$limit" "$1" >"$log" 2>&1 </dev/null &
	child=$!
	wait "$child"
	rc=$?
	child=''
	took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	case $rc in
	0) passed=$((passed + 1)); line ok "$name" "$took" ;;
	77)
		if [ "${CI:-}" = true ]; then
			fail "$name" "$took" "$log" "skipped, which CI counts as a failure"
		else
			skipped=$((skipped + 1))
			line skip "$name" "$took" "$(tail -n1 "$log")"
		fi
		;;
	124 | 137) fail "$name" "$took" "$log" "not done after $limit s" ;;
	*) fail "$name" "$took" "$log" "exit status $rc" ;;
	esac
}

for t; do
	case $t in /*) ;; *) t=$PWD/$t ;; esac
	run "$t"
done

[ -z "$failures" ] || echo "failed:$failures"
printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
echo
[ "$failed" = 0 ]
