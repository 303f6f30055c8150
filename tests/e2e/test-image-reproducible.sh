#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 120
#
# test-image-reproducible.sh: packing the same parts again, elsewhere and later, gives the same bytes: initramfs, EFI
# program, disk and its other formats. The manifest's sums are those of the files beside it.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
requires cpio zstd objcopy sgdisk mcopy syslinux qemu-img jq
image=$BUILD/image
again=$work/elsewhere
mkdir -p "$again"
umask 077

say "the same parts again"
mkdir "$work/root"
(cd "$work/root" && zstd -qdc "$image/initramfs.img" | cpio --quiet -idm --no-absolute-filenames)
"$top/initramfs/mkinitramfs.sh" "$again/initramfs.img" "$top/initramfs/files.list" init="$work/root/init" \
	busybox="$work/root/bin/busybox" wherry-worker="$work/root/bin/wherry-worker"
"$top/image/uki.sh" "$again/wherry.efi" "$image/vmlinuz" "$again/initramfs.img" "$top/image/cmdline"
"$top/image/raw.sh" "$again/wherry.raw" "$image/vmlinuz" "$again/initramfs.img" "$again/wherry.efi" "$top/image/cmdline"
"$top/image/formats.sh" "$again/wherry.raw" "$again/wherry.qcow2" "$again/wherry.vhd"
for file in initramfs.img wherry.efi wherry.raw wherry.qcow2 wherry.vhd; do
	cmp "$image/$file" "$again/$file" || fail "$file differs when it is made again"
done

say "the manifest tells the truth"
jq -r '.files[] | "\(.sha256)  \(.name)"' "$image/manifest.json" >"$work/sums"
[ "$(wc -l <"$work/sums")" = 6 ] || fail "the manifest lists $(wc -l <"$work/sums") files instead of 6"
(cd "$image" && sha256sum --quiet -c "$work/sums") || fail "the manifest has other sums than the files"
jq -e '[.contents[].name] | contains(["wherry", "linux", "busybox", "musl", "mbedtls"])' "$image/manifest.json" >/dev/null ||
	fail "the manifest does not name what is inside"
jq -e 'all(.contents[]; .version and .licence)' "$image/manifest.json" >/dev/null ||
	fail "something in the manifest has no version or no licence"
