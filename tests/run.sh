#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh TEST...: run unit test programs and test scripts, each with a time limit, its output in
# build/test-logs/<name>.log. A line for each as it ends; the last lines of the log of one that failed; at the end
# "N passed, N failed" and, when there were any, ", N skipped". Exit status 1 when one failed. They share nothing, and many
# wait more than they work, so there is one under way for each processor, or TEST_JOBS.
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
declare -A test_of=() begin_of=() # by process id: those under way
trap '[ ${#test_of[@]} = 0 ] || { kill -TERM "${!test_of[@]}" && wait; } 2>/dev/null; exit 130' INT TERM

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

start() { # TEST
	timeout --kill-after=60 "$(limit_of "$1")" "$1" >"$logs/$(basename "$1" .sh).log" 2>&1 </dev/null &
	test_of[$!]=$1 begin_of[$!]=$EPOCHREALTIME
}

# The next one that ends.
reap() {
	local pid name log took rc
	wait -n -p pid "${!test_of[@]}"
	rc=$?
	name=$(basename "${test_of[$pid]}" .sh)
	log=$logs/$name.log
	took=$(awk -v a="${begin_of[$pid]}" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
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
	124 | 137) fail "$name" "$took" "$log" "not done after $(limit_of "${test_of[$pid]}") s" ;;
	*) fail "$name" "$took" "$log" "exit status $rc" ;;
	esac
	unset "test_of[$pid]" "begin_of[$pid]"
}

for t; do
	case $t in /*) ;; *) t=$PWD/$t ;; esac
	[ "${#test_of[@]}" -lt "${TEST_JOBS:-$(nproc)}" ] || reap
	start "$t"
done
while [ "${#test_of[@]}" -gt 0 ]; do reap; done

[ -z "$failures" ] || echo "failed:$failures"
printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
echo
[ "$failed" = 0 ]
