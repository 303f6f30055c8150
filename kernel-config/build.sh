#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUT FRAGMENT... : builds the kernel and puts bzImage at OUT, the configuration at OUT.config and what
# it was made of at OUT.json (name, version, sha256 of the source, licence, compiler).
#
# The kernel is kept in the cache under a hash of the source, the fragments, this script, the compiler and the
# linker, with checksums that are looked at before it is used again. A build takes about 8 minutes on two cores and
# 1.6 GB of disk, which are given back. Same inputs, same bytes: time, user, host and path are fixed.

set -euo pipefail
[ $# -ge 2 ] || { echo "usage: build.sh OUT FRAGMENT..." >&2; exit 2; }
out=$(realpath -m "$1")
shift
mapfile -t fragments < <(realpath -e "$@")
cd "$(dirname "$0")/.."
here=$PWD/kernel-config
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wherry/built
epoch=${SOURCE_DATE_EPOCH:-1735689600}
export LC_ALL=C TZ=UTC
KBUILD_BUILD_TIMESTAMP=$(date -u -d "@$epoch" '+%Y-%m-%d %H:%M:%S UTC')
export KBUILD_BUILD_TIMESTAMP KBUILD_BUILD_USER=wherry KBUILD_BUILD_HOST=wherry KBUILD_BUILD_VERSION=1
unset MAKEFLAGS MAKELEVEL MFLAGS CFLAGS SOURCE_DATE_EPOCH

die() {
	printf 'kernel: %s\n' "$*" >&2
	exit 1
}

read -r version _ sha state licence <<<"$(.mk/fetch.sh --pin linux)"
compiler="gcc $(gcc -dumpfullversion), $(ld --version | head -n1)"
key=$({
	echo "$sha $compiler $epoch"
	cat "$here/build.sh" "$here/merge.sh" "${fragments[@]}"
} | sha256sum | cut -c1-16)
built=$cache/linux-$key

good() { (cd "$built" 2>/dev/null && sha256sum --quiet -c .sums >/dev/null 2>&1); }

kernel() { # folder: unpacks, configures, checks, builds
	mkdir "$1/src"
	tar -xf "$(.mk/fetch.sh --path linux)" -C "$1/src" --strip-components=1 --no-same-owner
	"$here/merge.sh" "$1/src" "$1/obj" "${fragments[@]}"
	"$here/check.sh" "$1/obj/.config" "$here/forbidden.list" "${fragments[@]}"
	make -C "$1/src" O="$1/obj" ARCH=x86_64 KCFLAGS="-ffile-prefix-map=$1/src=linux" \
		-j"${JOBS:-$(nproc)}" bzImage
}

build() {
	local start=$SECONDS tmp log=$cache/linux.log
	printf '  BUILD   linux %s (about 8 min)\n' "$version"
	tmp=$(mktemp -d "$cache/.tmp-linux.XXXXXX")
	# Not in an if or before ||: either would switch off set -e inside.
	set +e
	(
		set -e
		kernel "$tmp"
	) >"$log" 2>&1 </dev/null
	local rc=$?
	set -e
	if [ $rc != 0 ]; then
		tail -n 25 "$log" >&2
		rm -rf "$tmp"
		die "building linux $version failed (whole log: $log)"
	fi
	mkdir "$tmp/out"
	cp "$tmp/obj/arch/x86/boot/bzImage" "$tmp/out/"
	cp "$tmp/obj/.config" "$tmp/out/config"
	printf '{"name":"linux","version":"%s","sha256":"%s","licence":"%s","state":"%s","compiler":"%s"}\n' \
		"$version" "$sha" "$licence" "$state" "$compiler" >"$tmp/out/used.json"
	(cd "$tmp/out" && sha256sum bzImage config used.json >.sums)
	rm -rf "$built"
	mv -T "$tmp/out" "$built"
	rm -rf "$tmp"
	printf '  BUILT   linux %s in %d s\n' "$version" $((SECONDS - start))
}

mkdir -p "$cache" "${cache%/*}/lock" "$(dirname "$out")"
exec 8>"${cache%/*}/lock/build-linux"
flock 8
good || build
# The list of what is forbidden may have grown since this kernel was built.
"$here/check.sh" "$built/config" "$here/forbidden.list" "${fragments[@]}"
cp "$built/config" "$out.config"
cp "$built/used.json" "$out.json"
cp "$built/bzImage" "$out.new"
mv "$out.new" "$out"
