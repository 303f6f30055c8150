#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# limit.sh: does a bandwidth limit hold? Two workers in network namespaces of their own copy over a veth pair; another
# process reads the interface's counters and gives the most that passed in any 5 s (bound: 1.03 of the limit) and the
# average (bound: 0.95), headers of TCP and TLS included. RATES in MB/s (default 10 100 400), SECONDS_EACH (default 12)
# after the first megabyte. Needs root, and room in DIR (default /dev/shm) for what is sent.
#
# Exit status 1 when a bound is broken and LIMIT_STRICT=1; a busy machine makes the figures worthless, so by itself it
# only says so.
# shellcheck source=tests/e2e/lib.sh
TMPDIR=${DIR:-/dev/shm} source "$(dirname "$0")/../e2e/lib.sh"
requires ip python3
[ "$(id -u)" = 0 ] || { echo 'needs root for its network namespaces'; exit 77; }

seconds=${SECONDS_EACH:-12} disk_mib=256
net_a=wherry-a-$$ net_b=wherry-b-$$
keys=$work/keys pids=()

end_pair() {
	local p
	for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null || :; done
	wait "${pids[@]}" 2>/dev/null || :
	pids=()
	rm -f "$work"/t*
}
end_net() {
	ip netns del "$net_a" 2>/dev/null || :
	ip netns del "$net_b" 2>/dev/null || :
}
cleanup_fns+=(end_pair end_net)

ip netns add "$net_a"
ip netns add "$net_b"
ip -n "$net_a" link add veth-a type veth peer name veth-b netns "$net_b"
ip -n "$net_a" addr add 10.0.0.1/24 dev veth-a
ip -n "$net_b" addr add 10.0.0.2/24 dev veth-b
for n in a b; do
	ns=net_$n
	ip -n "${!ns}" link set lo up
	ip -n "${!ns}" link set "veth-$n" up
done

controller() { ip netns exec "$net_a" "$BUILD/tests/worker_controller" "$keys" "$@"; }
mkdir "$keys"
pin=$(controller init)

# start NAME ROLE NAMESPACE ADDRESS [--disk ...]: enrolled as NAME
start() {
	local name=$1 role=$2 ns=$3 address=$4 tries
	shift 4
	cat >"$work/$name.json" <<-JSON
		{"wherry":1, "job":"web1", "run":"run-1", "epoch":7, "role":"$role", "controller":"$pin",
		 "control":{"path":"dial-in"}, "nics":"auto", "lease_seconds":600, "debug":false}
	JSON
	: >"$work/$name.console"
	ip netns exec "$ns" "$BUILD/wherry-worker" serve --boot-data "$work/$name.json" --listen "$address" "$@" \
		>"$work/$name.console" 2>"$work/$name.log" &
	pids+=($!)
	for ((tries = 0; tries < 100; tries++)); do
		! grep -q 'API ready' "$work/$name.console" || break
		sleep 0.05
	done
	controller enrol "$name" "$address" "$work/$name.console" 600
}

# watch: the counter of b every 10 ms; prints the average and the most in any 5 s, in bytes a second
watch() {
	ip netns exec "$net_b" python3 - "$seconds" <<'PYTHON'
import sys, time
counter = open('/sys/class/net/veth-b/statistics/rx_bytes')
def sample():
    counter.seek(0)
    return time.monotonic(), int(counter.read())
first = sample()
give_up = first[0] + 60
while True:
    now = sample()
    if now[1] - first[1] > 1e6:
        break
    if now[0] > give_up:
        sys.exit('nothing is sent')
    time.sleep(0.01)
samples = [now]
while samples[-1][0] < samples[0][0] + float(sys.argv[1]):
    time.sleep(0.01)
    samples.append(sample())
most, end = 0, 0
for t, b in samples:
    while end < len(samples) and samples[end][0] < t + 5:
        end += 1
    if end == len(samples):
        break
    most = max(most, (samples[end][1] - b) / (samples[end][0] - t))
print(int((samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])), int(most))
PYTHON
}

# measure RATE
measure() {
	local disks sources=() targets=() both=() i count=$(($1 * (seconds + 3) / disk_mib + 1)) average most verdict
	for ((i = 0; i < count; i++)); do
		truncate -s ${disk_mib}M "$work/t$i"
		sources+=(--disk "s$i=$work/s") targets+=(--disk "t$i=$work/t$i") both+=("s$i:t$i:$((disk_mib << 20))")
	done
	start source export "$net_a" 10.0.0.1:4433 "${sources[@]}"
	start target import "$net_b" 10.0.0.2:4433 "${targets[@]}"
	rm -rf "$keys"/working*
	export RUN_OPTIONS='"compression":"none","limits":{"bandwidth":'$1'000000}'
	controller sync 10.0.0.1:4433 10.0.0.2:4433 source-dials 10.0.0.2:4433 262144 1073741824 -- "${both[@]}" \
		>"$work/sync" 2>&1 &
	pids+=($!)
	disks=$(watch) || { cat "$work/sync"; fail 'the copy does not send'; }
	read -r average most <<<"$disks"
	end_pair
	verdict=ok
	if ((most * 100 > $1 * 103000000)); then verdict='TOO MUCH'
	elif ((average * 100 < $1 * 95000000)); then verdict='TOO LITTLE'; fi
	[ "$verdict" = ok ] || broken=1
	awk -v l="$1" -v m="$most" -v a="$average" -v v="$verdict" 'BEGIN {
		printf "%4d MB/s  %8.1f MB/s  %5.3f  %8.1f MB/s  %5.3f  %s\n", l, m / 1e6, m / l / 1e6, a / 1e6, a / l / 1e6, v }'
}

broken=0
filled "$work/s" $disk_mib limit
echo '    limit     most in any 5 s (<= 1.03)    average (>= 0.95)'
for rate in ${RATES:-10 100 400}; do measure "$rate"; done
[ "$broken" = 0 ] || [ "${LIMIT_STRICT:-0}" != 1 ]
