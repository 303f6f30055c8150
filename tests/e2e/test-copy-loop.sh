#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# wherry-worker copy on loop devices: sizes, 512 and 4096 bytes of logical sectors, contents under the copy, a target
# that is larger, smaller, of other sectors, or full. The oracle is cmp.

# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires cmp jq losetup blockdev mount
[ "$(id -u)" = 0 ] || { echo "needs root for loop devices"; exit 77; }
loop=$(losetup -f 2>/dev/null) || { echo "needs loop devices"; exit 77; }

worker=$BUILD/wherry-worker
export XDG_STATE_HOME=$work/state
cd "$work" || exit 1
loops=()
detach() {
	local l
	for l in "${loops[@]}"; do losetup -d "$l"; done
	loops=()
}
unmount() { ! mountpoint -q "$work/full" || umount "$work/full"; }
cleanup_fns+=(detach unmount)

attach() { # FILE SECTOR: sets $loop
	loop=$(losetup --show -f --sector-size "$2" "$1")
	loops+=("$loop")
}
filled() { # FILE BYTES OCTAL
	head -c "$2" /dev/zero | tr '\0' "\\$3" >"$1"
}

say "sizes and sectors, over 0xFF"
for case in '512 512' '1048064 512' '4096 4096' '1052672 4096' '33292800 512'; do
	read -r size sector <<<"$case"
	head -c "$size" /dev/urandom >s.img
	filled t.img "$size" 377
	attach s.img "$sector"
	source=$loop
	attach t.img "$sector"
	target=$loop
	[ "$(blockdev --getss "$target")" = "$sector" ] || fail "no loop device with sectors of $sector"
	"$worker" copy "$source" "$target" --verify --sector-size "$sector" >/dev/null
	cmp "$source" "$target" || fail "$size bytes differ"
	detach
	cmp s.img t.img || fail "$size bytes differ in the file below"
done

say "5 GiB + 4096, to and from a device"
truncate -s $((5 * 1024 * 1024 * 1024 + 4096)) s.img t.img
head -c 3000000 /dev/urandom | dd of=s.img bs=4096 seek=$((4 * 262144 + 7)) conv=notrunc status=none
head -c 4096 /dev/urandom | dd of=s.img bs=4096 seek=$((5 * 262144)) conv=notrunc status=none
head -c 1000000 /dev/urandom | dd of=t.img bs=1M seek=2000 conv=notrunc status=none
attach t.img 512
"$worker" copy s.img "$loop" >/dev/null
detach
cmp s.img t.img || fail "5 GiB + 4096 differ"
[ "$(du -k t.img | cut -f1)" -lt 100000 ] || say "(zeros took room below the loop device)"

say "uniform contents over others"
size=$((10 * 1048576 + 512))
for pair in '000 000' '377 000' '000 377' '377 377'; do
	read -r from over <<<"$pair"
	filled s.img "$size" "$from"
	filled t.img "$size" "$over"
	attach s.img 512
	source=$loop
	attach t.img 512
	"$worker" copy "$source" "$loop" >/dev/null
	detach
	cmp s.img t.img || fail "$from over $over differs"
done

say "a larger target: zeros behind the copy"
head -c 1049088 /dev/urandom >s.img
filled t.img 3145728 377
attach t.img 512
"$worker" copy s.img "$loop" >/dev/null
"$worker" copy s.img "$loop" --manifest-out m >/dev/null
detach
{ cat s.img; head -c $((3145728 - 1049088)) /dev/zero; } | cmp - t.img || fail "the tail is not zero"

say "incremental on devices"
head -c 50000384 /dev/urandom >s.img
truncate -s 50000384 t.img
attach s.img 512
source=$loop
attach t.img 512
target=$loop
"$worker" copy "$source" "$target" --manifest-out m >/dev/null
for c in 3 77 190; do
	head -c 512 /dev/urandom | dd of="$source" bs=512 seek=$((c * 512)) conv=notrunc,fsync status=none
done
out=$("$worker" copy "$source" "$target" --manifest-in m --json)
[ "$(jq -r .chunks_written <<<"$out")" = 3 ] || fail "not 3 chunks: $out"
cmp "$source" "$target" || fail "incremental differs"

say "wrong targets"
truncate -s 50000384 k.img
truncate -s 49999872 small.img
attach small.img 512
expect 13 'has 49999872 bytes' "$worker" copy "$source" "$loop"
truncate -s 50003968 k.img
attach k.img 4096
expect 13 'sectors' "$worker" copy "$source" "$loop"
expect 13 'are the same' "$worker" copy "$source" "$source"
mkdir full
mkfs.ext4 -q -F "$target"
mount "$target" full
expect 5 "$target" "$worker" copy "$source" "$target"
umount full

say "a full disk"
mount -t tmpfs -o size=16M none full
expect 7 'full/t' "$worker" copy "$source" full/t
[ ! -e full/t ] || fail "a target that was of no use was left"
