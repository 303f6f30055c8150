#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# wherry-worker copy and scan with --hints: only what they name is read, a lie is found, a wrong list costs nothing but
# time. The oracles are cmp and the kernel's own count of the bytes that the process read from the disk.

# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires cmp jq python3 truncate

worker=$BUILD/wherry-worker
export XDG_STATE_HOME=$work/state
cd "$work" || exit 1

chunk=262144
chunks=3000
mib=1048576
field() { jq -r ".$1" out.json; }
put() { head -c 512 /dev/urandom | dd of=s bs=$chunk seek="$1" conv=notrunc status=none; } # CHUNK
# counted COMMAND...: stdout to out.json, stderr to err.txt, the bytes read from block devices to `bytes`
counted() {
	python3 -c 'import resource, subprocess, sys
rc = subprocess.run(sys.argv[1:], stdout=open("out.json", "w"), stderr=open("err.txt", "w")).returncode
open("bytes", "w").write(str(512 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock))
sys.exit(rc)' "$@" || fail "$*: $(cat err.txt)"
}

head -c $((chunks * chunk - 777)) /dev/urandom >s
"$worker" copy s t --manifest-out m0 --json >out.json

say "only what is hinted is read, and 64 chunks to check it"
for c in 0 17 126 127 1500 $((chunks - 1)); do put $c; done
cp s full
{
	echo "# six chunks"
	echo "generation 1"
	for c in 0 17 126 127 1500 $((chunks - 1)); do echo "$((c * chunk)) 512"; done
} >hints
sync
counted "$worker" copy s t --manifest-in m0 --manifest-out m1 --hints hints --json
cmp s t || fail "the copy differs"
[ "$(field hints)" = used ] || fail "hints were not used: $(cat out.json err.txt)"
[ "$(field chunks_written)" = 6 ] || fail "$(cat out.json)"
[ "$(field bytes_read)" -le $((70 * chunk)) ] || fail "too much was read: $(cat out.json)"
# Six chunks are read back, and there are the manifests; all of the source would be 750 MiB.
[ "$(cat bytes)" -lt $((24 * mib)) ] || fail "the kernel counted $(cat bytes) bytes read"
"$worker" scan full --json >scan.json
[ "$(jq -r .root scan.json)" = "$(field root)" ] || fail "the root is not that of a scan"

say "a scan with hints"
"$worker" scan s --manifest-in m0 --hints hints --manifest-out m1s --json >out.json
[ "$(field hints)" = used ] && [ "$(field root)" = "$(jq -r .root scan.json)" ] || fail "scan: $(cat out.json)"

say "hints of another generation are ignored, loudly"
put 5
expect 0 'ignored.*generation 1 .*generation 2' "$worker" copy s t --manifest-in m1 --manifest-out m2 --hints hints
cmp s t || fail "what ignored hints left out was not copied"

say "a list that leaves out half of what changed is found, and everything is read"
for c in $(seq 0 3 $((chunks - 1))); do put "$c"; done
for c in $(seq 0 6 $((chunks - 1))); do echo "$((c * chunk)) $chunk"; done >hints
counted "$worker" copy s t --manifest-in m2 --manifest-out m3 --hints hints --json
cmp s t || fail "lying hints made a wrong copy"
[ "$(field hints)" = refuted ] || fail "the lie was not found: $(cat out.json)"
grep -q 'hints hints are wrong: the chunk at' err.txt || fail "nobody said it: $(cat err.txt)"
[ "$(field chunks_written)" = $((chunks / 3)) ] || fail "$(cat out.json)"

say "SIGKILL in mid-run, the source goes back, the hints know nothing of it"
cp s before
for c in $(seq 100 $((chunks - 100))); do echo "$((c * chunk)) $chunk"; done >hints
head -c $((1000 * chunk)) /dev/urandom | dd of=s bs=$chunk seek=1000 conv=notrunc status=none
"$worker" copy s t --manifest-in m3 --hints hints --checkpoint-size 64M >out.json 2>&1 &
pid=$!
for _ in $(seq 500); do
	! cmp -n $((1200 * chunk)) before t >/dev/null 2>&1 || { sleep 0.01; continue; }
	break
done
kill -KILL $pid 2>/dev/null || :
wait $pid 2>/dev/null || :
cp before s
: >empty
counted "$worker" copy s t --manifest-in m3 --hints empty --json
cmp s t || fail "what a killed run wrote was left, because the hints did not name it"
say "hints $(field hints), $(field chunks_written) chunks written again"

say "time and bytes grow with the change, not with the disk"
printf '%6s %10s %10s %12s\n' GiB 'full s' 'hints s' 'read, MiB'
for gib in 1 4 16 64; do
	rm -f s t m
	truncate -s ${gib}G s
	head -c $((64 * mib)) /dev/urandom | dd of=s bs=1M seek=100 conv=notrunc status=none
	"$worker" copy s t --manifest-out m --json >out.json
	full=$(field seconds)
	head -c $((16 * mib)) /dev/urandom | dd of=s bs=1M seek=120 conv=notrunc status=none
	echo "$((120 * mib)) $((16 * mib))" >hints
	counted "$worker" copy s t --manifest-in m --hints hints --json
	[ "$(field hints)" = used ] && [ "$(field chunks_written)" = 64 ] || fail "$gib GiB: $(cat out.json err.txt)"
	printf '%6s %10.3f %10.3f %12s\n' $gib "$full" "$(field seconds)" $(($(field bytes_read) / mib))
	[ "$(field bytes_read)" -le $((33 * mib)) ] || fail "$gib GiB: $(cat out.json)"
	[ "$(cat bytes)" -lt $((64 * mib)) ] || fail "$gib GiB: the kernel counted $(cat bytes) bytes read"
done
cmp -n $((200 * mib)) s t || fail "the copy differs"

say "wrong inputs"
head -c 1000000 /dev/urandom >s
rm -f t m
"$worker" copy s t --manifest-out m >/dev/null
wrong() { # TEXT WORDS
	printf '%b' "$1" >bad
	expect 3 "$2" "$worker" copy s t --manifest-in m --manifest-out never --hints bad
	[ ! -e never ] && [ ! -e never.working ] || fail "a refused list left a manifest"
}
wrong '0 1\n5\n' 'bad, line 2: a range is two numbers'
wrong '0x10 5\n' 'bad, line 1: a range is two numbers'
wrong '+1 5\n' 'bad, line 1: a range is two numbers'
wrong '0 1 2\n' 'bad, line 1: a range is two numbers'
wrong '99999999999999999999 1\n' 'bad, line 1: a range is two numbers'
wrong '# x\n\n0 0\n' 'bad, line 3: a range of no bytes'
wrong '999999 2\n' 'bad, line 1: the range ends after the disk, which has 1000000 bytes'
wrong '5 1\n4 1\n' 'bad, line 2: the offset is lower'
wrong '0 1\ngeneration 1\n' 'bad, line 2: "generation" belongs once'
wrong 'generation x\n' 'bad, line 1: "generation" wants one number'
wrong '0 1\0000 1\n' 'bad, line 1: there is a zero byte'
wrong "$(printf 'x%.0s' $(seq 300))\n" 'bad, line 1: the line is too long'
expect 4 'cannot open the hints nowhere' "$worker" copy s t --manifest-in m --hints nowhere
expect 2 'give that one with --manifest-in' "$worker" copy s t --hints bad
expect 2 'together with --hints and --manifest-out' "$worker" scan s --manifest-in m
cmp s t || fail "wrong inputs changed the target"
