#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kernel.sh OUT: Debian's cloud kernel, unpacked below OUT (OUT/boot/vmlinuz-*, OUT/lib/modules/...), for the machines
# that the demo and the tests replicate. It comes by package name through apt and is checked by apt; nothing is installed.
set -euo pipefail

out=$1
[ -e "$out/.ready" ] && exit 0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
[ "$(id -u)" = 0 ] && chmod 755 "$tmp"
package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
[ -n "$package" ] || { echo "kernel.sh: apt knows no linux-image-cloud-amd64: run 'apt-get update' first" >&2; exit 1; }
(cd "$tmp" && apt-get download "$package" >/dev/null 2>download.log) || { cat "$tmp/download.log" >&2; exit 1; }
rm -rf "$out" && mkdir -p "$out"
dpkg -x "$tmp"/"$package"_*.deb "$out"
touch "$out/.ready"
