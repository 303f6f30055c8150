#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 240
#
# Wrong inputs: each one sentence that names the thing and what to do, the documented exit status, and nothing made.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img jq openssl

two_clouds
untouched() {
	[ "$(inventory "$cloud_a")" = "$inventory_a" ] || fail "cloud A holds: $(inventory "$cloud_a")"
	[ "$(inventory "$cloud_b")" = "$inventory_b" ] || fail "cloud B holds: $(inventory "$cloud_b")"
}
try() { # STATUS WORDS: a sync of $work/try.json
	expect "$1" "$2" wherry sync "$work/try.json"
	untouched
}
edit() { jq "$1" "$job" >"$work/try.json"; }

say 'the job file'
expect 4 'absent.json' wherry sync "$work/absent.json"
echo '{"job": "x",' >"$work/try.json"; try 3 'try.json:[0-9]+'
edit '.sauce = 1'; try 3 'sauce.*source'
edit '.options.chunk_size = "huge"'; try 3 'options.chunk_size'
edit '.options.chunk_size = 100000'; try 3 'options.chunk_size'
edit 'del(.target)'; try 3 'target'
edit '.source.provider = "cumulus"'; try 3 'cumulus.*qemu'
edit '.source.cloud = 7'; try 3 'source.cloud.*string'
expect 2 'frobnicate' wherry frobnicate
expect 2 'frobnicate' wherry sync "$job" --frobnicate

say 'the clouds'
edit '.source.machine = "nobody"'; try 4 'nobody'
edit ".source.cloud = \"$work/nowhere\""; try 4 'nowhere'
edit '.target.image = "/nonexistent"'; try 4 'make image'
mkdir "$work/notimage" && echo text >"$work/notimage/vmlinuz" && echo text >"$work/notimage/initramfs.img"
edit ".target.image = \"$work/notimage\""; try '(3|4)' 'image' || :

say 'a target that may not be written'
sync_job "$job"
inventory_b=$(inventory "$cloud_b")
truncate -s 20M "$work/d1.raw"
sync_job "$job"
replica_equals t
inventory_b=$(inventory "$cloud_b")
truncate -s 8M "$work/d1.raw"
cp "$job" "$work/try.json"; try 13 'shrank'
truncate -s 20M "$work/d1.raw"
say 'a replica disk in use by somebody else'
file=$("$BUILD/qemu-cloud" disk-file "$cloud_b" wherry-t-disk1)
qemu-img info --output=json "$file" | jq -r .format >"$work/format"
qemu-io -f "$(cat "$work/format")" -c 'sleep 30000' "$file" &
holder=$!
sleep 1
try '5' 'wherry-t-disk1|in use' || :
kill "$holder" 2>/dev/null || :
wait "$holder" 2>/dev/null || :
