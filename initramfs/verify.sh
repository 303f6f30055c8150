#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# verify.sh IMAGE FILES.LIST: asserts of a finished initramfs that
#   - it holds exactly what FILES.LIST names, with those types, modes, owners and link targets,
#   - nothing is setuid, setgid or writable by others, and nothing is a device,
#   - every program is an ELF file that is linked statically: `file` says so, and it has neither an interpreter
#     nor a needed library,
#   - there is no shell: none by name, and no program that knows the name of one.
# Prints one line a finding and exits 1, or one line when all is well.

set -euo pipefail
[ $# = 2 ] || { echo "usage: verify.sh IMAGE FILES.LIST" >&2; exit 2; }
image=$(realpath "$1")
list=$(realpath "$2")
export LC_ALL=C
root=$(mktemp -d)
trap 'chmod -R u+rwx "$root"; rm -rf "$root"' EXIT
findings=0

finding() {
	printf 'verify: %s\n' "$*" >&2
	findings=$((findings + 1))
}

# One line an entry: mode as ls writes it, uid, gid, path, link target.
wanted() {
	local letters=(--- --x -w- -wx r-- r-x rw- rwx)
	while read -r type path mode uid target; do
		case $type in dir) kind=d ;; file) kind=- ;; link) kind=l ;; *) continue ;; esac
		[ "$type" = link ] || target=
		echo "$kind${letters[${mode:1:1}]}${letters[${mode:2:1}]}${letters[${mode:3:1}]}" \
			"$uid $uid ${path#/}${target:+ -> $target}"
	done <"$list" | sort -k4
}

packed() {
	zstd -qdc "$image" | cpio --quiet -itvn | awk '{
		line = $1 " " $3 " " $4
		for (i = 9; i <= NF; i++) line = line " " $i
		print line }' | sort -k4
}

check_program() { # path
	local kind
	kind=$(file -b "$root/$1")
	case $kind in
	ELF*'statically linked'* | ELF*'static-pie linked'*) ;;
	*) finding "$1 is not a static program: $kind" ;;
	esac
	! readelf -lW "$root/$1" 2>/dev/null | grep -q INTERP || finding "$1 wants an interpreter"
	! readelf -dW "$root/$1" 2>/dev/null | grep -q NEEDED || finding "$1 wants a shared library"
	! grep -qaE '/(bin|sbin)/(ba|da|a|hu)?sh' "$root/$1" || finding "$1 knows the name of a shell"
}

diff <(wanted) <(packed) >"$root.diff" || {
	finding "the image (>) differs from files.list (<):"
	grep '^[<>]' "$root.diff" >&2
}
rm -f "$root.diff"
(cd "$root" && zstd -qdc "$image" | cpio --quiet -idm --no-absolute-filenames)

programs=0
while IFS= read -r path; do
	check_program "$path"
	programs=$((programs + 1))
done < <(cd "$root" && find . -type f -printf '%P\n' | sort)
while IFS= read -r path; do finding "$path has a bit it must not have"; done \
	< <(cd "$root" && find . ! -type l \( -perm /7000 -o -perm /0002 \) -printf '%P\n')
while IFS= read -r path; do finding "$path is named like a shell"; done \
	< <(cd "$root" && find . -regextype egrep -regex '.*/(sh|ash|bash|dash|hush|ksh|zsh|getty|login|init\.rc)' -printf '%P\n')

[ "$findings" = 0 ] || exit 1
echo "verify: $programs programs, all static, all listed; no shell, no setuid."
