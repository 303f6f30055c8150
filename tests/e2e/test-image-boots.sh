#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 300
#
# test-image-boots.sh: the appliance's image starts its worker wherever it is booted from: kernel and initramfs
# directly (both kinds of PC QEMU has), the disk by BIOS as raw, qcow2 and VHD, the disk by UEFI. What it must not
# have, it has not: verify.sh on the initramfs, no shell for a key pressed on the serial line, no partition of a
# disk seen by the kernel. It ends itself: on the power button, and without bootstrap data.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 qemu-img sgdisk mkfs.vfat mcopy socat python3 file readelf cpio zstd
image=$BUILD/image
code=/usr/share/OVMF/OVMF_CODE_4M.fd
vars=/usr/share/OVMF/OVMF_VARS_4M.fd
[ -f "$code" ] || { echo "needs the package ovmf"; exit 77; }

cat >"$work/bootdata" <<JSON
{"wherry":1,"job":"test","run":"test","epoch":1,"role":"export",
"controller":"$(printf '0%.0s' {1..64})","control":{"path":"dial-in"},"nics":"auto","lease_seconds":300,"debug":false}
JSON

# start NAME ARGUMENTS...: a machine with its console in $work/NAME.console and QMP at $work/NAME.qmp
declare -A pids=()
start() {
	local name=$1
	shift
	: >"$work/$name.console"
	qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 512 -nodefaults -no-reboot -display none \
		-chardev "socket,id=serial,path=$work/$name.serial,server=on,wait=off,logfile=$work/$name.console" \
		-serial chardev:serial -qmp "unix:$work/$name.qmp,server=on,wait=off" \
		-netdev user,id=net -device virtio-net-pci,netdev=net "$@" </dev/null >"$work/$name.log" 2>&1 &
	pids[$name]=$!
}
stop_all() {
	local name
	for name in "${!pids[@]}"; do kill -KILL "${pids[$name]}" 2>/dev/null || :; done
}
cleanup_fns+=(stop_all)
stop() {
	kill -KILL "${pids[$1]}"
	wait "${pids[$1]}" 2>/dev/null || :
	unset "pids[$1]"
}

told() { grep -qaF "$2" "$work/$1.console"; }

# wait_for NAME SECONDS WORDS: until the console says so
wait_for() {
	local tenths
	for ((tenths = 0; tenths < $2 * 10; tenths++)); do
		if told "$1" "$3"; then return 0; fi
		sleep 0.1
	done
	tail -n 20 "$work/$1.console" "$work/$1.log"
	fail "$1: no '$3' on the console within $2 s"
}

# wait_end NAME SECONDS: until the machine has switched itself off
wait_end() {
	local tenths
	for ((tenths = 0; tenths < $2 * 10; tenths++)); do
		kill -0 "${pids[$1]}" 2>/dev/null || { unset "pids[$1]"; return 0; }
		sleep 0.1
	done
	tail -n 20 "$work/$1.console"
	fail "$1: the machine is still on after $2 s"
}

qmp() { # NAME COMMAND
	python3 - "$work/$1.qmp" "$2" <<'PYTHON'
import json, socket, sys

with socket.socket(socket.AF_UNIX) as qmp:
    qmp.connect(sys.argv[1])
    lines = qmp.makefile("rw")
    lines.readline()
    for command in ("qmp_capabilities", sys.argv[2]):
        lines.write(json.dumps({"execute": command}) + "\n")
        lines.flush()
        while "return" not in json.loads(lines.readline()):
            pass
PYTHON
}

given=(-fw_cfg "name=opt/wherry/bootdata,file=$work/bootdata")
direct=(-kernel "$image/vmlinuz" -initrd "$image/initramfs.img")
disk() { echo "-drive file=$1,format=$2,if=none,id=disk,snapshot=on -device virtio-blk-pci,drive=disk"; }
ready='wherry-worker: API ready'

say "the initramfs holds what is listed, all of it static, and no shell"
"$top/initramfs/verify.sh" "$image/initramfs.img" "$top/initramfs/files.list"

say "the kernel has what was asked for and nothing forbidden"
"$top/kernel-config/check.sh" "$image/vmlinuz.config" "$top/kernel-config/forbidden.list" \
	"$top"/kernel-config/{base,virtio,hyperv,vmware,baremetal}.config

say "kernel and initramfs together fit 12 MiB"
"$top/image/size.sh" 12 "$image/vmlinuz" "$image/initramfs.img"

# It waits 30 s so that its console can be read: looked at when the others are done.
start bare -M pc "${direct[@]}" -append "console=ttyS0 no_timer_check quiet"

say "direct boot on pc, with a partitioned disk of which the kernel sees no partition"
truncate -s 64M "$work/parted.raw"
sgdisk -n 1:2048:0 "$work/parted.raw" >/dev/null
# shellcheck disable=SC2046 # disk prints a list of arguments
start pc -M pc "${direct[@]}" -append "console=ttyS0 no_timer_check ignore_loglevel" "${given[@]}" $(disk "$work/parted.raw" raw)
wait_for pc 60 "$ready"
told pc "[vda]" || fail "pc: the kernel did not see the disk"
if told pc "vda1" || told pc " vda:"; then fail "pc: the kernel read the partition table of a disk"; fi

say "keys pressed on its serial line do nothing"
before=$(wc -c <"$work/pc.console")
printf 'root\r\nid\r\n\003\004\r\n' | timeout 5 socat -u - "UNIX-CONNECT:$work/pc.serial"
sleep 1
if tail -c "+$before" "$work/pc.console" | grep -qaE 'login|uid=|\$ |# |not found'; then
	fail "pc: something answers on the serial line"
fi

say "the power button ends it"
qmp pc system_powerdown
wait_for pc 5 "wherry-init: shutdown is asked for"
wait_end pc 30

say "direct boot on q35, told by a config drive"
truncate -s 8M "$work/config.raw"
mkfs.vfat -n CIDATA "$work/config.raw" >/dev/null
mcopy -i "$work/config.raw" "$work/bootdata" ::/user-data
start q35 -M q35 "${direct[@]}" -append "console=ttyS0 no_timer_check quiet" \
	-drive "file=$work/config.raw,format=raw,if=ide,media=cdrom"
wait_for q35 60 "$ready"
stop q35

say "disk by BIOS: raw on virtio, qcow2 on SATA, VHD on IDE"
# shellcheck disable=SC2046 # disk prints a list of arguments
start raw -M pc "${given[@]}" $(disk "$image/wherry.raw" raw)
start qcow2 -M q35 "${given[@]}" -drive "file=$image/wherry.qcow2,format=qcow2,if=ide,snapshot=on"
wait_for raw 240 "$ready"
wait_for qcow2 240 "$ready"
stop raw
stop qcow2
start vhd -M pc "${given[@]}" -drive "file=$image/wherry.vhd,format=vpc,if=ide,snapshot=on"

say "disk by UEFI"
cp "$vars" "$work/vars.fd"
# shellcheck disable=SC2046 # disk prints a list of arguments
start uefi -M q35 "${given[@]}" $(disk "$image/wherry.raw" raw) \
	-drive "if=pflash,format=raw,unit=0,file=$code,readonly=on" -drive "if=pflash,format=raw,unit=1,file=$work/vars.fd"
wait_for vhd 240 "$ready"
stop vhd
wait_for uefi 120 "$ready"
stop uefi

say "without bootstrap data it says so and switches itself off"
wait_for bare 60 "wherry-init: this machine does not know what to do"
wait_end bare 60
