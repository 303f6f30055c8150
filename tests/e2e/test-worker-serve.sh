#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 240
#
# `wherry-worker serve` as two processes of this host with files as disks, and a small controller of the test's own:
# enrolment by pinned keys, all ways of dialing, one run at a time, the end of a lease, and a target that is killed in
# the middle of a run, after which only what is missing travels. The oracle is cmp.
# shellcheck source=tests/e2e/workers.sh
source "$(dirname "$0")/workers.sh"
requires openssl cmp

same() {
	cmp "$work/s0" "$work/t0" || fail 'the copy of disk 0 differs'
	cmp "$work/s1" "$work/t1" || fail 'the copy of disk 1 differs'
}

# ---- disks: one with holes and an odd size, one full of noise onto a target that is full of other bytes
filled "$work/s0" 20 zero
truncate -s $(((48 << 20) + 512 * 3)) "$work/s0"
filled "$work/s1" 24 one
truncate -s $(((48 << 20) + 512 * 3)) "$work/t0"
filled "$work/t1" 24 other
size0=$(stat -c %s "$work/s0") size1=$(stat -c %s "$work/s1")
sources=(--disk "src-0=$work/s0" --disk "src-1=$work/s1")
targets=(--disk "tgt-0=$work/t0" --disk "tgt-1=$work/t1")
disks=("src-0:tgt-0:$size0" "src-1:tgt-1:$size1")

say 'wrong input'
expect 2 'no option' "$worker" serve --no-such-option
expect 2 'there is no command "serv"' "$worker" serv
expect 4 'cannot be opened' "$worker" serve --boot-data "$work/none"
echo '{"wherry":1}' >"$work/bad.json"
expect 3 '"job" is missing' "$worker" serve --boot-data "$work/bad.json"
expect 2 'exclude each other' "$worker" serve --disk "a=$work/s0" --broker-fd 3 3</dev/null

say 'strangers: before enrolment little is answered, and only to the pinned key'
start source export "$dial_in" 60 "${sources[@]}"
source=127.0.0.1:$port source_pid=$pid
expect 6 '.' "$BUILD/tests/worker_controller" "$work/other-keys" enrol source "$source" "$work/source.console" 60
expect 6 '.' controller call source "$source" GET /v1/status
controller enrol source "$source" "$work/source.console" 60
controller enrol source "$source" "$work/source.console" 60 # the same controller may, with a new certificate
expect 6 '.' "$BUILD/tests/worker_controller" "$work/other-keys" enrol source "$source" "$work/source.console" 60
expect 0 '^200 .*"state":"idle"' controller call source "$source" GET /v1/status
expect 0 "^200 .*\"serial\":\"src-1\",\"size\":$size1" controller call source "$source" GET /v1/disks
expect 0 '^200 .*"wire":\[2,2\].*"epoch":7,"role":"export"' controller call source "$source" GET /v1/identity
expect 0 '^404 ' controller call source "$source" GET /v1/nothing
expect 0 '^405 ' controller call source "$source" DELETE /v1/run
expect 0 '^404 .*no run' controller call source "$source" POST /v1/run/feed '{"attempt":"","ack":0,"wait_ms":0}'
expect 0 '^204 ' controller call source "$source" POST /v1/run/stop '{"attempt":""}'
expect 0 '^400 .*unknown key' controller call source "$source" POST /v1/run '{"kind":"scan","x":1}'

say 'one run at a time, and its end by order'
order='{"attempt":"0000000000000001","kind":"export","key":"'$(printf '%064d' 0)'","chunk_size":65536,"disks":[{"index":0,"serial":"src-0","size":'$size0'}],
	"peer":{"listen":true,"session":"00000000000000ff","connections":1}}'
expect 0 '^202 ' controller call source "$source" POST /v1/run "$order"
expect 0 '^409 .*under way' controller call source "$source" POST /v1/run "$order"
expect 0 '^204 ' controller call source "$source" POST /v1/run/stop '{"attempt":"0000000000000001"}'
expect 0 '"state":"failed","error":{"kind":"canceled"' controller call source "$source" GET /v1/status
expect 0 '^409 .*does not import' controller call source "$source" POST /v1/run "${order/export/import}"
expect 0 '^202 ' controller call source "$source" POST /v1/run "${order/src-0/src-9}"
sleep 0.3
expect 0 '"failed","error":{"kind":"not-found"' controller call source "$source" GET /v1/status

say 'what comes late for an earlier run does not touch the next one'
next=${order/0000000000000001/0000000000000002}
expect 0 '^202 ' controller call source "$source" POST /v1/run "$next"
expect 0 '^409 .*refused.*0000000000000001' controller call source "$source" POST /v1/run/stop '{"attempt":"0000000000000001"}'
expect 0 '^409 .*refused' controller call source "$source" POST /v1/run/feed '{"attempt":"0000000000000001","ack":0,"wait_ms":0}'
expect 0 '^409 .*refused' controller call source "$source" PUT '/v1/run/disks/0/pages?attempt=0000000000000001&first=0' x
expect 0 '^200 .*"state":"running"' controller call source "$source" GET /v1/status
expect 0 '^200 ' controller call source "$source" POST /v1/run/feed '{"attempt":"0000000000000002","ack":0,"wait_ms":0}'
expect 0 '^204 ' controller call source "$source" POST /v1/run/stop '{"attempt":"0000000000000002"}'

say 'power-off by order ends the process'
expect 0 '^204 ' controller call source "$source" POST /v1/poweroff
wait "$source_pid" || fail "status $? after a power-off"

say 'export to import, the source dials'
start_pair
controller sync "$source" "$target" source-dials "$target" 65536 8388608 -- "${disks[@]}" >"$work/first"
same
[ "$(figure "$work/first" source scanned)" = $((size0 + size1)) ] || fail "not all was read: $(cat "$work/first")"
[ "$(figure "$work/first" target verified)" -ge $((44 << 20)) ] || fail "not all was read back: $(cat "$work/first")"
[ "$(figure "$work/first" source wire_out)" -ge $((44 << 20)) ] || fail "the wire's bytes are wrong: $(cat "$work/first")"

say 'again after a change, the target dials: only the change travels'
poke "$work/s0" $((9 << 20)) new
poke "$work/s1" $((1 << 20)) new
controller sync "$source" "$target" target-dials "$source" 65536 8388608 -- "${disks[@]}" >"$work/second"
same
[ "$(figure "$work/second" source sent)" = 131072 ] || fail "two chunks changed: $(cat "$work/second")"
stop "$source_pid"
stop "$target_pid"

say 'workers that dial out to a listening controller'
poke "$work/s0" $((3 << 20)) newer
free=$(for p in $(seq 20000 20100); do (: <>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || { echo "$p"; break; }; done)
start source export '{"path":"dial-out","address":"127.0.0.1:'"$free"'"}' 60 "${sources[@]}"
source_pid=$pid source_port=$port
start target import '{"path":"dial-out","address":"127.0.0.1:'"$free"'"}' 60 "${targets[@]}"
target_pid=$pid
controller enrol source "@$free" "$work/source.console" 60
controller enrol target "@$free" "$work/target.console" 60
controller sync "@$free" "@$free" target-dials "127.0.0.1:$source_port" 65536 8388608 -- "${disks[@]}" >"$work/third"
same
[ "$(figure "$work/third" source sent)" = 65536 ] || fail "one chunk changed: $(cat "$work/third")"
stop "$source_pid"
stop "$target_pid"

say 'the target is killed in the middle of a run; another one takes up what is durable'
filled "$work/s0" 48 again
truncate -s "$size0" "$work/s0"
start_pair
expect 9 '^killed' controller sync "$source" "$target" source-dials "$target" 65536 4194304 "3:$target_pid" -- "${disks[@]}"
expect 0 '"state":"failed","error":{"kind":"(network|protocol|timeout)"' controller call source "$source" GET /v1/status
start target import "$dial_in" 60 "${targets[@]}"
target=127.0.0.1:$port target_pid=$pid
controller enrol target "$target" "$work/target.console" 60
controller sync "$source" "$target" source-dials "$target" 65536 4194304 -- "${disks[@]}" >"$work/resumed"
same
sent=$(figure "$work/resumed" source sent)
[ "$sent" -gt 0 ] || fail 'nothing was left to send'
[ "$sent" -le $(((48 << 20) - 2 * 127 * 65536)) ] || fail "resumed by sending $sent bytes"

say 'another epoch is not let in'
stop "$target_pid"
epoch=8 start target import "$dial_in" 60 "${targets[@]}"
target=127.0.0.1:$port target_pid=$pid
controller enrol target "$target" "$work/target.console" 60
expect 13 'epoch 8' controller sync "$source" "$target" source-dials "$target" 65536 4194304 -- "${disks[@]}"
stop "$target_pid"
stop "$source_pid"

say 'a target that is too small is refused before the first write'
truncate -s $((size1 - 512)) "$work/t1"
cp "$work/t1" "$work/t1.before"
start_pair
expect 13 'at least that size' controller sync "$source" "$target" source-dials "$target" 65536 4194304 -- "${disks[@]}"
cmp "$work/t1" "$work/t1.before" || fail 'the small target was written'
stop "$source_pid"
stop "$target_pid"

say 'the lease ends the process, also in the middle of a run'
start source export "$dial_in" 2 "${sources[@]}"
controller enrol source "127.0.0.1:$port" "$work/source.console" 2
expect 0 '^202 ' controller call source "127.0.0.1:$port" POST /v1/run "$order"
rc=0
wait "$pid" || rc=$?
[ "$rc" = 10 ] || fail "status $rc instead of 10 at the end of the lease"
grep -q 'the lease expired' "$work/source.log" || fail 'the end of the lease is not told'
say 'done'
