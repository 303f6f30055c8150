#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 600
#
# cuts.sh SECONDS: a copy of about so many seconds through a network that cuts every connection each 3 s. It ends right,
# something gets through between any two cuts, and at most 64 MiB are sent twice per cut.
# shellcheck source=tests/e2e/workers.sh
source "$(dirname "$0")/../e2e/workers.sh"
requires openssl cmp

seconds=${1:-60} mib=$((1 << 20)) rate=10
size=$((seconds * rate))
filled "$work/s0" "$size" zero
truncate -s "${size}M" "$work/t0"
sources=(--disk "src-0=$work/s0")
targets=(--disk "tgt-0=$work/t0")
lease=600 # this controller asks nothing of the target while it copies
start_pair
: >"$work/proxy"
"$BUILD/tests/cut_proxy" "$target" every_ms=3000 rate=$((rate * mib)) >>"$work/proxy" &
proxy=$!
pids+=("$proxy")
for ((tries = 0; tries < 100; tries++)); do
	port=$(sed -n 1p "$work/proxy")
	[ -z "$port" ] || break
	sleep 0.05
done

say "$size MiB at $rate MiB/s, a cut every 3 s"
controller sync "$source" "$target" source-dials "127.0.0.1:$port" 262144 67108864 -- "src-0:tgt-0:$((size * mib))" \
	>"$work/figures" || fail "the copy failed: $(tail -n 5 "$work/source.log" "$work/target.log")"
kill -TERM "$proxy"
wait "$proxy" || :
cat "$work/figures"
sed -n 2p "$work/proxy"
cmp "$work/s0" "$work/t0" || fail 'the copy differs'
cuts=$(sed -n 's/.* cuts=\([0-9]*\).*/\1/p' "$work/proxy")
moved=$(sed -n 's/.*moved=\([0-9]*\).*/\1/p' "$work/proxy")
twice=$((($(figure "$work/figures" source wire_out) - size * mib) / cuts))
[ "$cuts" -ge $((seconds / 3 - 1)) ] || fail "only $cuts cuts"
[ "$moved" = "$cuts" ] || fail "nothing got through before $((cuts - moved)) of $cuts cuts"
[ "$twice" -le $((64 * mib)) ] || fail "$twice bytes were sent twice per cut"
[ "$(figure "$work/figures" target written)" = $((size * mib)) ] || fail 'not everything was written once'
grep -h VmHWM "/proc/$source_pid/status" "/proc/$target_pid/status"
say "$cuts cuts, $((twice / 1024)) KiB sent twice for each"
