# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Two `wherry-worker serve` as processes of this host, with files as disks, and the small controller of
# worker_controller.c; sourced instead of lib.sh. The workers end with the script.
# shellcheck disable=SC2034 # variables for those who source it
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

worker=$BUILD/wherry-worker keys=$work/keys run=run-1
controller() { "$BUILD/tests/worker_controller" "$keys" "$@"; }
mkdir "$keys"
pin=$(controller init)
pids=() sources=() targets=()

# Ends the workers of this test, however it ends.
kill_workers() {
	local p
	for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null || :; done
}
cleanup_fns+=(kill_workers)

# start NAME ROLE CONTROL LEASE [--disk ...]: its process in $pid, its port in $port, its console in $work/NAME.console
start() {
	local name=$1 role=$2 control=$3 lease=$4 tries
	shift 4
	cat >"$work/$name.json" <<JSON
{"wherry":1, "job":"web1", "run":"$run", "epoch":${epoch:-7}, "role":"$role", "controller":"${believes:-$pin}",
 "control":$control, "nics":"auto", "lease_seconds":$lease, "debug":false}
JSON
	: >"$work/$name.console" # or the last one's port might be read from it
	"$worker" serve --boot-data "$work/$name.json" --listen 127.0.0.1:0 "$@" \
		>>"$work/$name.console" 2>"$work/$name.log" &
	pid=$!
	pids+=("$pid")
	for ((tries = 0; tries < 100; tries++)); do
		port=$(sed -n 's/^wherry-worker: API ready on port \([0-9]*\)$/\1/p' "$work/$name.console")
		[ -z "$port" ] || return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	cat "$work/$name.log"
	fail "worker $name does not get ready"
}

# stop PID: the end by SIGTERM must come soon and clean
stop() {
	kill -TERM "$1"
	wait "$1" || fail "a worker ended with status $? after SIGTERM"
}

dial_in='{"path":"dial-in"}'
start_pair() {
	start source export "$dial_in" "${lease:-60}" "${sources[@]}"
	source=127.0.0.1:$port source_pid=$pid
	start target import "$dial_in" "${lease:-60}" "${targets[@]}"
	target=127.0.0.1:$port target_pid=$pid
	controller enrol source "$source" "$work/source.console" "${lease:-60}"
	controller enrol target "$target" "$work/target.console" "${lease:-60}"
}

# The figure KEY= in the line of WORKER in FILE, as worker_controller prints it
figure() { sed -n "s/^$2 .* $3=\([0-9]*\).*/\1/p" "$1"; }
