#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# deps-json.sh NAME...: a JSON array of what was really used: name, version, sha256, licence and whether it was the
# pinned version, its fallback or an unpinned one. For a name that is no library (linux, busybox) the source that is
# in the cache is named; it is fetched when it is not.

set -eu
cd "$(dirname "$0")/.."
for name; do
	if [ -f "build/deps/$name/used.json" ]; then
		cat "build/deps/$name/used.json"
	else
		pin=$(.mk/fetch.sh --pin "$name")
		echo "$pin" | {
			read -r version _ sha state licence
			printf '{"name":"%s","version":"%s","sha256":"%s","licence":"%s","state":"%s"}\n' \
				"$name" "$version" "$sha" "$licence" "$state"
		}
	fi
done | sort | sed '1s/^/[/; 1!s/^/ /; $!s/$/,/; $s/$/]/'
