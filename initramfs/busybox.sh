#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# busybox.sh OUT: builds BusyBox with busybox.config and puts the stripped program at OUT, with OUT.json
# beside it (name, version, sha256 of the source, licence).
#
# The program is kept in the cache under a hash of the source, busybox.config, this script, the C library and
# the compiler, with a checksum that is looked at before it is used again. About 15 s.

set -euo pipefail
[ $# = 1 ] || { echo "usage: busybox.sh OUT" >&2; exit 2; }
out=$(realpath -m "$1")
cd "$(dirname "$0")/.."
here=$PWD/initramfs
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wherry/built
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1735689600} KCONFIG_NOTIMESTAMP=1
unset MAKEFLAGS MAKELEVEL MFLAGS

die() {
	printf 'busybox: %s\n' "$*" >&2
	exit 1
}

.mk/dep.sh musl
read -r version _ sha state licence <<<"$(.mk/fetch.sh --pin busybox)"
tarball=$(.mk/fetch.sh --path busybox)
cc=$(readlink -f build/deps/musl)/bin/wherry-cc
key=$({
	echo "$sha $(readlink -f build/deps/musl) $(gcc -dumpfullversion)"
	cat "$here/busybox.config" "$here/busybox.sh"
} | sha256sum | cut -c1-16)
built=$cache/busybox-$key

# allnoconfig takes choices from KCONFIG_ALLCONFIG and loses the rest of it: the other lines are put in by
# hand, and each is looked for afterwards.
configure() {
	make KCONFIG_ALLCONFIG="$here/busybox.config" allnoconfig
	awk -F= 'FILENAME == ARGV[1] { if (/^CONFIG_/) want[$1] = $0; next }
		{ name = $0; sub(/^# /, "", name); sub(/[ =].*/, "", name); if (!(name in want)) print }
		END { for (name in want) print want[name] }' "$here/busybox.config" .config >.config.new
	mv .config.new .config
	yes '' 2>/dev/null | make oldconfig || true
	while IFS= read -r line; do
		case $line in CONFIG_*) ;; *) continue ;; esac
		grep -qxF -- "$line" .config || {
			echo "busybox.config asks for $line, which did not survive."
			return 1
		}
	done <"$here/busybox.config"
}

build() {
	local tmp log=$cache/busybox.log
	printf '  BUILD   busybox %s (about 15 s)\n' "$version"
	tmp=$(mktemp -d "$cache/.tmp-busybox.XXXXXX")
	mkdir "$tmp/src" "$tmp/out"
	tar -xf "$tarball" -C "$tmp/src" --strip-components=1 --no-same-owner
	if ! (
		set -e
		cd "$tmp/src"
		configure
		make -j"${JOBS:-2}" CC="$cc" HOSTCC=gcc SKIP_STRIP=y \
			CONFIG_EXTRA_CFLAGS="-fPIE -fstack-protector-strong -ffile-prefix-map=$tmp/src=busybox" busybox
		strip -o "$tmp/out/busybox" busybox
	) >"$log" 2>&1 </dev/null; then
		tail -n 25 "$log" >&2
		rm -rf "$tmp"
		die "building busybox $version failed (whole log: $log)"
	fi
	printf '{"name":"busybox","version":"%s","sha256":"%s","licence":"%s","state":"%s"}\n' \
		"$version" "$sha" "$licence" "$state" >"$tmp/out/used.json"
	(cd "$tmp/out" && sha256sum busybox used.json >.sums)
	rm -rf "$built"
	mv -T "$tmp/out" "$built"
	rm -rf "$tmp"
}

mkdir -p "$cache" "${cache%/*}/lock" "$(dirname "$out")"
exec 8>"${cache%/*}/lock/build-busybox"
flock 8
(cd "$built" 2>/dev/null && sha256sum --quiet -c .sums >/dev/null 2>&1) || build
cp "$built/busybox" "$out"
cp "$built/used.json" "$out.json"
