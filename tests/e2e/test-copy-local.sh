#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# wherry-worker copy and scan on files: sizes, uniform contents, incremental, resume after SIGKILL, wrong inputs. The
# oracle is cmp. Loop devices: test-copy-loop.sh.

# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires cmp jq shuf truncate

worker=$BUILD/wherry-worker
export XDG_STATE_HOME=$work/state
cd "$work" || exit 1

chunk=262144
fill() { # FILE BYTES OCTAL: that many times the byte
	head -c "$2" /dev/zero | tr '\0' "\\$3" >"$1"
}
field() { jq -r ".$2" "$1"; }

say "sizes"
for size in 1 512 4096 $((chunk - 512)) $chunk $((chunk + 1)) $((1048576 - 512)) $((127 * chunk + 512)); do
	head -c "$size" /dev/urandom >s
	rm -f t
	"$worker" copy s t --verify --json >out.json
	cmp s t || fail "$size bytes differ"
	[ "$(field out.json bytes_written)" = "$size" ] || fail "$size bytes: $(cat out.json)"
done

say "5 GiB + 4096, sparse"
truncate -s $((5 * 1024 * 1024 * 1024 + 4096)) big
head -c 3000000 /dev/urandom | dd of=big bs=1M seek=1 conv=notrunc status=none
head -c 5000 /dev/urandom | dd of=big bs=4096 seek=$((4 * 262144 + 7)) conv=notrunc status=none
head -c 4096 /dev/urandom | dd of=big bs=4096 seek=$((5 * 262144)) conv=notrunc status=none
"$worker" copy big copied --json >out.json
cmp big copied || fail "5 GiB + 4096 differ"
[ "$(field out.json bytes_read)" -lt 16000000 ] || fail "holes were read: $(cat out.json)"
[ "$(du -k copied | cut -f1)" -lt 16000 ] || fail "the copy is not sparse"
rm -f big copied

say "uniform contents over others"
size=$((40 * chunk + 512))
for pair in '000 000' '377 000' '000 377' '377 377'; do
	read -r from over <<<"$pair"
	fill s "$size" "$from"
	fill t "$size" "$over"
	"$worker" copy s t --verify >/dev/null
	cmp s t || fail "$from over $over differs"
done

say "incremental: reads all, writes exactly what changed"
head -c $((400 * chunk + 777)) /dev/urandom >s
rm -f t
"$worker" copy s t --manifest-out m1 --json >out.json
[ "$(field out.json chunks_written)" = 401 ] || fail "the first copy: $(cat out.json)"
in=m1
for k in 0 1 17 60; do
	for c in $(shuf -i 0-399 -n $k); do
		head -c 512 /dev/urandom | dd of=s bs=512 seek=$((c * 512 + RANDOM % 512)) conv=notrunc status=none
	done
	"$worker" copy s t --manifest-in $in --manifest-out "m-$k" --json >out.json
	cmp s t || fail "$k changed chunks: the copy differs"
	[ "$(field out.json chunks_written)" = $k ] || fail "$k changed chunks: $(cat out.json)"
	[ "$(field out.json bytes_read)" = "$(stat -c %s s)" ] || fail "not all was read: $(cat out.json)"
	in=m-$k
done
[ "$("$worker" scan s --json | jq -r .root)" = "$(field out.json root)" ] || fail "scan gives another root"

cp s old-source

say "one manifest kept up to date in place"
cp s before
head -c 512 /dev/urandom | dd of=s bs=512 seek=9999 conv=notrunc status=none
"$worker" copy s t --manifest-in $in >/dev/null
cp before s # back to what the manifest said at first
"$worker" copy s t --manifest-in $in --json >out.json
cmp s t || fail "a source that went back was not copied"
[ "$(field out.json chunks_written)" = 1 ] || fail "a source that went back: $(cat out.json)"

say "a target that changed behind its manifest"
head -c 512 /dev/urandom | dd of=t bs=512 seek=777 conv=notrunc status=none
expect 12 'go on with --manifest-in m-changed.working' "$worker" copy s t --manifest-in $in --manifest-out m-changed --verify
"$worker" copy s t --manifest-in m-changed.working --manifest-out m-changed --verify >/dev/null
cmp s t || fail "a target that changed was not mended"

say "SIGKILL, then on from the working manifest"
head -c $((600 * chunk)) /dev/urandom >s
rm -f t m m.working
cp s old
resumed=0
for wait in 0.05 0.1 0.2 0.4 0.8; do
	[ -e m.working ] && args=(--manifest-in m.working) || args=()
	[ -e m ] && break
	"$worker" copy s t "${args[@]}" --manifest-out m --checkpoint-size 4M --json >out.json &
	pid=$!
	sleep $wait
	kill -KILL $pid 2>/dev/null || :
	wait $pid 2>/dev/null || :
	[ ! -e m.working ] || resumed=$((resumed + 1))
	# New content in some chunks, old content back in others.
	for c in $(shuf -i 0-599 -n 40); do
		head -c 512 /dev/urandom | dd of=s bs=$chunk seek="$c" conv=notrunc status=none
		dd if=old of=s bs=$chunk skip=$((599 - c)) seek=$((599 - c)) count=1 conv=notrunc status=none
	done
done
if [ -e m.working ]; then
	expect 13 'left from a copy that did not end' "$worker" copy s t --manifest-out m
	"$worker" copy s t --manifest-in m.working --manifest-out m --json >out.json
else
	"$worker" copy s t --manifest-in m --json >out.json
fi
cmp s t || fail "after SIGKILL the copy differs"
[ ! -e m.working ] || fail "the working manifest was left"
say "$resumed times interrupted; at last $(field out.json chunks_written) of 600 chunks were written"

say "SIGINT"
rm -f t m
"$worker" copy s t --manifest-out m --checkpoint-size 1M >/dev/null 2>err.txt &
pid=$!
sleep 0.05
kill -INT $pid
got=0
wait $pid || got=$?
[ $got = 15 ] || [ $got = 0 ] || fail "SIGINT gives exit status $got: $(cat err.txt)"

say "wrong inputs"
rm -f t m m.working
head -c 1000000 /dev/urandom >s
expect 4 'cannot .*nothing-here' "$worker" copy nothing-here t
expect 13 'are the same' "$worker" copy s s
ln -sf s link
expect 13 'are the same' "$worker" copy s link
head -c 999999 s >small
expect 13 'truncate -s 1000000 small' "$worker" copy s small
cmp -n 999999 s small || fail "a refused target was changed"
expect 4 'not there or empty' "$worker" copy old-source t --manifest-in m-60
expect 13 'manifest m-60 is of a disk of' "$worker" copy s small --manifest-in m-60
expect 12 'is no manifest' "$worker" copy s small --manifest-in s
expect 2 'power of two' "$worker" copy s t --chunk-size 100000
expect 2 'limit-rate: expected a rate' "$worker" copy s t --limit-rate 100
expect 2 'limit-iops: expected a whole number' "$worker" copy s t --limit-iops 0
expect 2 'source and a target' "$worker" copy s
expect 2 'not an option' "$worker" copy s t --no-such-thing
expect 14 'is a folder' "$worker" copy s .
expect 4 'cannot create the target' "$worker" copy s no-folder/t
expect 4 'cannot open the hash key' "$worker" copy s t --key-file no-key
cp state/wherry/copy.key open.key
chmod 644 open.key
expect 6 'chmod 600' "$worker" copy s t --key-file open.key
[ ! -e t ] && [ ! -e m ] || fail "a refused copy left files"
