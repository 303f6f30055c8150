#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Memory that runs out anywhere: a local copy, a sender and a receiver with less and less of it than they need. Each ends,
# says why, and leaves what the next copy makes right. The oracle is cmp.

# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires cmp prlimit timeout

worker=$BUILD/wherry-worker
cd "$work" || exit 1
receiver=''
kill_receiver() { [ -z "$receiver" ] || kill -KILL "$receiver" 2>/dev/null || :; }
cleanup_fns+=(kill_receiver)
export XDG_STATE_HOME=$work/state
pin=$("$worker" fingerprint)

limited() { timeout 60 prlimit --core=0 ${kib:+--as=$((kib << 10))} "$worker" "$@"; }

# Each of these copies s to t, going on from the manifest $1, with `limited` for the side under test. The status is that
# of this side, whose words go to log.
copy_local() { limited copy s t --manifest-in "$1" --manifest-out m.out >log 2>&1; }
receive() { # COMMAND...: in the background; its port in $port, or none
	: >receive.log
	"$@" receive --listen 127.0.0.1:0 t --peer "$pin" >receive.log 2>&1 &
	receiver=$! port=''
	while [ -z "$port" ] && kill -0 "$receiver" 2>/dev/null; do
		sleep 0.02
		port=$(sed -n 's/^wherry-worker: listening on port \([0-9]*\) .*/\1/p' receive.log)
	done
}
received() { # sets $received
	received=0
	wait "$receiver" || received=$?
	receiver=''
}
copy_sender() {
	local rc=0
	receive "$worker"
	limited send s "127.0.0.1:$port" --peer "$pin" --manifest-in "$1" --manifest-out m.out >log 2>&1 || rc=$?
	# It goes on listening when the sender did not even reach it.
	[ "$rc" = 0 ] || kill "$receiver" 2>/dev/null || :
	received
	return "$rc"
}
copy_receiver() {
	local sender=''
	receive limited
	if [ -n "$port" ]; then
		"$worker" send s "127.0.0.1:$port" --peer "$pin" --manifest-in "$1" --manifest-out m.out >send.log 2>&1 &
		sender=$!
	fi
	received
	# It would try to connect again for a while.
	[ "$received" = 0 ] || [ -z "$sender" ] || kill "$sender" 2>/dev/null || :
	[ -z "$sender" ] || wait "$sender" || :
	cp receive.log log
	return "$received"
}

# try SIDE KIB: sets $rc; the copy with so much memory, and where it fails the one after it with all there is.
try() {
	local from=m kib=$2
	cp base t
	cp m.base m
	rm -f m.out m.out.working
	rc=0
	"copy_$1" m || rc=$?
	tried=$((tried + 1))
	if [ "$rc" != 0 ]; then
		[ "$rc" != 124 ] || fail "$1: did not end with $kib KiB"
		grep -qiE 'memory|thread|temporarily|the peer|other side|connection' log || fail "$1: $kib KiB, status $rc: $(cat log)"
		failed=$((failed + 1)) kib=''
		[ ! -e m.out ] || fail "$1: failed with status $rc, and there is a manifest"
		[ ! -e m.out.working ] || from=m.out.working
		"copy_$1" "$from" || fail "$1: the next copy: $(cat log)"
	fi
	cmp s t || fail "$1: the copy differs"
}

filled base 12 one
cp base t
"$worker" copy base t --manifest-out m.base --chunk-size 64K >/dev/null
filled s 12 two
yes 'what shrinks' | dd of=s bs=64K count=40 conv=notrunc iflag=fullblock status=none || :

for side in local sender receiver; do
	tried=0 failed=0 kib=8192 # with much less the kernel does not even start it
	while try $side $kib && [ "$rc" != 0 ]; do kib=$((kib + 1536)); done
	enough=$kib
	# Where the last things are made: threads, contexts of zstd and TLS, lists.
	for ((kib = enough - 4096; kib < enough; kib += 160)); do try $side $kib; done
	[ "$failed" -ge 8 ] || fail "$side: only $failed of $tried copies failed"
	say "$side: $failed of $tried copies failed for want of memory; $enough KiB of addresses are enough"
done
