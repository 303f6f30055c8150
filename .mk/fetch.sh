#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fetch.sh: bring the pinned source of a dependency into the cache.
#
#   .mk/fetch.sh NAME          fetch and verify; silent on success; the file is then $CACHE/src/<file>
#   .mk/fetch.sh --path NAME   the same, and print that file's path
#   .mk/fetch.sh --pin NAME    the same, and print "version file sha256 pinned|fallback|unpinned licence"
#
# $CACHE is ${XDG_CACHE_HOME:-~/.cache}/wherry. Safe to run twice at once. Exit status 1 with a sentence on
# stderr when the source is not to be had.
#
# Pins stand in */deps.mk, one plain assignment a line, so that make and this script read the same text:
#
#   busybox_VERSION := 1.37.0
#   busybox_FILE    := busybox_1.37.0.orig.tar.bz2       name in the archive, and in $CACHE/src
#   busybox_SHA256  := 3311dff3...
#   busybox_LICENCE := GPL-2.0-only                      SPDX
#   busybox_FROM    := trixie source busybox             suite, "source", source package
#   busybox_FALLBACK_{VERSION,FILE,SHA256,FROM}          a second pin, used when the first is gone
#
# A file that lies inside a binary package instead: FROM := suite deb package=version path/in/package. It is
# taken out and stored as <file>; the sha256 is that of the file taken out. A path of "-" means everything in the
# package, as the tar archive it is inside.
#
# Everything comes from the Debian archive by apt itself, with one private package list per suite under
# $CACHE/apt (no privileges needed, the machine's own lists stay as they are). The site is the one this machine
# is configured for. The archive's signature is checked, and the pinned sha256 besides.
#
# WHERRY_UNPINNED=1 accepts, when both pins are gone from the archive, the newest version of the same series that
# the suite of the first pin has; then the archive's signature is the only check, and that is recorded.

set -euo pipefail
cd "$(dirname "$0")/.."

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/wherry
SRC=$CACHE/src

die() { printf 'fetch: %s\n' "$*" >&2; exit 1; }
say() { printf '  NOTE    %s\n' "$*" >&2; }

# pin FIELD: value of NAME_FIELD in the deps.mk files.
pin() {
	awk -v k="${name}_$1" '$1 == k && ($2 == ":=" || $2 == "=") {
		sub(/^[^=]*=[ \t]*/, ""); sub(/[ \t]*(#.*)?$/, ""); print; exit }' $DEPS_MK
}

DEPS_MK=$(ls */deps.mk */*/deps.mk 2>/dev/null || true)

site_of() { # suite -> site
	local sites main
	sites=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | sort -u)
	main=$(grep -m1 '/debian/\?$' <<<"$sites") ||
		die "this machine's apt names no Debian archive; add a Debian mirror to its sources and try again."
	case $1 in
	*-security) grep -m1 -- 'security/\?$' <<<"$sites" || echo "${main%/}-security" ;;
	*) echo "$main" ;;
	esac
}

# A private apt for one suite and kind (source or deb).
apt_dir() { echo "$CACHE/apt/$1-$2"; }

apt_opts() { # suite kind
	local d; d=$(apt_dir "$1" "$2")
	OPTS=(-q -o "Dir::Etc::sourcelist=$d/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
		-o "Dir::State=$d" -o "Dir::State::lists=$d/lists" -o Dir::State::status=/dev/null
		-o "Dir::Cache=$d/cache" -o APT::Sandbox::User= -o Acquire::Languages=none
		-o APT::Update::Post-Invoke-Success= -o APT::Update::Post-Invoke= -o DPkg::Post-Invoke=)
}

apt_update() { # suite kind max-age-in-minutes
	local d type opt=''; d=$(apt_dir "$1" "$2")
	mkdir -p "$d/lists/partial" "$d/cache/archives/partial"
	[ -n "$(find "$d/updated" -mmin "-$3" 2>/dev/null)" ] && return 0
	type=deb; [ "$2" = source ] && type=deb-src
	# sid's release file expires within a week, and a pinned file needs no fresh one.
	[ "$1" = sid ] && opt='[check-valid-until=no] '
	echo "$type $opt$(site_of "$1") $1 main" >"$d/sources.list"
	apt_opts "$1" "$2"
	# A list that could not be had is only a warning to apt, which then goes on with the old one.
	if apt-get "${OPTS[@]}" update >"$d/log" 2>&1 && ! grep -qE '^(E:|W: (Failed|GPG|An error))' "$d/log"; then
		: >"$d/updated"
	else
		say "reading the archive's list of $1 failed: $(grep -m1 -E '^(E:|W: (Failed|GPG|An error))' "$d/log" || true)"
		return 1
	fi
}

# get URI FILE SHA256: one download by apt's own downloader.
get() { /usr/lib/apt/apt-helper -q -o APT::Sandbox::User= download-file "$1" "$2" "SHA256:$3" >"$2.log" 2>&1; }

# The package versions of a suite that carry a file: Debian version, file, sha256, one a line.
source_versions() { # package (OPTS set)
	apt-cache "${OPTS[@]}" showsrc "$1" 2>/dev/null | awk '/^Version:/ {v = $2} /^Checksums-Sha256:/ {f = 1; next}
		/^[^ ]/ {f = 0} f && $3 ~ /\.orig\.tar\.[a-z0-9]+$/ {print v, $3, $1}'
}

from_source() { # suite package file sha256 out
	local v uri
	apt_opts "$1" source
	for v in $(source_versions "$2" | awk -v f="$3" -v s="$4" '$2 == f && $3 == s {print $1}'); do
		uri=$(apt-get "${OPTS[@]}" --print-uris --only-source source "$2=$v" 2>/dev/null |
			awk -v f="$3" '$2 == f {gsub(/\047/, "", $1); print $1; exit}')
		[ -n "$uri" ] && get "$uri" "$5" "$4" && return 0
	done
	return 1
}

from_deb() { # suite package=version member out
	local d; d=$(mktemp -d "$SRC/.deb.XXXXXX")
	apt_opts "$1" deb
	(cd "$d" && apt-get "${OPTS[@]}" download "$2") >"$d/log" 2>&1 &&
		dpkg-deb --fsys-tarfile "$d"/*.deb | if [ "$3" = - ]; then cat; else tar -xOf - "./$3"; fi >"$4" 2>>"$d/log"
	local rc=$?
	rm -rf "$d"
	return $rc
}

# obtain FILE SHA256 SUITE KIND PACKAGE [MEMBER]
obtain() {
	local file=$1 sha=$2 suite=$3 kind=$4 tmp="$SRC/.$1.$$" age
	for age in 100000000 30; do # first with the list at hand, then with a fresh one
		apt_update "$suite" "$kind" $age || break
		if [ "$kind" = source ]; then from_source "$suite" "$5" "$file" "$sha" "$tmp" || true
		else from_deb "$suite" "$5" "$6" "$tmp" || true; fi
		if [ -s "$tmp" ] && [ "$(sha256sum <"$tmp")" = "$sha  -" ]; then
			mv "$tmp" "$SRC/$file"; rm -f "$tmp".*; return 0
		fi
		[ -s "$tmp" ] && say "$file from $suite has another sha256 than the pin; not used."
	done
	rm -f "$tmp" "$tmp".*
	return 1
}

good() { [ -s "$SRC/$1" ] && [ "$(sha256sum <"$SRC/$1")" = "$2  -" ]; }

# The newest version of the pinned series in the suite, by the archive's word alone.
unpinned() { # suite kind package [member]
	local series pkg=${3%%=*} line
	series=$(cut -d. -f1,2 <<<"$version")
	apt_update "$1" "$2" 30 || return 1
	apt_opts "$1" "$2"
	if [ "$2" = source ]; then
		line=$(source_versions "$pkg" | grep -F "_$series" | sort -Vr | head -n1); [ -n "$line" ] || return 1
		read -r version file sha <<<"$line"
		good "$file" "$sha" || obtain "$file" "$sha" "$1" source "$pkg"
	else
		line=$(apt-cache "${OPTS[@]}" madison "$pkg" | awk '{print $3}' | grep "^${series//./\\.}" | sort -Vr | head -n1)
		[ -n "$line" ] || return 1
		version=$line file=$name-$line.tar.${4##*.}
		[ -s "$SRC/$file" ] || { from_deb "$1" "$pkg=$line" "$4" "$SRC/.$file.$$" && mv "$SRC/.$file.$$" "$SRC/$file"; }
		sha=$(sha256sum <"$SRC/$file" | cut -d' ' -f1)
	fi
}

# Sets version, file, sha, state. A pin found to be gone is asked for again after a day only.
resolve() {
	local p gone from
	licence=$(pin LICENCE)
	for p in '' FALLBACK_; do
		version=$(pin "${p}VERSION") file=$(pin "${p}FILE") sha=$(pin "${p}SHA256") from=$(pin "${p}FROM")
		state=pinned; [ -z "$p" ] || state=fallback
		[ -n "$file" ] || continue
		gone=$SRC/.gone-$sha
		good "$file" "$sha" && return 0
		[ -n "$(find "$gone" -mmin -1440 2>/dev/null)" ] && continue
		# shellcheck disable=SC2086 # FROM is a list of words
		obtain "$file" "$sha" $from && return 0
		: >"$gone"
		[ -n "$p" ] || [ -z "$(pin FALLBACK_FILE)" ] ||
			say "$name $version is not to be had from the archive ($from); trying $(pin FALLBACK_VERSION)."
	done
	version=$(pin VERSION) state=unpinned
	if [ "${WHERRY_UNPINNED:-0}" = 1 ]; then
		# shellcheck disable=SC2046 # FROM is a list of words
		unpinned $(pin FROM) && { say "$name: no pinned version is left; using $version on the archive's signature."; return 0; }
	fi
	rm -f "$SRC"/.gone-*
	p=$(pin FALLBACK_VERSION)
	die "$name: neither $(pin VERSION) ($(pin FROM)) nor ${p:-a fallback} can be had from the Debian archive. Check the network;" \
		"if the archive dropped both, pin a newer version in $(grep -l "^${name}_FILE" $DEPS_MK), or set WHERRY_UNPINNED=1" \
		"to take the newest of the same series on the archive's signature alone."
}

mode=fetch
case ${1:-} in --path | --pin) mode=${1#--}; shift ;; esac
name=${1:-}
[ -n "$name" ] || die "usage: .mk/fetch.sh [--path|--pin] NAME"
[ -n "$(pin FILE)" ] || die "no pin for \"$name\" in any deps.mk."
mkdir -p "$SRC" "$CACHE/lock"
exec 9>"$CACHE/lock/fetch-$(pin FROM | cut -d' ' -f1,2 | tr ' ' -)"
flock 9
resolve
case $mode in
path) echo "$SRC/$file" ;;
pin) echo "$version $file $sha $state $licence" ;;
esac
