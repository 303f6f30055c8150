#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 240
#
# Two workers copy over TLS through a proxy that cuts their connections again and again: the same run goes on, what is
# sent twice is bounded, and the copy is right. The oracle is cmp, and the proxy's own count of bytes.
# shellcheck source=tests/e2e/workers.sh
source "$(dirname "$0")/workers.sh"
requires openssl cmp

mib=$((1 << 20))

# proxy TO OPTION...: its process in $proxy_pid, its port in $proxy_port
proxy() {
	: >"$work/proxy" # or the last one's port might be read from it
	"$BUILD/tests/cut_proxy" "$@" >>"$work/proxy" &
	proxy_pid=$!
	pids+=("$proxy_pid")
	for ((tries = 0; tries < 100; tries++)); do
		proxy_port=$(sed -n 1p "$work/proxy")
		[ -z "$proxy_port" ] || return 0
		sleep 0.05
	done
	fail 'the proxy does not get ready'
}
proxy_says() { sed -n "s/.*$1=\([0-9]*\).*/\1/p" "$work/proxy"; }

# copy WAY CONNECTIONS CUTS PROXY-OPTION...: bytes through the proxy and what it did in the variables below
copy() {
	local way=$1 connections=$2 cuts=$3 to=$target
	shift 3
	[ "$way" = source-dials ] || to=$source
	filled "$work/t0" 96 "other$RANDOM"
	filled "$work/t1" 8 "other$RANDOM"
	rm -f "$keys"/working-*
	proxy "$to" "$@"
	controller sync "$source" "$target" "$way" "127.0.0.1:$proxy_port" 262144 33554432 "x$connections" -- "${disks[@]}" \
		>"$work/figures" || fail "the copy failed: $(cat "$work/source.log" "$work/target.log")"
	kill -TERM "$proxy_pid"
	wait "$proxy_pid" || :
	cmp "$work/s0" "$work/t0" || fail 'the copy of disk 0 differs'
	cmp "$work/s1" "$work/t1" || fail 'the copy of disk 1 differs'
	sent=$(figure "$work/figures" source wire_out) done_cuts=$(proxy_says cuts)
	[ "$done_cuts" -ge "$cuts" ] || fail "only $done_cuts cuts: $(cat "$work/proxy")"
	grep -H . "$work/proxy" "$work/figures"
}

filled "$work/s0" 96 zero
filled "$work/s1" 8 one
sources=(--disk "src-0=$work/s0" --disk "src-1=$work/s1")
targets=(--disk "tgt-0=$work/t0" --disk "tgt-1=$work/t1")
disks=("src-0:tgt-0:$((96 * mib))" "src-1:tgt-1:$((8 * mib))")
: >"$work/t0"
: >"$work/t1"
truncate -s 96M "$work/t0"
truncate -s 8M "$work/t1"
start_pair

say 'no cut: what a copy costs'
copy source-dials 1 0
plain=$sent
[ "$(figure "$work/figures" source cuts)" = 0 ] || fail 'a connection broke by itself'

for connections in 1 3; do
	say "20 cuts, $connections connections"
	copy source-dials "$connections" 20 "bytes=$((4 * mib))" cuts=20
	# A cut loses what is under way between the two workers, most of it in buffers of the system.
	twice=$(((sent - plain) / done_cuts))
	echo "$((twice / 1024)) KiB sent twice per cut, of $((plain / mib)) MiB"
	[ "$twice" -le $((64 * mib)) ] || fail "$twice bytes were sent twice per cut"
	[ "$(figure "$work/figures" source resent)" -le $((done_cuts * 32 * mib)) ] || fail 'more than the window was sent again'
	[ "$(figure "$work/figures" target written)" = $((104 * mib)) ] || fail "not everything was written once: $(cat "$work/figures")"
done

say '20 cuts, the target dials'
copy target-dials 1 5 every_ms=200 cuts=20 rate=$((40 * mib))
[ "$(figure "$work/figures" target written)" = $((104 * mib)) ] || fail "not everything was written once: $(cat "$work/figures")"
say 'done'
