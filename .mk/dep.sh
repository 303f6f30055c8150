#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# dep.sh NAME: make $LINKS/NAME (default build/deps/NAME) a link to the built dependency, building it when the cache has
# none. With HOST_CFLAGS it is built with these flags added, by $HOSTCC on the host's C library: for a variant
# (.mk/variants.mk).
#
# A dependency is built by .mk/deps/NAME.sh and rests in $CACHE/built/NAME-<hash>, with include/ and lib/*.a. The
# hash covers the source's sha256, the recipe and the files beside it (.mk/deps/NAME*), this script, what it NEEDS,
# the C library, the compiler's version and HOST_CFLAGS. A build happens in a temporary directory and appears by rename, under a
# lock; .sums holds the sha256 of each installed file and is checked before use.
#
# A recipe is sourced by bash inside the unpacked source, with set -e, and sees
#   CC CFLAGS AR   the toolchain (the host's for musl itself and for variants) and the flags every object gets
#   PREFIX         where the result will be in the end;  OUT  where to install it now (OUT ends in PREFIX)
#   DESTDIR        what OUT has before PREFIX, for make install
#   DEP_name       prefix of each dependency it needs;  JOBS  what to give make -j;  RECIPES  the recipes' folder
# and names in comments of its own:
#   # NEEDS: other dependencies        # TAKES: a hint for the reader, such as "20 s"

set -euo pipefail
cd "$(dirname "$0")/.."
TOP=$PWD
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/wherry
RECIPES=$TOP/.mk/deps
HOSTCC=${HOSTCC:-gcc}
HOST_CFLAGS=${HOST_CFLAGS:-}
LINKS=${LINKS:-build/deps}
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1735689600}
unset MAKEFLAGS MAKELEVEL MFLAGS CPPFLAGS LDFLAGS LIBS

die() { printf 'dep: %s\n' "$*" >&2; exit 1; }
note() { sed -n "s/^# $1: *//p" "$RECIPES/$2.sh"; }
on_musl() { [ "$1" != musl ] && [ -z "$HOST_CFLAGS" ]; }
needs() { ! on_musl "$1" || echo musl; note NEEDS "$1"; }

name=${1:-}
[ -f "$RECIPES/$name.sh" ] || die "no recipe .mk/deps/$name.sh"

# Each dependency first makes its own needs, so their links are right from here on.
hash_in=''
for d in $(needs "$name"); do
	"$0" "$d"
	p=$(readlink "$LINKS/$d")
	hash_in+="$d ${p##*/} "
	declare "DEP_${d//-/_}=$p"
done

read -r version _ sha state licence <<<"$(.mk/fetch.sh --pin "$name")"
source_file=$(.mk/fetch.sh --path "$name")
hash_in+="$sha $("$HOSTCC" --version | sed -n 1p) $("$HOSTCC" -dumpmachine) $HOST_CFLAGS "
hash_in+=$(cd .mk && sha256sum dep.sh "deps/$name".* "deps/${name}_"* 2>/dev/null || true)
PREFIX=$CACHE/built/$name-$(sha256sum <<<"$hash_in" | cut -c1-16)

complete() { [ -f "$PREFIX/.sums" ] && (cd "$PREFIX" && sha256sum --quiet -c .sums >/dev/null 2>&1); }

build() {
	local start=$SECONDS tmp log rc took
	took=$(note TAKES "$name")
	printf '  BUILD   %s %s%s\n' "$name" "$version" "${took:+ (about $took)}"
	rm -rf "$PREFIX" # incomplete or damaged
	tmp=$(mktemp -d "$CACHE/built/.tmp-$name.XXXXXX")
	log=$CACHE/built/$name.log
	mkdir "$tmp/src" "$tmp/dest"
	tar -xf "$source_file" -C "$tmp/src" --no-same-owner
	set +e # set -e holds inside the subshell only when nothing here tests its status
	(
		export DESTDIR=$tmp/dest OUT=$tmp/dest$PREFIX AR=ar JOBS=${JOBS:-2} PREFIX
		mkdir -p "$OUT/include" "$OUT/lib"
		CFLAGS="-O2 -g -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection"
		CFLAGS+=" -ffunction-sections -fdata-sections"
		CFLAGS+=" -ffile-prefix-map=$CACHE/built=deps -ffile-prefix-map=$tmp/src=deps"
		CFLAGS+=${HOST_CFLAGS:+ $HOST_CFLAGS}
		CC=$HOSTCC
		# shellcheck disable=SC2154 # declared by name above
		! on_musl "$name" || CC=$DEP_musl/bin/wherry-cc
		export CC CFLAGS
		# shellcheck disable=SC2012 # the one folder of a source archive, if it has one
		cd "$tmp/src"; [ "$(ls | wc -l)" != 1 ] || cd ./*
		set -e -x
		# shellcheck disable=SC1090 # chosen by name
		. "$RECIPES/$name.sh"
	) >"$log" 2>&1 </dev/null
	rc=$?
	set -e
	if [ $rc != 0 ]; then
		tail -n 25 "$log" >&2
		rm -rf "$tmp"
		die "building $name $version failed (whole log: $log)"
	fi
	printf '{"name":"%s","version":"%s","sha256":"%s","licence":"%s","state":"%s"}\n' \
		"$name" "$version" "$sha" "$licence" "$state" >"$tmp/dest$PREFIX/used.json"
	(cd "$tmp/dest$PREFIX" && find . -type f ! -name .sums -print0 | sort -z | xargs -0 sha256sum >.sums)
	mv -T "$tmp/dest$PREFIX" "$PREFIX"
	rm -rf "$tmp"
	printf '  BUILT   %s %s in %d s\n' "$name" "$version" $((SECONDS - start))
}

mkdir -p "$CACHE/built" "$CACHE/lock" "$LINKS"
exec 8>"$CACHE/lock/build-$name"
flock 8
if ! complete; then build; fi
[ "$(readlink "$LINKS/$name" || true)" = "$PREFIX" ] || ln -sfn "$PREFIX" "$LINKS/$name"
