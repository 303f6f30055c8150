#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 3600
#
# A sparse file of 32 TiB, with data at both ends and around 2 TiB (2^32 sectors) and 16 TiB (2^32 pages), is copied,
# and copied again after a change; the copy holds the same bytes, and no run takes more than 48 MiB of memory.

# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/../e2e/lib.sh"
requires python3 jq truncate

worker=$BUILD/wherry-worker
export XDG_STATE_HOME=$work/state
limit=$((48 * 1024)) # KiB: source and target are one process here
tebi=$((1 << 40))
size=$((32 * tebi))

unmount() {
	cd /
	! mountpoint -q "$work/mem" || umount "$work/mem"
}
mkdir "$work/mem"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=2G none "$work/mem"; then
	cleanup_fns+=(unmount)
elif truncate -s $size "$work/mem/s" 2>/dev/null; then
	rm "$work/mem/s" # this file system can hold it, too
else
	echo "needs a tmpfs (as root) or a file system that holds files of 32 TiB"
	exit 77
fi
cd "$work/mem"

# measured OUT COMMAND...: run it, and hold its peak of memory against the limit
measured() {
	local out=$1 peak
	shift
	peak=$(python3 -c '
import resource, subprocess, sys
rc = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "w")).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(rc)' "$out" "$@") || fail "failed: $*"
	[ "$peak" -le $limit ] || fail "$peak KiB of memory, more than $limit: $*"
	say "$(jq -r '"\(.seconds * 10 | round / 10) s, \(.bytes_read) bytes read, \(.chunks_written // 0) chunks written"' \
		"$out"), $((peak / 1024)) MiB of memory"
}
put() { # OFFSET BYTES: random data in the source
	head -c "$2" /dev/urandom | dd of=s bs=64K seek="$1" oflag=seek_bytes conv=notrunc status=none
}

truncate -s $size s
put 0 70000
put $((2 * tebi - 300000)) 600000
put $((2 * tebi + 123456 * 512)) 512
put $((16 * tebi - 1)) 2
put $((16 * tebi + 4096 * 777)) 4096
put $((size - 512)) 512

say "32 TiB, chunks of 256 KiB"
measured out.json "$worker" copy s t --json
python3 "$top/tests/big/compare_sparse.py" s t || fail "the copy differs"
[ "$(jq -r .bytes_read out.json)" -lt 10000000 ] || fail "holes were read"
rm t

say "32 TiB, chunks of 4 MiB, with a manifest"
measured out.json "$worker" copy s t --chunk-size 4M --manifest-out m --json
python3 "$top/tests/big/compare_sparse.py" s t || fail "the copy differs"
put $((31 * tebi + 12345 * 512)) 512
put $((2 * tebi)) 512
measured out.json "$worker" copy s t --manifest-in m --json
python3 "$top/tests/big/compare_sparse.py" s t || fail "the incremental copy differs"
[ "$(jq -r .chunks_written out.json)" = 2 ] || fail "not 2 chunks were written: $(cat out.json)"

say "32 TiB, scanned"
measured scan.json "$worker" scan s --chunk-size 4M --json
[ "$(jq -r .root scan.json)" = "$(jq -r .root out.json)" ] || fail "scan and copy give different roots"
