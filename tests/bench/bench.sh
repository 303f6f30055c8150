#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh [SCENARIO...]: measure Wherry and the tools that people use today on the same work, in turns, and write
# build/bench/raw.tsv (every run), report.md (medians and bounds) and bench.svg. Without arguments: all scenarios.
#
#   images.sh    the disks that all of them work on, and how each is put back before a run
#   cases.sh     the scenarios as a table of commands, and the bounds
#   measure.c    runs one case; says what is counted
#   report.awk   bounds and medians in Markdown; chart.awk: the picture; medians.awk: what they share
#
# BENCH_GIB      size of the disk, in GiB (4)
# BENCH_ROUNDS   how often each case is run; the median counts (5)
# BENCH_STRICT   1: exit status 1 when a bound is not met, or not measured. A busy machine makes figures worthless, so
#                by itself it only says so.
# BENCH_DISK     a folder on the disk that the cold file is read from and manifests are kept on (build/bench)
# BENCH_TIMEOUT  seconds after which a run counts as failed (900)
#
# Needs root, for loop devices, a tmpfs and network namespaces; memory for about three times BENCH_GIB.

set -euo pipefail
bench_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BUILD=${BUILD:-$(cd "$bench_dir/../.." && pwd)/build}
gib=${BENCH_GIB:-4} rounds=${BENCH_ROUNDS:-5} limit=${BENCH_TIMEOUT:-900}
out=$BUILD/bench
load=$(cut -d" " -f1 /proc/loadavg)
logs=$out/logs raw=$out/raw.tsv
worker=$BUILD/wherry-worker
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

say() { printf '%s\n' "$*" >&2; }
die() { say "bench: $*"; exit 1; }

[ "$(id -u)" = 0 ] || die 'it needs root for loop devices, a tmpfs and network namespaces; run it with sudo'
[[ $gib =~ ^[1-9][0-9]*$ && $rounds =~ ^[1-9][0-9]*$ ]] ||
	die 'BENCH_GIB and BENCH_ROUNDS must be whole numbers from 1 on'
mkdir -p "$out" "$logs"
disk=$(mktemp -d "${BENCH_DISK:-$out}/work.XXXXXX")
rm -f "$logs"/*
export XDG_STATE_HOME=$disk/state

# shellcheck source=tests/bench/images.sh
source "$bench_dir/images.sh"
# shellcheck source=tests/bench/cases.sh
source "$bench_dir/cases.sh"

# lacks NEEDS: why a case cannot be run here, or nothing
lacks() {
	local need
	for need in ${1//,/ }; do
		case $need in
		-) ;;
		*:*)
			[[ $("$worker" "${need%%:*}" --help 2>/dev/null) == *"${need#*:} "* ]] ||
				{ echo "not there yet: wherry-worker ${need/:/ }"; return; }
			;;
		*) command -v "$need" >/dev/null || { echo "not there: the program $need"; return; } ;;
		esac
	done
}

record() { # SCENARIO CASE ROUND FIGURES
	printf '%s\t%s\t%s\t%s\n' "$@" >>"$raw"
	say "$(printf '%-12s %-34s %s  %s' "$1" "$2" "$3" "${4//$'\t'/  }")"
}

# run_case SCENARIO NAME NEEDS PREPARE COMMAND ROUND
run_case() {
	local why figures log words
	why=$(lacks "$3")
	if [ -n "$why" ]; then
		[ "$6" != 1 ] || record "$1" "$2" 1 $'-\t-\t-\t-\t'"$why"
		return 0
	fi
	log=$logs/$1-${2//[^a-zA-Z0-9]/_}-$6.log
	if ! prepare "$4" >>"$log" 2>&1; then
		record "$1" "$2" "$6" $'-\t-\t-\t-\tthe set-up failed, see logs/'"${log##*/}"
		return 0
	fi
	set -f
	read -r -a words <<<"$5"
	set +f
	figures=$("$BUILD/bench-measure" "$log" "$limit" "${words[@]}") || figures=$'-\t-\t-\t-\tnot measured'
	[ "${words[0]}" != fio ] || figures=$(fio_time "$log")$'\t'${figures#*$'\t'}
	case $figures in *ok) [ "$6" != "$last" ] || figures=$(checked "$4" "$figures") ;; esac
	record "$1" "$2" "$6" "$figures"
}

# What fio says itself: its start-up takes longer than the reading.
fio_time() { sed -n '/^{/,$p' "$1" | jq -r '.jobs[0].read | .io_bytes / .bw_bytes * 10000 | round / 10000'; }

# After the last round the target of every case that wrote one is compared, byte for byte: the files below the loop
# devices, whose own page caches may be older than what was written round them.
checked() { # PREPARE FIGURES
	case $1 in
	random | base) flush && cmp -s "$mem/source" "$mem/target" && echo "$2" || echo "${2%ok}WRONG: the copy differs" ;;
	*) echo "$2" ;;
	esac
}

run_scenario() { # NAME ROUNDS
	local name=$1 last=$2 round scenario case needs how command
	say "== $name"
	if ! "setup_$name" >>"$logs/setup-$name.log" 2>&1; then
		record "$name" set-up 1 $'-\t-\t-\t-\tfailed, see logs/setup-'"$name.log"
		return 0
	fi
	for ((round = 1; round <= last; round++)); do
		while IFS='|' read -r scenario case needs how command; do
			[ "$scenario" != "$name" ] || run_case "$name" "$case" "$needs" "$how" "$command" "$round" </dev/null
		done < <(cases)
	done
}

make_images
printf 'scenario\tcase\tround\twall_s\tcpu_s\twire_bytes\trss_kib\tstatus\n' >"$raw"
while IFS='|' read -r name times _; do
	[ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
	run_scenario "$name" "$((times < rounds ? times : rounds))"
done < <(scenarios)

machine="$(awk -F ': ' '/^model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) cores, Linux $(uname -r)"
heading="$("$worker" version | head -n 1); $machine, load $load before; disk of $gib GiB, medians of $rounds."
awk -f "$bench_dir/medians.awk" -f "$bench_dir/report.awk" -v heading="$heading" \
	<(scenarios) <(bounds) "$raw" >"$out/report.md"
awk -f "$bench_dir/medians.awk" -f "$bench_dir/chart.awk" -v machine="$machine" <(scenarios) "$raw" >"$out/bench.svg"
grep '^| [0-9]* |' "$out/report.md" | sed 's/^| //; s/ |$//; s/ | /  /g'
say "bench: $out/report.md, $out/bench.svg, $raw"
[ "${BENCH_STRICT:-0}" != 1 ] || ! grep '^| [0-9]* |' "$out/report.md" | grep -v '| yes |$' >"$logs/unmet" ||
	die 'a bound is not met, or was not measured'
