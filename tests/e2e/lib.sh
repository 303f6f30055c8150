# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the end-to-end scripts share; sourced. It makes a scratch folder and removes it with every process of the clouds
# in it, whatever happens; the oracle of a test is another tool and the cloud's own inventory, never wherry's word.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$top/build}
export PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d "${TMPDIR:-/var/tmp}/wherry-test.XXXXXX")
clouds=()
cleanup_fns=()

cleanup() {
	local rc=$? f c
	trap - EXIT
	for f in "${cleanup_fns[@]}"; do "$f"; done
	for c in "${clouds[@]}"; do kill_cloud "$c"; done
	if [ "$rc" != 0 ] && [ -n "${KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
	exit "$rc"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '== %s\n' "$*"; }
fail() { printf 'FAIL: %s\n' "$*" >&2; exit 1; }

# requires PROGRAM...: exit 77 with the reason when one is missing
requires() {
	local p
	for p in "$@"; do command -v "$p" >/dev/null || { echo "needs the program $p"; exit 77; }; done
}

wherry() { "$BUILD/wherry" --state-dir "${STATE:-$work/state}" "$@"; }
# In the background, so that $! is wherry itself and not a shell around it: `wherry_bg sync JOB >OUT & pid=$!`
wherry_bg() { exec "$BUILD/wherry" --state-dir "${STATE:-$work/state}" "$@"; }

# expect STATUS WORDS COMMAND...: the command must exit with STATUS and say WORDS (a regular expression) in one line
expect() {
	local want=$1 words=$2 got=0 out
	shift 2
	out=$("$@" 2>&1) || got=$?
	[ "$got" = "$want" ] || fail "exit status $got instead of $want from: $* -- $out"
	grep -qE "$words" <<<"$out" || fail "no line with '$words' in the output of: $* -- $out"
}

# Processes of a cloud: every QEMU that was started with a file below it. The kernel's list, not the cloud's.
cloud_pids() {
	local f words
	for f in $(grep -laF "$1/" /proc/[0-9]*/cmdline 2>/dev/null || :); do
		words=$(tr '\0' ' ' <"$f") 2>/dev/null || continue
		[[ ! $words =~ ^[^\ ]*qemu-system ]] || basename "${f%/cmdline}"
	done
}
kill_cloud() {
	local p
	for p in $(cloud_pids "$1"); do kill -KILL "$p" 2>/dev/null || :; done
}

# new_cloud NAME: an empty cloud below the scratch folder; prints its path
new_cloud() {
	"$BUILD/qemu-cloud" init "$work/$1" >/dev/null
	clouds+=("$work/$1")
}

# Replica disk I of job J in cloud C as raw file OUT, read by qemu-img.
replica_raw() { # CLOUD JOB INDEX OUT
	local file
	file=$("$BUILD/qemu-cloud" disk-file "$1" "wherry-$2-disk$3")
	qemu-img convert -O raw "$file" "$4"
}
same_as_replica() { # CLOUD JOB INDEX RAW: every byte, by qemu-img
	local file
	file=$("$BUILD/qemu-cloud" disk-file "$1" "wherry-$2-disk$3")
	qemu-img compare -q -U -f raw -F "$(qemu-img info -U --output=json "$file" | jq -r .format)" "$4" "$file"
}

# What a cloud holds, one line each: the oracle for leaks.
inventory() { "$BUILD/qemu-cloud" inventory "$1" | sort; }

# ---- small machines without a guest, for tests of the run itself ----

# filled FILE MIB SEED: pseudo-random bytes that no compressor shrinks, the same for the same seed
filled() {
	openssl enc -aes-128-ctr -nosalt -pass "pass:$3" -md sha256 </dev/zero 2>/dev/null | head -c $(($2 << 20)) >"$1" || :
}

# poke FILE OFFSET SEED: 64 KiB of other bytes there
poke() {
	openssl enc -aes-128-ctr -nosalt -pass "pass:$3" -md sha256 </dev/zero 2>/dev/null | head -c 65536 |
		dd of="$1" bs=64K seek=$(($2 / 65536)) conv=notrunc iflag=fullblock status=none || :
}

# two_clouds: $cloud_a with machine m (two disks, off) and an empty $cloud_b; $job is a job file
two_clouds() {
	cloud_a=$work/a cloud_b=$work/b job=$work/job.json
	new_cloud a
	new_cloud b
	filled "$work/d0.raw" 24 zero
	truncate -s $(((40 << 20) + 512 * 3)) "$work/d0.raw"
	filled "$work/d1.raw" 8 one
	"$BUILD/qemu-cloud" add-machine "$cloud_a" m --memory 128 --vcpus 1 --firmware bios \
		--disk "name=d0,file=$work/d0.raw,format=raw,boot" --disk "name=d1,file=$work/d1.raw,format=raw"
	write_job "$job" t m m
	inventory_a=$(inventory "$cloud_a") inventory_b=$(inventory "$cloud_b")
}

write_job() { # FILE JOB MACHINE TARGET [OPTIONS]
	cat >"$1" <<EOF
{ "job": "$2",
  "source": {"provider": "qemu", "cloud": "$cloud_a", "machine": "$3"},
  "target": {"provider": "qemu", "cloud": "$cloud_b", "machine": "$4"},
  "options": {"chunk_size": "64K", "checkpoint_size": "8M"${5:+, $5}} }
EOF
}

sync_job() { # JOB-FILE: with events in $work/events
	wherry sync "$1" --json >"$work/events" 2>"$work/talk" || {
		tail -n 3 "$work/events" "$work/talk"
		fail "wherry sync $1 failed"
	}
}
result() { jq -r "select(.event == \"result\" and .key == \"$1\") | .value" "$work/events" | tail -n 1; }

replica_equals() { # JOB: both disks, by qemu-img
	same_as_replica "$cloud_b" "$1" 0 "$work/d0.raw" || fail 'disk 0 differs from its replica'
	same_as_replica "$cloud_b" "$1" 1 "$work/d1.raw" || fail 'disk 1 differs from its replica'
}

# Both clouds hold what they held before, and replicas with the snapshot that is kept of them; N machines of cloud A run.
nothing_left() { # [N]
	local pids
	[ "$(inventory "$cloud_a")" = "$inventory_a" ] || fail "cloud A holds: $(inventory "$cloud_a")"
	pids=$(inventory "$cloud_b" | grep -v ' purpose=replica \| purpose=generation ' || :)
	[ "$pids" = "$inventory_b" ] || fail "cloud B holds more than the replica: $pids"
	pids=$(cloud_pids "$cloud_b")
	[ -z "$pids" ] || fail "QEMU still runs in cloud B: $pids"
	[ "$(cloud_pids "$cloud_a" | wc -l)" = "${1:-0}" ] || fail "${1:-0} QEMU expected in cloud A: $(cloud_pids "$cloud_a")"
}
