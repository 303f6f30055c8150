#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh [SECONDS [WORD]]: run the fuzz targets (fuzz.h), those with WORD in their names; a line for each.
#
# Without SECONDS each tries the number of inputs that its source states in "RUNS: n", the same ones each time as far as
# threads and random keys allow. With SECONDS they share that time, at least 2 s each, with other inputs every time; one
# that reached new code is kept for the next time in build/fuzz/found/. One that broke something is put into
# build/fuzz/broken/; then the exit status is 1.
# BUILD is the build folder (default build), where `make fuzz-programs` has built them.

set -u
cd "$(dirname "$0")/../.." || exit 1
work=${BUILD:-$PWD/build}/fuzz
seconds=${1:-} word=${2:-}
case $seconds in *[!0-9]*) echo "fuzz: \"$seconds\" is no number of seconds; give FUZZ_SECONDS=60" >&2; exit 2 ;; esac

targets=()
for source in tests/fuzz/fuzz_*"$word"*.c; do
	[ ! -f "$source" ] || targets+=("$(basename "$source" .c)")
done
[ ${#targets[@]} -gt 0 ] || { echo "fuzz: no target has \"$word\" in its name" >&2; exit 2; }
[ -x "$work/full/${targets[0]}" ] || { echo "clang's libFuzzer is not installed (make packages-fuzz)"; exit 77; }
share=$((${seconds:-0} / ${#targets[@]}))
[ "$share" -ge 2 ] || share=2

export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$work/broken" "$work/logs"

inputs() { # target
	if [ -n "$seconds" ]; then
		mkdir -p "$work/found/$1"
		echo "-max_total_time=$share $work/found/$1 $work/seeds/$1"
	else # files, for libFuzzer adds to a folder, and every run is to be the same
		echo "-runs=$(sed -n 's/.*RUNS: \([0-9]*\).*/\1/p' "tests/fuzz/$1.c") -seed=1" \
			"-seed_inputs=$(printf '%s\n' "$work/seeds/$1"/* | paste -sd,)"
	fi
}

run() { # target
	local program=$work/full/$1 seeds=$work/seeds/$1
	rm -rf "$seeds"
	mkdir -p "$seeds"
	"$program" --seeds "$seeds" || return
	# shellcheck disable=SC2046 # words
	"$program" -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/broken/$1-" $(inputs "$1")
}

failed=0
for target in "${targets[@]}"; do
	log=$work/logs/$target.log started=$EPOCHREALTIME
	run "$target" >"$log" 2>&1 </dev/null
	rc=$?
	took=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	if [ $rc = 0 ]; then
		printf '  FUZZ    %s: %s inputs in %s s\n' "$target" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$took"
		continue
	fi
	failed=1
	printf '  FUZZ    %s failed (exit status %s)\n' "$target" $rc
	grep -aE -A12 'does not hold|ERROR: |runtime error' "$log" | head -n 30 | sed 's/^/      | /'
	echo "      the whole log: ${log#"$PWD"/}"
	broken=$(sed -n 's/.*Test unit written to //p' "$log")
	[ -z "$broken" ] || echo "      again: build/fuzz/full/$target ${broken#"$PWD"/}"
done
exit $failed
