#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# manifest.sh VERSION FILES... -- BOOTLOADERS... -- DEPS...: prints the manifest of the image as JSON.
#
#   wire         version of the protocol that the worker speaks
#   files        each FILE: name, size, sha256
#   contents     what is inside: name, version, sha256 of the source, licence and whether the source was the pinned
#                one; for kernel and BusyBox as their builds noted it (build/image/vmlinuz.json,
#                build/initramfs/busybox.json), for DEPS, the names in .mk/deps/, as .mk/deps-json.sh does
#   bootloaders  each BOOTLOADER, written PACKAGE,LICENCE,FILE: the Debian package, its version, licence, and the
#                sha256 of the file of it that was used
#   initramfs    each path in it: mode, size and sha256
# Nothing in it depends on when or where it was made.

set -euo pipefail
[ $# -ge 2 ] || { echo "usage: manifest.sh VERSION FILES... -- BOOTLOADERS... -- DEPS..." >&2; exit 2; }
version=$1
shift
cd "$(dirname "$0")/.."
build=${BUILD:-build}
export LC_ALL=C
files=() bootloaders=()
while [ "$1" != -- ]; do files+=("$1"); shift; done
shift
while [ "$1" != -- ]; do bootloaders+=("$1"); shift; done
shift
dir=$(mktemp -d)
trap 'chmod -R u+rwx "$dir"; rm -rf "$dir"' EXIT

file_entries() {
	for path in "${files[@]}"; do
		jq -n --arg name "${path##*/}" --argjson size "$(stat -c %s "$path")" \
			--arg sha256 "$(sha256sum "$path" | cut -d' ' -f1)" '{$name, $size, $sha256}'
	done
}

bootloader_entries() {
	local name licence file
	for bootloader in "${bootloaders[@]}"; do
		IFS=, read -r name licence file <<<"$bootloader"
		jq -n --arg name "$name" --arg version "$(dpkg-query -W -f '${Version}' "$name")" --arg licence "$licence" \
			--arg file "$file" --arg sha256 "$(sha256sum "$file" | cut -d' ' -f1)" \
			'{$name, $version, $licence, $file, $sha256}'
	done
}

initramfs_entries() {
	mkdir "$dir/root"
	(cd "$dir/root" && zstd -qdc "$1" | cpio --quiet -idm --no-absolute-filenames)
	(cd "$dir/root" && find . -mindepth 1 -printf '%P\t%m\t%y\t%s\t%l\n' | sort) |
		while IFS=$'\t' read -r path mode type size target; do
			sum=''
			[ "$type" != f ] || sum=$(sha256sum "$dir/root/$path" | cut -d' ' -f1)
			jq -n --arg path "/$path" --arg mode "$mode" --arg type "$type" --argjson size "$size" \
				--arg sha256 "$sum" --arg target "$target" '{$path, $mode} +
				(if $type == "f" then {$size, $sha256} elif $type == "l" then {$target} else {} end)'
		done
}

[ $# = 0 ] || .mk/deps-json.sh "$@" >"$dir/deps.json"
[ -s "$dir/deps.json" ] || echo '[]' >"$dir/deps.json"
file_entries | jq -s . >"$dir/files.json"
bootloader_entries | jq -s . >"$dir/bootloaders.json"
initramfs_entries "$(realpath "$build/image/initramfs.img")" | jq -s . >"$dir/initramfs.json"
jq -n --arg version "$version" --argjson epoch "${SOURCE_DATE_EPOCH:-1735689600}" \
	--slurpfile files "$dir/files.json" --slurpfile bootloaders "$dir/bootloaders.json" \
	--slurpfile initramfs "$dir/initramfs.json" --slurpfile deps "$dir/deps.json" \
	--slurpfile linux "$build/image/vmlinuz.json" --slurpfile busybox "$build/initramfs/busybox.json" \
	--argjson wire "$(sed -n 's/^#define WIRE_VERSION  *//p' worker/net/wire.h)" \
	'{name: "wherry", $version, $wire, source_date_epoch: $epoch, files: $files[0],
	contents: ([{name: "wherry", $version, licence: "Apache-2.0"}, $linux[0], $busybox[0]] + $deps[0]),
	bootloaders: $bootloaders[0], initramfs: $initramfs[0]}'
