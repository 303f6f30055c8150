#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 120
#
# test-image-disks.sh: the disk broker of PID 1 (initramfs/broker.h) in a booted appliance, asked by image_probe.c in
# the worker's place: the worker's rights, serials of every kind of disk, the rule that a source is never written and
# a target never read, disks plugged in while it runs, and a power-off when the worker ends.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 python3 cpio zstd

"$top/initramfs/mkinitramfs.sh" "$work/probe.img" "$top/initramfs/files.list" init="$BUILD/wherry-init" \
	busybox="$BUILD/initramfs/busybox" wherry-worker="$BUILD/image-probe"
for n in source target scsi nvme twin1 twin2 hot; do truncate -s 8M "$work/$n.raw"; done
truncate -s $((8 * 1048576 + 512)) "$work/sata.raw"
cat >"$work/steps" <<'STEPS'
rights
list
open source-1 ro
write
open source-1 ro
open source-1 rw
open target-1 rw
write
open target-1 rw
open target-1 ro
close
open target-1 rw
open twin ro
open @vdc ro
open lun:*:*:*:5 ro
open scsi-1 ro
open nv_me ro
open sata-1 ro
open nothing ro
settime 1800000000123456789
await hot-1
open hot-1 rw
write
STEPS

drive() { echo "-drive file=$work/$1.raw,format=raw,if=none,id=$1,cache=unsafe"; }
# shellcheck disable=SC2046 # drive prints a list of arguments
qemu-system-x86_64 -accel tcg -cpu max -M q35 -smp 2 -m 512 -nodefaults -no-reboot -display none \
	-kernel "$BUILD/image/vmlinuz" -initrd "$work/probe.img" -append "console=ttyS0 no_timer_check quiet panic=-1" \
	-serial "file:$work/console" -qmp "unix:$work/qmp,server=on,wait=off" -netdev user,id=net -device virtio-net-pci,netdev=net \
	-fw_cfg "name=opt/wherry/bootdata,file=$work/steps" -device pcie-root-port,id=port1,chassis=1,slot=1 \
	$(drive source) -device virtio-blk-pci,drive=source,serial=source-1 \
	$(drive target) -device virtio-blk-pci,drive=target,serial=target-1 \
	$(drive twin1) -device virtio-blk-pci,drive=twin1,serial=twin \
	$(drive twin2) -device virtio-blk-pci,drive=twin2,serial=twin \
	$(drive scsi) -device virtio-scsi-pci -device scsi-hd,drive=scsi,serial=scsi-1,lun=5 \
	$(drive nvme) -device nvme,drive=nvme,serial="nv me" \
	$(drive sata) -device ide-hd,drive=sata,serial=sata-1,bus=ide.0 \
	$(drive hot) </dev/null >"$work/log" 2>&1 &
qemu=$!
# shellcheck disable=SC2317 # called by cleanup
stop() { kill -KILL "$qemu" 2>/dev/null || :; }
cleanup_fns+=(stop)

until_console() { # SECONDS WORDS
	for ((tenths = 0; tenths < $1 * 10; tenths++)); do
		if grep -qaF "$2" "$work/console" 2>/dev/null; then return 0; fi
		kill -0 "$qemu" 2>/dev/null || break
		sleep 0.1
	done
	tail -n 40 "$work/console" "$work/log"
	fail "no '$2' on the console within $1 s"
}

say "boot, and a disk plugged in when the probe waits for it"
until_console 60 'probe: settime'
python3 - "$work/qmp" <<'PYTHON'
import json, socket, sys

with socket.socket(socket.AF_UNIX) as qmp:
    qmp.connect(sys.argv[1])
    lines = qmp.makefile("rw")
    lines.readline()
    for command in (
        {"execute": "qmp_capabilities"},
        {"execute": "device_add", "arguments": {"driver": "virtio-blk-pci", "drive": "hot", "id": "h",
                                                "serial": "hot-1", "bus": "port1"}},
    ):
        lines.write(json.dumps(command) + "\n")
        lines.flush()
        while True:
            reply = json.loads(lines.readline())
            if "error" in reply:
                sys.exit(reply["error"]["desc"])
            if "return" in reply:
                break
PYTHON
until_console 40 'probe: done'
tr -d '\r' <"$work/console" >"$work/told"

# answers STEP PATTERN [NUMBER]: the NUMBERth (default first) answer to that step matches, whole
answers() {
	local got
	got=$(grep -aF "probe: $1 -> " "$work/told" | sed -n "${3:-1}p")
	got=${got#"probe: $1 -> "}
	grep -qE "^$2\$" <<<"$got" || fail "'$1' (${3:-1}) was answered by '$got' instead of '$2'"
}

say "the worker's rights"
answers rights 'uid 990 gid 990 caps none none no_new_privs 1 disk denied fw_cfg denied'

say "a source: read-only for ever"
answers 'open source-1 ro' '\[direct ro\] ok vda 8388608 512 512 1 source-1'
answers 'write' 'Bad file descriptor'
answers 'open source-1 ro' '\[direct ro\] ok vda .*' 2
answers 'open source-1 rw' 'err 30 .*source of this boot.*'
cmp "$work/source.raw" <(head -c 8M /dev/zero) || fail "the source was written"

say "a target: writable, by one, never a source"
answers 'open target-1 rw' '\[direct rw\] ok vdb 8388608 512 512 0 target-1'
answers 'write' 'written' 2
answers 'open target-1 rw' 'err 16 .*' 2
answers 'open target-1 ro' 'err 16 .*target of this boot.*'
answers 'open target-1 rw' '\[direct rw\] ok vdb .*' 3
[ "$(head -c 4096 "$work/target.raw" | tr -d W | wc -c)" = 0 ] || fail "what was written is not on the target"

say "every kind of disk, and two of one name"
answers 'open twin ro' 'err 76 .*'
answers 'open @vdc ro' '\[direct ro\] ok vdc .* twin'
answers 'open lun:*:*:*:5 ro' '\[direct ro\] ok sd[ab] 8388608 512 512 1 scsi-1'
answers 'open scsi-1 ro' '\[direct ro\] ok sd[ab] .*'
answers 'open nv_me ro' '\[direct ro\] ok nvme0n1 8388608 512 512 1 nv_me'
answers 'open sata-1 ro' '\[direct ro\] ok sd[ab] 8389120 512 512 1 sata-1'
answers 'open nothing ro' 'err 19 .*'
answers 'settime 1800000000123456789' ok

say "the disk that came later"
answers 'await hot-1' there
answers 'open hot-1 rw' '\[direct rw\] ok vde 8388608 512 512 0 hot-1'
answers 'write' 'written' 3

say "the worker ended, so the machine is off"
until_console 10 'wherry-init: the worker exited with status 7; power-off.'
for ((tenths = 0; tenths < 200; tenths++)); do
	kill -0 "$qemu" 2>/dev/null || exit 0
	sleep 0.1
done
fail "the machine is still on"
