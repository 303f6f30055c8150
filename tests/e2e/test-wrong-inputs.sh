#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 300
#
# Wrong inputs and full disks: each one sentence that names the thing and what to do, the documented exit status, and
# nothing made, or everything taken away again. The oracle is the clouds' own lists and the kernel's list of processes.

# Small file systems are mounted below, which nobody else is to see: a mount namespace of our own, as root of our own.
if [ -z "${OWN_MOUNTS:-}" ]; then
	own=(unshare --mount)
	[ "$(id -u)" = 0 ] || own+=(--map-root-user)
	"${own[@]}" true || { echo 'needs a mount namespace: root, or user namespaces for this user'; exit 77; }
	OWN_MOUNTS=1 exec "${own[@]}" "$0"
fi
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img qemu-io jq openssl python3

mounts=()
unmount_all() {
	local m
	for m in "${mounts[@]}"; do umount --lazy "$m" 2>/dev/null || :; done
}
cleanup_fns+=(unmount_all)
small_disk() { # FOLDER KIB: a file system of its own there with so much room, and 60 MiB more without FOLDER/ballast
	mkdir "$1"
	mount -t tmpfs -o "mode=700,size=$((60 * 1024 + $2))k" tmpfs "$1"
	mounts+=("$1")
	fallocate -l 60M "$1/ballast"
}

# refused STATUS THING REMEDY COMMAND...: ends with STATUS and exactly one sentence, its last line, which names both
refused() {
	local status=$1 thing=$2 remedy=$3 got=0 sentence
	shift 3
	"$@" >"$work/said" 2>&1 || got=$?
	sentence=$(tail -n 1 "$work/said")
	[ "$got" = "$status" ] || fail "exit status $got instead of $status from: $* -- $sentence"
	[ "$(grep -c '^wherry[a-z-]*: ' "$work/said")" = 1 ] || fail "not one sentence: $(cat "$work/said")"
	[[ $sentence =~ ^wherry[a-z-]*:\ .*($thing) ]] || fail "the sentence does not name '$thing': $sentence"
	[[ $sentence =~ $remedy ]] || fail "the sentence does not say what to do ('$remedy'): $sentence"
}
# Both clouds hold what they held when `held` was set, but for snapshots that keep the replica's last generation.
untouched() {
	local a b pids
	a=$(inventory "$cloud_a") b=$(inventory "$cloud_b" | grep -v ' purpose=generation ' || :)
	[ "$a" = "$inventory_a" ] || fail "cloud A holds: $a"
	[ "$b" = "$held" ] || fail "cloud B holds: $b"
	pids=$(cloud_pids "$work")
	[ -z "$pids" ] || fail "QEMU still runs: $pids"
}
edit() { jq "$1" "$job" >"$work/try.json"; } # FILTER: $work/try.json is the job with one thing changed
try() { # STATUS THING REMEDY
	refused "$1" "$2" "$3" wherry sync "$work/try.json"
	untouched
}

two_clouds
held=$inventory_b

say 'the command line'
refused 2 frobnicate 'wherry help' wherry frobnicate
refused 2 synk 'wherry sync' wherry synk
refused 2 frobnicate 'wherry help sync' wherry sync "$job" --frobnicate
refused 2 JOB.json usage wherry sync

say 'the job file'
for command in plan sync verify promote; do
	refused 4 absent.json 'path right' wherry "$command" "$work/absent.json"
done
expect 4 '^error: .*absent.json .is the path right' wherry validate "$work/absent.json"
refused 3 "$work is a folder" 'name a JSON file' wherry sync "$work"
echo '{"job": "x",' >"$work/try.json"; try 3 'try.json:2:1' 'correct it'
: >"$work/try.json"; try 3 'try.json:1:1.*empty' 'correct it'
echo '[]' >"$work/try.json"; try 3 'try.json' 'expected an object'
edit '.sauce = 1'; try 3 'sauce' 'did you mean "source"'
edit '.options.chunk_sice = 1'; try 3 'options: .*chunk_sice' 'did you mean "chunk_size"'
edit '.options.chunk_size = "huge"'; try 3 'options.chunk_size' 'expected a size'
edit '.options.chunk_size = 100000'; try 3 'options.chunk_size' 'power of two'
edit '.options.compression = "rar"'; try 3 'options.compression' '"zstd:LEVEL"'
edit 'del(.target)'; try 3 'target' 'expected an object'
edit 'del(.source.machine)'; try 3 'source.machine' 'expected a text'
edit '.job = "../x"'; try 3 'job: ' 'letters, digits'
edit '.source.provider = "cumulus"'; try 3 'source.provider.*cumulus' 'expected one of "qemu"'
edit '.source.cloud = 7'; try 3 'source.cloud' 'expected a text'
edit '.source.cloud = 7'
wherry sync "$work/try.json" --json >"$work/said" 2>&1 || :
jq -se 'length == 1 and (.[0] | .event == "error" and .kind == "config" and .exit == 3)' "$work/said" >"$work/true" ||
	fail "no error event of its own with --json: $(cat "$work/said")"

say 'the clouds and their machines'
edit '.source.machine = "nobody"'; try 4 'machine nobody' 'name right'
edit ".source.cloud = \"$work/nowhere\""; try 4 'source: .*nowhere' 'correct "cloud"'
edit ".target.cloud = \"$work/nowhere\""; try 4 'target: .*nowhere' 'correct "cloud"'
mkdir "$work/plain"
edit ".target.cloud = \"$work/plain\""; try 4 'target: .*plain' 'correct "cloud"'
mv "$work/d1.raw" "$work/moved"
refused 4 "no file $work/d1.raw" 'bring it back' wherry sync "$job"
expect 4 'not ready: 1 error,' wherry validate "$job"
mv "$work/moved" "$work/d1.raw"
untouched
refused 4 'job t' 'wherry sync' wherry verify "$job"
refused 4 'job t' 'wherry sync' wherry promote "$job"

say 'the state directory'
mkdir -m 777 "$work/open"
STATE=$work/open refused 6 "$work/open" 'chmod 700' wherry sync "$job"
STATE=$job refused 3 "$job is no folder" '--state-dir' wherry sync "$job"
chmod 644 "$work/state/jobs/t/hash.key"
refused 6 'hash.key' 'chmod 600' wherry sync "$job"
chmod 600 "$work/state/jobs/t/hash.key"
untouched

say 'the worker image: absent, half, text, a kernel without us, a disk without anything'
image=$work/image
edit ".target.image = \"$image\""
try 4 "$image" 'make image'
mkdir "$image"; try 4 "$image has no vmlinuz" 'make image'
echo text >"$image/vmlinuz"; try 4 "$image has no initramfs.img" 'make image'
echo text >"$image/initramfs.img"; try 3 "$image/vmlinuz is not a Linux kernel" 'make image'
edit ".source.image = \"$image/vmlinuz\""; try 3 "$image/vmlinuz is no disk image" 'make image'
cp "$BUILD/image/vmlinuz" "$image/"
edit ".target.image = \"$image/vmlinuz\" | .target.boot = \"disk\""
try 3 "$image/vmlinuz is a bare Linux kernel" 'make image'
edit ".target.image = \"$image\""; try 4 'the target worker did not boot.*panic' 'make image'
filled "$work/noise.raw" 1 noise
edit ".source.image = \"$work/noise.raw\" | .options.worker_timeout_seconds = 10"
try 10 'source worker .* within 10 s' 'worker_timeout_seconds.*make image'

say 'ports: a worker on a taken one; all that QEMU tries are taken'
worker_on() { "$BUILD/wherry-worker" serve --boot-data "$work/boot.json" --listen "$1" --disk "a=$work/d0.raw"; }
printf '{"wherry":1, "job":"t", "run":"r", "epoch":1, "role":"export", "controller":"%064d", "nics":"auto",
	"control":{"path":"dial-in"}, "lease_seconds":60, "debug":false}' 0 >"$work/boot.json"
hold_port='
import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(float(sys.argv[2]))'
exec {owner}< <(exec python3 -c "$hold_port" 0 5)
read -r port <&"$owner"
refused 5 "port $port is in use" 'another port' worker_on "127.0.0.1:$port"
refused 3 '127.0.0.1:99999' 'from 0 to 65535' worker_on 127.0.0.1:99999
exec {owner}<&-
# In front of QEMU: somebody who takes the port that was free a moment ago, $CLASHES times.
mkdir "$work/bin"
cat >"$work/bin/qemu-system-x86_64" <<CLASH
#!/bin/bash
port=\$(printf '%s\n' "\$@" | sed -n 's/.*hostfwd=tcp:127.0.0.1:\([0-9]*\)-.*/\1/p')
if [ -n "\$port" ] && [ "\$(wc -l <"$work/clashes")" -lt "\$CLASHES" ]; then
	exec {owner}< <(exec python3 -c '$hold_port' "\$port" 2)
	read -r taken <&"\$owner"
	echo "\$taken" >>"$work/clashes"
fi
exec $(command -v qemu-system-x86_64) "\$@"
CLASH
chmod +x "$work/bin/qemu-system-x86_64"
cp "$job" "$work/try.json"
: >"$work/clashes"
CLASHES=1000 PATH=$work/bin:$PATH try 5 'no port of 127.0.0.1' 'end programs'

say 'two ports taken: others are used, and the sync succeeds'
: >"$work/clashes"
CLASHES=2 PATH=$work/bin:$PATH sync_job "$job"
[ "$(wc -l <"$work/clashes")" = 2 ] || fail 'no port was taken away'
replica_equals t
nothing_left
held=$(inventory "$cloud_b")

say 'a target that is not the one with the replica: both are named; other options of the same one do not matter'
new_cloud c
edit ".target.cloud = \"$work/c\""
try 13 "wherry-t-disk0 .*$cloud_b, .*$work/c" 'cleanup --discard'
expect 13 "^error: target: .*$cloud_b, .*$work/c" wherry validate "$work/try.json"
refused 13 "$cloud_b, .*$work/c" 'old place again' wherry verify "$work/try.json"
refused 13 "$cloud_b, .*$work/c" 'old place again' wherry promote "$work/try.json"
refused 13 "$cloud_b, which" 'names that place' wherry cleanup --discard "$work/try.json"
[ -z "$(inventory "$work/c")" ] || fail "cloud C holds: $(inventory "$work/c")"
edit '.target.worker_memory_mib = 257'
wherry verify "$work/try.json" --quiet || fail 'another option of the target hid the replica'
untouched

say 'sizes: a source that shrank, a replica that somebody cut off'
truncate -s 4M "$work/d1.raw"
try 13 'disk d1 shrank' 'cleanup --discard'
truncate -s 0 "$work/d1.raw"
filled "$work/d1.raw" 8 one
file1=$("$BUILD/qemu-cloud" disk-file "$cloud_b" wherry-t-disk1)
cp "$file1" "$work/whole.qcow2"
qemu-img resize -q --shrink "$file1" 4M
try 13 'wherry-t-disk1' 'cleanup --discard'
cp "$work/whole.qcow2" "$file1"

say 'somebody else has the disk open: the source, then the replica'
hold_disk() { # FORMAT FILE: until release_disk
	mkfifo "$work/hold"
	qemu-io -f "$1" "$2" <"$work/hold" >/dev/null 2>&1 &
	holder=$!
	exec {hold}>"$work/hold"
	while ! grep -q "$(stat -c %i "$2")" /proc/locks; do sleep 0.05; done
}
release_disk() {
	exec {hold}>&-
	wait "$holder"
	rm "$work/hold"
}
hold_disk raw "$work/d1.raw"
refused 5 "$work/d1.raw is in use" 'stop that' wherry sync "$job"
release_disk
untouched
hold_disk qcow2 "$file1"
refused 5 'wherry-t-disk1' 'stop it' wherry verify "$job"
write_job "$job" t m m # the generation is kept already, so it is the worker that finds the disk taken
refused 5 'wherry-t-disk1' 'stop it' wherry sync "$job"
release_disk
untouched

say 'manifests that cannot be read: named by verify, made again by sync'
manifests=$work/state/manifests/t
head -c 3000 /dev/urandom >"$manifests/disk1/1"
refused 12 "$manifests/disk1/1" 'next run hashes' wherry verify "$job"
rm "$manifests/disk1/1"
refused 4 "$manifests/disk1/1" 'wherry sync' wherry verify "$job"
untouched
for i in 0 1; do head -c 3000 /dev/urandom >"$manifests/disk$i/working"; done
sync_job "$job"
grep -q 'working manifest of disk 1 is not used because' "$work/events" || fail 'a manifest of noise was believed'
[ "$(result sent)" = 0 ] || fail "sent $(result sent) bytes again"
replica_equals t
nothing_left
wherry cleanup --discard "$job" >/dev/null
[ -z "$(inventory "$cloud_b")" ] || fail "after --discard cloud B holds: $(inventory "$cloud_b")"

say "the target's file system is full; with room again the sync goes on from there"
cloud_b=$work/tight/cloud
small_disk "$work/tight" 20480
"$BUILD/qemu-cloud" init "$cloud_b" >/dev/null
inventory_b=$(inventory "$cloud_b")
write_job "$job" t m m
refused 7 "$cloud_b" 'free space' wherry sync "$job"
nothing_left
rm "$work/tight/ballast"
sync_job "$job"
replica_equals t
nothing_left
wherry cleanup --discard "$job" >/dev/null
[ -z "$(inventory "$cloud_b")" ] || fail "after --discard cloud B holds: $(inventory "$cloud_b")"

say 'the state directory is full, at one moment of a run after another'
cloud_b=$work/b
held=$inventory_b
write_job "$job" t m m
made=''
for kib in 8 48 96 128 160 192 224 256 288 320; do
	small_disk "$work/full$kib" "$kib"
	STATE=$work/full$kib/state refused 7 "$work/full$kib" 'make room' wherry sync "$job"
	made+=$(sed -n 's/^[^ ]* t: \([a-z]*\): .*/\1 /p' "$work/said")
	nothing_left
	rm "$work/full$kib/ballast"
	STATE=$work/full$kib/state wherry cleanup --discard "$job" >/dev/null
	untouched
	umount --lazy "$work/full$kib"
done
[[ $made =~ snapshot.*worker ]] || fail "none of them was full in the middle of a run, but after: $made"
