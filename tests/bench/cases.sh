# shellcheck shell=bash disable=SC2154 # set by bench.sh and images.sh
# SPDX-License-Identifier: Apache-2.0
#
# What is measured: three tables, sourced by bench.sh.

size_name() { [ "$1" -ge 1024 ] && echo "$(($1 / 1024)) GiB" || echo "$1 MiB"; } # of MiB

# SCENARIO|MOST ROUNDS|TITLE
scenarios() {
	cat <<-EOF
		scan|99|Read and hash a disk of $(size_name "$mib") (tmpfs behind a loop device, O_DIRECT)
		cold|99|Read a file of $(size_name "$mib") that is not in the page cache
		first|99|First copy of $(size_name "$mib"), durable, to a target full of other bytes
		incremental|99|Copy again after 1 % of the blocks changed
		hints|99|The same, with a list of what changed
		sparse|99|With a list of $dirty_blocks changes of 64 KiB: what the size of the disk costs
		memory|1|Peak memory of source and target together
		linear|99|Scan of growing disks
	EOF
}

# SCENARIO|CASE|NEEDS|PREPARE|PROGRAM ARGUMENT... [++ PROGRAM ARGUMENT...]...
# Cases of a scenario take turns. The first one is what the others are compared with.
# NEEDS: programs, and COMMAND:OPTION of wherry-worker. No argument may hold a blank.
cases() {
	local a=$source_loop t=$target_loop m=$disk/manifest here=127.0.0.1 tls="--peer $pin"
	# The peers do not read back what they wrote.
	local receive="$worker receive --listen $here:4433" fast=--no-read-back to="$here:4433 $tls" plain="$here:4433 --plain"
	local out="--manifest-out $m.first" huge="--manifest-out $mem/huge.manifest"
	local nbdkit="nbdkit -f -i $here -p 10809" psk="tls-psk-file=$mem/psk"
	local convert='qemu-img convert -n -T none -W -m 16 -f raw' null="driver=null-co,size=$((mib << 20))"
	cat <<-EOF
		scan|wherry|-|-|$worker scan $a
		scan|wherry, AVX2 at most|scan:--cpu|-|$worker scan $a --cpu avx2
		scan|fio, huge pages|fio|-|$(fio_words $a shmhuge)
		scan|fio, small pages|fio|-|$(fio_words $a malloc)
		scan|b3sum|b3sum|-|b3sum $a
		scan|sha256sum|sha256sum|-|sha256sum $a
		scan|qemu-img compare|qemu-img|-|qemu-img compare -T none -f raw -F raw $a $mem/source
		cold|wherry scan|-|cold|$worker scan $disk/cold
		cold|fio, huge pages|fio|cold|$(fio_words $disk/cold shmhuge)
		cold|qemu-img convert to null|qemu-img|cold|$convert --target-image-opts $disk/cold $null
		cold|nbdcopy to null|nbdcopy|cold|nbdcopy $disk/cold null:
		cold|dd, O_DIRECT|dd|cold|dd if=$disk/cold of=/dev/null bs=1M iflag=direct status=none
		first|wherry, TLS|-|random|$receive $t $tls $fast ++ $worker send $a $to --compression none $out
		first|wherry, TLS, zstd|-|random|$receive $t $tls $fast ++ $worker send $a $to --compression zstd:1 $out
		first|wherry, TLS, auto|-|random|$receive $t $tls $fast ++ $worker send $a $to $out
		first|wherry, plain TCP|send:--plain|random|$receive $t --plain $fast ++ \
			$worker send $a $plain --compression none $out
		first|wherry, TLS, read back|-|random|$receive $t $tls ++ $worker send $a $to --compression none $out
		first|wherry copy, local|-|random|$worker copy $a $t $out $fast
		first|nbdcopy, TLS|nbdcopy,nbdkit|random|$nbdkit --tls=require --tls-psk=$mem/psk file $t ++ \
			nbdcopy --flush $a nbds://alice@$here:10809/?$psk
		first|nbdcopy, plain TCP|nbdcopy,nbdkit|random|$nbdkit file $t ++ nbdcopy --flush $a nbd://$here:10809
		first|qemu-img convert, local|qemu-img|random|$convert -t none -O raw $a $t
		incremental|wherry, TLS|-|base|$receive $t $tls ++ $worker send $a $to --manifest-in $m
		incremental|rsync, plain TCP|rsync|base|rsync --daemon --no-detach --config=$mem/rsyncd --port=8730 ++ \
			rsync --inplace --no-whole-file -I $mem/source rsync://$here:8730/m/target
		incremental|nbdcopy, TLS, all again|nbdcopy,nbdkit|base|$nbdkit --tls=require --tls-psk=$mem/psk file $t ++ \
			nbdcopy --flush $a nbds://alice@$here:10809/?$psk
		incremental|qemu-img convert, all again, local|qemu-img|base|$convert -t none -O raw $a $t
		hints|wherry scan, no list|-|-|$worker scan $a
		hints|wherry copy, list|copy:--hints|base|$worker copy $a $t --manifest-in $m --hints $mem/dirty
		hints|qemu-storage-daemon, dirty bitmap|qemu-storage-daemon|base|\
			$bench_dir/bitmap-backup.sh $mem/bitmap.qcow2 $t
		$(sparse_cases)
		memory|$(size_name "$mib"), TLS|-|random|$receive $t $tls ++ $worker send $a $to $out
		memory|1 TiB sparse, TLS|-|received|$receive $mem/received $tls ++ $worker send $mem/huge1 $to $huge
		memory|32 TiB sparse, TLS, chunks of 4 MiB|-|received|\
			$receive $mem/received $tls ++ $worker send $mem/huge32 $to --chunk-size 4M $huge
		linear|$(size_name $((mib / 4)))|-|-|$worker scan ${linear_1:-}
		linear|$(size_name "$mib")|-|-|$worker scan ${linear_4:-}
		linear|$(size_name $((mib * 4)))|-|-|$worker scan ${linear_16:-}
	EOF
}

fio_words() { # FILE MEMORY
	echo "fio --name=r --filename=$1 --readonly --direct=1 --rw=read --bs=1M --ioengine=io_uring" \
		"--iodepth=4 --size=${mib}M --mem=$2 --output-format=json"
}

sparse_cases() {
	local size from
	for size in $sparse_sizes; do
		from=sparse_$size
		echo "sparse|$size GiB|copy:--hints|sparse $size|$worker copy ${!from:-} $mem/t$size" \
			"--manifest-in $disk/manifest --hints $mem/changes"
	done
	echo "sparse|16 GiB, four times the changes|copy:--hints|sparse 16|$worker copy ${sparse_16:-} $mem/t16" \
		"--manifest-in $disk/manifest --hints $mem/changes4"
}

# LINE OF "It must show"|WHAT|OP|BOUND|VALUE|DIVISOR
# VALUE and DIVISOR: [FACTOR*]wall|cpu|wire|rss:SCENARIO/CASE, or a number; of several, separated by " ~ ", the least.
# OP: >=, <=, or +- (within BOUND of 1)
bounds() {
	local cpu=0.25
	! grep -qm1 avx512vl /proc/cpuinfo || cpu=0.12
	local quarter whole fourfold
	quarter=$(size_name $((mib / 4))) whole=$(size_name "$mib") fourfold=$(size_name $((mib * 4)))
	cat <<-EOF
		1|scan: rate, of fio's best|>=|0.95|wall:scan/fio, huge pages ~ wall:scan/fio, small pages|wall:scan/wherry
		1|cold scan: rate, of fio's|>=|0.95|wall:cold/fio, huge pages|wall:cold/wherry scan
		1|scan: CPU seconds per GiB|<=|$cpu|cpu:scan/wherry|$gib
		1|scan, AVX2 at most: CPU seconds per GiB|<=|0.25|cpu:scan/wherry, AVX2 at most|$gib
		2|cold scan: times faster than qemu-img convert to null|>=|2|wall:cold/qemu-img convert to null|wall:cold/wherry scan
		2|cold scan: times faster than nbdcopy to null|>=|2|wall:cold/nbdcopy to null|wall:cold/wherry scan
		3|incremental: times faster than rsync|>=|4|wall:incremental/rsync, plain TCP|wall:incremental/wherry, TLS
		3|incremental: times less CPU than rsync|>=|4|cpu:incremental/rsync, plain TCP|cpu:incremental/wherry, TLS
		3|incremental: times faster than nbdcopy over TLS|>=|12|\
			wall:incremental/nbdcopy, TLS, all again|wall:incremental/wherry, TLS
		3|incremental: bytes on the wire, of rsync's|<=|1.3|\
			wire:incremental/wherry, TLS|wire:incremental/rsync, plain TCP
		4|first copy: times faster than nbdcopy over TLS|>=|6|wall:first/nbdcopy, TLS|wall:first/wherry, TLS
		4|first copy, compressed: times faster than nbdcopy over TLS|>=|3|\
			wall:first/nbdcopy, TLS|wall:first/wherry, TLS, zstd
		4|first copy, compressed: bytes on the wire, of nbdcopy's|<=|0.35|\
			wire:first/wherry, TLS, zstd|wire:first/nbdcopy, TLS
		4|first copy: time, of a local qemu-img convert|<=|1.5|wall:first/wherry, TLS|wall:first/qemu-img convert, local
		5|list of 1 %: times faster than the scan|>=|10|wall:hints/wherry scan, no list|wall:hints/wherry copy, list
		5|list: time at 64 GiB, of that at 1 GiB|<=|2|wall:sparse/64 GiB|wall:sparse/1 GiB
		6|TLS: rate, of plain TCP|>=|0.9|wall:first/wherry, plain TCP|wall:first/wherry, TLS
		7|$whole: MiB of memory, both sides|<=|48|rss:memory/$whole, TLS|1024
		7|1 TiB: MiB of memory, both sides|<=|48|rss:memory/1 TiB sparse, TLS|1024
		7|32 TiB: MiB of memory, both sides|<=|48|rss:memory/32 TiB sparse, TLS, chunks of 4 MiB|1024
		8|scan: time per GiB, $quarter against $whole|+-|0.1|4*wall:linear/$quarter|wall:linear/$whole
		8|scan: time per GiB, $fourfold against $whole|+-|0.1|0.25*wall:linear/$fourfold|wall:linear/$whole
	EOF
}
