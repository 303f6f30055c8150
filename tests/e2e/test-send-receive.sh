#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# wherry-worker send and receive, two processes with files as disks: whole copies and changes over TLS between pinned
# keys, who is refused, sizes that do not fit, a receiver that is killed, and plain TCP on this host only. The oracle
# is cmp.

# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires cmp flock jq

worker=$BUILD/wherry-worker
cd "$work" || exit 1
receiver=''
kill_receiver() { [ -z "$receiver" ] || kill -KILL "$receiver" 2>/dev/null || :; }
cleanup_fns+=(kill_receiver)

# Two hosts: each with keys of its own.
as_source() { XDG_STATE_HOME=$work/source "$worker" "$@"; }
source_pin=$(as_source fingerprint) target_pin=$(XDG_STATE_HOME=$work/target "$worker" fingerprint)
other_pin=$(XDG_STATE_HOME=$work/other "$worker" fingerprint)
[ "$source_pin" = "$(as_source fingerprint)" ] || fail 'a fingerprint changes'

# receive TARGET OPTION...: in the background; its port in $port
receive() {
	local tries
	: >receive.log
	XDG_STATE_HOME=$work/target "$worker" receive --listen 127.0.0.1:0 --json "$@" >receive.json 2>receive.log &
	receiver=$!
	for ((tries = 0; tries < 100; tries++)); do
		port=$(sed -n 's/^wherry-worker: listening on port \([0-9]*\) .*/\1/p' receive.log)
		[ -z "$port" ] || return 0
		kill -0 "$receiver" 2>/dev/null || break
		sleep 0.05
	done
	fail "the receiver does not get ready: $(cat receive.log)"
}
# received STATUS: the receiver ends with it
received() {
	local rc=0
	wait "$receiver" || rc=$?
	receiver=''
	[ "$rc" = "$1" ] || fail "the receiver ended with status $rc instead of $1: $(cat receive.log)"
}
field() { jq -r ".$2" "$1"; }

filled s 20 one
truncate -s $(((48 << 20) + 512 * 3)) s
size=$(stat -c %s s)

say 'the whole disk to a file that is not there'
receive t --peer "$source_pin"
as_source send s "127.0.0.1:$port" --peer "$target_pin" --manifest-out m --json >send.json
received 0
cmp s t || fail 'the copy differs'
[ "$(field send.json bytes_written)" -ge $((20 << 20)) ] || fail "not all was sent: $(cat send.json)"
[ "$(field receive.json bytes_read_back)" = "$size" ] || fail "not all was read back: $(cat receive.json)"
[ "$(field send.json bytes_wire)" -ge $((20 << 20)) ] || fail "the wire's bytes are wrong: $(cat send.json)"
[ "$(as_source scan s --json | jq -r .root)" = "$(field send.json root)" ] || fail 'scan gives another root'

say 'only what changed'
poke s $((9 << 20)) new
receive t --peer "$source_pin"
as_source send s "127.0.0.1:$port" --peer "$target_pin" --manifest-in m --json >send.json
received 0
cmp s t || fail 'the copy differs after a change'
[ "$(field send.json chunks_written)" = 1 ] || fail "one chunk changed: $(cat send.json)"
[ "$(field send.json bytes_wire)" -lt 400000 ] || fail "too much travelled for one chunk: $(cat send.json)"

say 'over a target full of other bytes, uncompressed'
head -c "$size" /dev/zero | tr '\0' '\377' >t
receive t --peer "$source_pin" --no-read-back
as_source send s "127.0.0.1:$port" --peer "$target_pin" --compression none >send.txt
received 0
cmp s t || fail 'the copy over other bytes differs'
[ "$(field receive.json bytes_read_back)" = 0 ] || fail "it was read back: $(cat receive.json)"
grep -q '^wire ' send.txt || fail "$(cat send.txt)"

say 'strangers are refused, and the receiver goes on listening'
cp t before
receive t --peer "$source_pin"
expect 6 "expected ${other_pin#sha256:}" as_source send s "127.0.0.1:$port" --peer "$other_pin"
stranger() { XDG_STATE_HOME=$work/other "$worker" send s "127.0.0.1:$port" --peer "$target_pin"; }
expect 6 'does not know this side.s key' stranger
echo 'GET / HTTP/1.0' >"/dev/tcp/127.0.0.1/$port"
kill -0 "$receiver" || fail 'a stranger ended the receiver'
cmp t before || fail 'a stranger changed the target'
as_source send s "127.0.0.1:$port" --peer "$target_pin" >/dev/null
received 0
[ "$(grep -c 'still listening' receive.log)" = 3 ] || fail "three strangers: $(cat receive.log)"

say 'a target of another size, and none where one must be'
head -c 1000448 s >small
cp small before
receive small --peer "$source_pin"
expect 13 "the peer says: .*truncate -s $size small" as_source send s "127.0.0.1:$port" --peer "$target_pin" --manifest-out m2
received 13
cmp small before || fail 'a refused target was changed'
[ ! -e m2 ] && [ ! -e m2.working ] || fail 'a refused copy left a manifest'
receive none --peer "$source_pin"
expect 4 'the peer says: .*not there or empty' as_source send s "127.0.0.1:$port" --peer "$target_pin" --manifest-in m
received 4
[ ! -e none ] || fail 'a refused target was made'

say 'a receiver that is killed in mid-copy; what is durable stays'
filled s 400 two
rm -f t m
receive t --peer "$source_pin"
as_source send s "127.0.0.1:$port" --peer "$target_pin" --manifest-out m --compression none --checkpoint-size 64M \
	>send.txt 2>send.log &
sender=$!
for ((tries = 0; tries < 400; tries++)); do
	now=$(stat -c %b t 2>/dev/null || echo 0)
	[ "$now" -lt 200000 ] || break
	sleep 0.01
done
kill -KILL "$receiver"
rc=0
wait "$sender" || rc=$?
wait "$receiver" || :
flock -w 10 t true # the kernel ends requests of a killed process after it
if [ "$rc" != 0 ]; then
	grep -q 'go on with --manifest-in m.working' send.log || fail "$(cat send.log)"
	receive t --peer "$source_pin"
	as_source send s "127.0.0.1:$port" --peer "$target_pin" --manifest-in m.working --manifest-out m --json >send.json
	received 0
	say "$(field send.json chunks_written) of 1600 chunks were left"
	[ "$(field send.json chunks_written)" -lt 1600 ] || fail 'all was sent again'
fi
cmp s t || fail 'the copy differs after a kill'

say 'SIGINT at the receiver ends both'
receive t --peer "$source_pin"
as_source send s "127.0.0.1:$port" --peer "$target_pin" --compression none >/dev/null 2>send.log &
sender=$!
sleep 0.1
kill -INT "$receiver"
rc=0
wait "$receiver" || rc=$?
receiver=''
case $rc in 0 | 15 | 130) ;; *) fail "SIGINT gives status $rc: $(cat receive.log)" ;; esac
wait "$sender" || :

say 'plain TCP, on this host only'
receive t --plain
as_source send s "127.0.0.1:$port" --plain >/dev/null
received 0
cmp s t || fail 'the plain copy differs'
expect 2 'do not travel unencrypted' as_source send s 192.0.2.1:4433 --plain
expect 2 'do not travel unencrypted' as_source receive t --plain --listen :4433
expect 2 'exclude each other' as_source send s 127.0.0.1:4433 --plain --peer "$target_pin"

say 'wrong inputs'
expect 2 'who may be at the other end' as_source send s 127.0.0.1:4433
expect 2 'is no fingerprint' as_source receive t --peer "${source_pin#sha256:}"
expect 2 'is no fingerprint' as_source send s 127.0.0.1:4433 --peer "${target_pin%?}"
expect 2 'source and the address' as_source send s --peer "$target_pin"
expect 2 'not an option' as_source receive t --peer "$source_pin" --manifest-in m
expect 2 'zstd:LEVEL' as_source send s 127.0.0.1:4433 --peer "$target_pin" --compression lzma
expect 9 'connecting to 127.0.0.1:1:' as_source send s 127.0.0.1:1 --peer "$target_pin"
expect 3 '.' as_source send s nonsense --peer "$target_pin"
head -c 1000 s >odd
expect 13 'not a whole disk' as_source send odd 127.0.0.1:4433 --peer "$target_pin"
chmod 644 source/wherry/host.pem
expect 13 'host.pem' as_source fingerprint
