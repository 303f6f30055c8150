#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# boot.sh: how long the appliance takes from power-on to "API ready", against two yardsticks measured in the same
# minutes, in turn: the same kernel with an init that only switches off (bound 2.0), and Debian's cloud kernel with
# that init (bound 1.2). Medians of RUNS (default 5), under TCG, two CPUs, 512 MiB, one virtio NIC. About a minute.
#
# Exit status 1 when a bound is broken and BOOT_STRICT=1; a busy machine makes the figures worthless, so by itself it
# only says so.

set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
runs=${RUNS:-5}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wherry/bench
dir=$(mktemp -d)
qemu=''
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null; rm -rf "$dir"' EXIT
mkfifo "$dir/serial"

die() {
	printf 'bench-boot: %s\n' "$*" >&2
	exit 1
}

# The kernel Debian's clouds boot, as its package has it; prints the path.
debian_kernel() {
	local package found
	package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
	[ -n "$package" ] || die "apt knows no linux-image-cloud-amd64; run apt-get update."
	if ! ls "$cache/$package/boot/"vmlinuz-* >/dev/null 2>&1; then
		mkdir -p "$cache/$package"
		(cd "$dir" && apt-get download "$package" >/dev/null 2>&1 && dpkg -x "$package"_*.deb "$dir/deb") ||
			die "$package cannot be downloaded; run apt-get update."
		cp -r "$dir/deb/boot" "$cache/$package/"
	fi
	found=("$cache/$package/boot/"vmlinuz-*)
	echo "${found[0]}"
}

# boot KERNEL INITRAMFS UNTIL: milliseconds from starting QEMU to the line UNTIL on the console, or to its end.
boot() {
	local start end
	start=${EPOCHREALTIME/./}
	qemu-system-x86_64 -accel tcg -cpu max -M pc -smp 2 -m 512 -nodefaults -no-reboot -display none \
		-kernel "$1" -initrd "$2" -append "console=ttyS0 quiet panic=-1" -serial stdio \
		-netdev user,id=net -device virtio-net-pci,netdev=net \
		-fw_cfg name=opt/wherry/bootdata,file="$dir/bootdata" </dev/null >"$dir/serial" 2>/dev/null &
	qemu=$!
	if [ -n "$3" ]; then
		timeout 60 grep -qm1 "$3" "$dir/serial" || die "no line '$3' on the console within 60 s."
	else
		timeout 60 cat "$dir/serial" >/dev/null || die "the machine did not switch off within 60 s."
	fi
	end=${EPOCHREALTIME/./}
	kill "$qemu" 2>/dev/null || :
	wait "$qemu" 2>/dev/null || :
	qemu=''
	took=$(((end - start) / 1000))
}

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

row() { # what median list...
	printf '%-58s %6d ms   (%s)\n' "$1" "$2" "${*:3}"
}

bounds_kept=0
ratio() { # what a b bound
	local verdict=kept
	[ $(($2 * 100)) -le $(($3 * $4)) ] || { verdict=BROKEN; bounds_kept=1; }
	printf '%-58s %3d.%02d      bound %d.%02d %s\n' "$1" $(($2 / $3)) $(($2 * 100 / $3 % 100)) \
		$(($4 / 100)) $(($4 % 100)) "$verdict"
}

cat >"$dir/bootdata" <<JSON
{"wherry":1,"job":"bench","run":"bench","epoch":1,"role":"export",
"controller":"$(printf '0%.0s' {1..64})","control":{"path":"dial-in"},"nics":"auto","lease_seconds":300,"debug":false}
JSON
debian=$(debian_kernel)
bare_times=() our_times=() debian_times=()
for _ in $(seq "$runs"); do
	boot "$build/image/vmlinuz" "$build/bench/bare.img" ''
	bare_times+=("$took")
	boot "$build/image/vmlinuz" "$build/image/initramfs.img" 'wherry-worker: API ready'
	our_times+=("$took")
	boot "$debian" "$build/bench/bare.img" ''
	debian_times+=("$took")
done

bare_median=$(median "${bare_times[@]}")
our_median=$(median "${our_times[@]}")
debian_median=$(median "${debian_times[@]}")
row 'our kernel, bare init, to power-off' "$bare_median" "${bare_times[@]}"
row "Debian's ${debian##*/vmlinuz-}, bare init, to power-off" "$debian_median" "${debian_times[@]}"
row 'the appliance, to "API ready"' "$our_median" "${our_times[@]}"
ratio 'appliance / our kernel with bare init' "$our_median" "$bare_median" 200
ratio "appliance / Debian's kernel with bare init" "$our_median" "$debian_median" 120
[ "$bounds_kept" = 0 ] || [ "${BOOT_STRICT:-0}" = 0 ]
