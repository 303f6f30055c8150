# shellcheck shell=bash disable=SC2034,SC2154 # shared with bench.sh and cases.sh
# SPDX-License-Identifier: Apache-2.0
#
# The disks of the bench; sourced by bench.sh. All of them are files on a tmpfs of their own, behind loop devices where
# a case wants a disk:
#
#   source  BENCH_GIB GiB: files of /usr one after another, in extents of 16 MiB that alternate with as much zeros, every
#           page allocated; the same for the same /usr
#   target  of the same size
#   cold    the source, as a file on the disk
#
# 1 % of the blocks of 1 MiB are dirtied for the incremental scenarios: 16 to 64 KiB of random bytes in each.

mem=$out/mem target_loop='' source_loop=''
mib=$((gib * 1024))
dirty_blocks=$(((mib + 99) / 100))
loops=()

cleanup() {
	local rc=$? l
	trap - EXIT
	for l in "${loops[@]}"; do losetup -d "$l" || :; done
	! mountpoint -q "$mem" || umount "$mem" || umount -l "$mem"
	rm -rf "$mem" "$disk"
	[ -z "${pages_before:-}" ] || echo "$pages_before" >/proc/sys/vm/nr_hugepages
	exit "$rc"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

attach() { # FILE [LIMIT]: sets $loop
	loop=$(losetup --show -f ${2:+--sizelimit "$2"} "$1")
	loops+=("$loop")
}

noise() { # SEED: without end, the same for the same seed
	openssl enc -aes-128-ctr -nosalt -pass "pass:$1" -md sha256 </dev/zero 2>/dev/null || :
}

usr_bytes() { # without end
	while :; do
		find /usr/bin /usr/lib /usr/share -xdev -type f -size +0 -print0 | sort -z | xargs -0 cat || return 0
	done
}

# Half of it data. Zeros are pages, not holes: a hole is quicker to read than a disk full of zeros.
fill_source() {
	local at
	head -c "${mib}M" /dev/zero >"$mem/source"
	usr_bytes 2>/dev/null | for ((at = 0; at < mib; at += 32)); do
		dd of="$mem/source" bs=1M count=16 seek=$at iflag=fullblock conv=notrunc status=none
	done || :
}

make_images() {
	local need=$((3 * gib + 1)) have
	have=$(awk '/^MemAvailable/ { printf "%d", $2 / 1048576 }' /proc/meminfo)
	[ "$have" -ge "$need" ] || die "$need GiB of free memory are needed, $have are there; set BENCH_GIB to less than $gib"
	say "making disks of $gib GiB in memory"
	mkdir -p "$mem"
	mount -t tmpfs -o size=100% none "$mem"
	# For fio; it has no other way to huge pages.
	pages_before=$(cat /proc/sys/vm/nr_hugepages)
	echo $((pages_before + 8)) >/proc/sys/vm/nr_hugepages || :
	fill_source
	truncate -s "${mib}M" "$mem/target"
	attach "$mem/source"
	source_loop=$loop
	attach "$mem/target"
	target_loop=$loop
	pin=$("$worker" fingerprint)
	echo "alice:$(openssl rand -hex 32)" >"$mem/psk"
	printf 'use chroot = no\nuid = root\n[m]\npath = %s\nread only = no\n' "$mem" >"$mem/rsyncd"
}

# ---- What a scenario needs once; a function that fails makes a row that says so ----

setup_scan() { :; }
setup_first() { :; }

setup_cold() { cp --sparse=never "$mem/source" "$disk/cold" && sync "$disk/cold"; }

# N blocks of BENCH_GIB that are dirty, as offset and length in bytes, multiples of 4096; the same for the same size.
dirty_list() { # N
	awk -v mib="$mib" -v n="$1" 'BEGIN {
		x = 12345
		for (i = 0; i < n; i++) {
			x = (x * 1103515 + 12345) % 2147483648
			pages = 4 + int(x / 65536) % 13
			printf "%d %d\n", int(i * mib / n) * 1048576 + 4096 * (int(x / 1024) % (256 - pages)), pages * 4096
		}
	}'
}

copy_dirty() { # FROM TO
	local offset length
	while read -r offset length; do
		dd if="$1" of="$2" bs=4096 skip=$((offset / 4096)) seek=$((offset / 4096)) count=$((length / 4096)) \
			conv=notrunc status=none || return 1
	done <"$mem/dirty"
}

make_dirty() { # FILE
	local offset length
	noise dirty | while read -r offset length <&3; do
		dd of="$1" bs=4096 seek=$((offset / 4096)) count=$((length / 4096)) iflag=fullblock conv=notrunc status=none
	done 3<"$mem/dirty"
}

flush() { blockdev --flushbufs "$source_loop" "$target_loop"; }

# The target holds what the source held before 1 % of it was dirtied, and there is a manifest of that.
setup_incremental() {
	dirty_list $dirty_blocks >"$mem/dirty" &&
		"$worker" scan "$source_loop" --manifest-out "$disk/base.manifest" &&
		dd if="$mem/source" of="$mem/target" bs=1M conv=notrunc status=none &&
		truncate -s "${mib}M" "$mem/base" && copy_dirty "$mem/source" "$mem/base" && make_dirty "$mem/source" && flush
}

# Beside Wherry's hints: QEMU's dirty bitmap, which is a list of the same kind, in an image that it was made in.
setup_hints() {
	local offset length
	[ -e "$mem/base" ] || setup_incremental || return 1
	flush && copy_dirty "$mem/base" "$mem/target" &&
		qemu-img convert -f raw -O qcow2 "$mem/target" "$mem/bitmap.qcow2" &&
		qemu-img bitmap --add -g 65536 "$mem/bitmap.qcow2" dirty || return 1
	# A block that came out short would be repeated, not refused.
	while read -r offset length; do
		dd if="$mem/source" of="$mem/block.$offset" bs=4096 skip=$((offset / 4096)) count=$((length / 4096)) \
			status=none || return 1
		printf 'write -q -s %s %d %d\n' "$mem/block.$offset" "$offset" "$length"
	done <"$mem/dirty" >"$mem/writes"
	qemu-io -f qcow2 "$mem/bitmap.qcow2" <"$mem/writes" || return 1
	rm -f "$mem"/block.*
	qemu-img compare -f qcow2 -F raw "$mem/bitmap.qcow2" "$mem/source"
}

sparse_sizes='1 4 16 64' # GiB
setup_sparse() {
	local size
	rm -f "$mem/bitmap.qcow2"
	awk -v n="$dirty_blocks" 'BEGIN { for (i = 0; i < 4 * n; i++) printf "%d 65536\n", i * 1048576 }' >"$mem/changes4"
	head -n "$dirty_blocks" "$mem/changes4" >"$mem/changes"
	for size in $sparse_sizes; do
		truncate -s "${size}G" "$mem/s$size" "$mem/t$size" &&
			"$worker" scan "$mem/s$size" --manifest-out "$disk/s$size.manifest" || return 1
		noise sparse | dd of="$mem/s$size" bs=64K count=$((4 * dirty_blocks)) iflag=fullblock conv=notrunc status=none
		attach "$mem/s$size"
		declare -g "sparse_$size=$loop"
	done
}

setup_memory() {
	local size
	rm -f "$mem"/[st][0-9]*
	for size in 1 32; do
		truncate -s "${size}T" "$mem/huge$size" &&
			dd if="$mem/source" of="$mem/huge$size" bs=1M count=128 conv=notrunc status=none &&
			dd if="$mem/source" of="$mem/huge$size" bs=1M count=128 seek=$((size * 1048576 - 128)) conv=notrunc \
				status=none || return 1
	done
}

# The source four times, each of which begins with a quarter of its pieces: so the first GiB has the share of zeros of the
# whole, and it is seen how the time grows with the size and not with what lies there. Zeros are holes, under a loop
# device that does not tell: the memory would not do otherwise.
setup_linear() {
	local blocks=$((mib / 16)) i to # of 64 KiB in a piece, of which the source has 256
	rm -f "$mem"/huge* "$mem/received" "$mem/huge.manifest"
	fallocate --punch-hole -o 0 -l "${mib}M" "$mem/target"
	[ "$(awk '/^MemAvailable/ { printf "%d", $2 / 1048576 }' /proc/meminfo)" -gt $((2 * gib)) ] ||
		{ echo "not $((2 * gib)) GiB of memory"; return 1; }
	for ((i = 0; i < 1024; i++)); do
		to=$((i / 256 * 256 + i % 4 * 64 + i % 256 / 4))
		dd if="$mem/source" of="$mem/linear" bs=64K count="$blocks" skip=$((i % 256 * blocks)) seek=$((to * blocks)) \
			conv=sparse,notrunc status=none || return 1
	done
	truncate -s $((4 * mib))M "$mem/linear"
	attach "$mem/linear" $((mib / 4 * 1048576))
	linear_1=$loop
	attach "$mem/linear" $((mib * 1048576))
	linear_4=$loop
	attach "$mem/linear"
	linear_16=$loop
}

# ---- What is done before each run of a case ----

prepare() { # WORDS of the table
	local how
	read -r -a how <<<"$1"
	[ "$1" = - ] || "prepare_${how[0]}" "${how[@]:1}"
}

prepare_random() {
	rm -f "$disk"/manifest* && flush || return 1
	noise "$RANDOM" | dd of="$target_loop" bs=1M count="$mib" iflag=fullblock oflag=direct status=none && flush
}

prepare_base() {
	flush && copy_dirty "$mem/base" "$mem/target" && flush && cp "$disk/base.manifest" "$disk/manifest"
}

prepare_cold() { dd of="$disk/cold" oflag=nocache conv=notrunc,fdatasync count=0 status=none; }

prepare_sparse() { cp "$disk/s$1.manifest" "$disk/manifest"; }

prepare_received() { rm -f "$mem/received" "$mem/huge.manifest"; }
