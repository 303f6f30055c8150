#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# mkinitramfs.sh OUT FILES.LIST NAME=PATH... : packs the initramfs OUT.
#
# Each NAME is the source of a "file" line of FILES.LIST. The same inputs give the same bytes on any machine:
# paths sorted, times SOURCE_DATE_EPOCH, inodes numbered from one, owner root, one thread of zstd. No privileges
# are needed.

set -euo pipefail
[ $# -ge 3 ] || { echo "usage: mkinitramfs.sh OUT FILES.LIST NAME=PATH..." >&2; exit 2; }
out=$(realpath -m "$1")
list=$2
shift 2
export LC_ALL=C TZ=UTC
epoch=${SOURCE_DATE_EPOCH:-1735689600}

declare -A source_of
for pair in "$@"; do source_of[${pair%%=*}]=${pair#*=}; done

die() {
	printf 'mkinitramfs: %s\n' "$*" >&2
	exit 1
}

root=$(mktemp -d)
trap 'rm -rf "$root" "$out.new"' EXIT

place() { # type path mode uid target
	[ "$4" = 0 ] || die "$2 in $list belongs to uid $4; everything in the image belongs to 0."
	case $1 in
	dir) mkdir -p "$root$2" ;;
	link) ln -s "$5" "$root$2" ;;
	file)
		[ -f "${source_of[$5]:-}" ] || die "$list names the source $5 for $2, which is not there."
		cp "${source_of[$5]}" "$root$2"
		;;
	*) die "$list: $1 is neither dir, file nor link." ;;
	esac
	[ "$1" = link ] || chmod "$3" "$root$2"
}

while read -r type path mode uid target; do
	case $type in '' | '#'*) continue ;; esac
	place "$type" "$path" "$mode" "$uid" "${target:-}"
done <"$list"

mkdir -p "$(dirname "$out")"
find "$root" -mindepth 1 -exec touch -h -d "@$epoch" {} +
(cd "$root" && find . -mindepth 1 -printf '%P\n' | sort |
	cpio --quiet -o -H newc --reproducible -R +0:+0) | zstd -q -19 --single-thread >"$out.new"
mv "$out.new" "$out"
