#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who may include whom. A folder of worker/ includes itself and lower floors, never a folder of its own floor.
# The programs' own files, directly in worker/, include all of it and each other. control/ includes base, net and the manifest format; initramfs/ includes base. A library's headers are seen only
# by the folders that own its use.

. "$(dirname "$0")/files.sh"

files 'worker/*.c' 'worker/*.h' 'control/*.c' 'control/*.h' 'initramfs/*.c' 'initramfs/*.h' | xargs -r awk '
BEGIN {
	floor["base"] = 0
	floor["net"] = floor["block"] = floor["manifest"] = 1
	floor["copy"] = floor["boot"] = 2
	floor["job"] = 3

	guests["control"] = " base net manifest "
	guests["initramfs"] = " base "

	owners["mbedtls/"] = owners["psa/"] = owners["ipsec-mb/"] = " net "
	owners["http_parser.h"] = " net "
	owners["liburing.h"] = owners["liburing/"] = " block "
	owners["blake3.h"] = " manifest copy "
	owners["zstd.h"] = " copy "
	owners["curl/"] = " copy control "
	owners["sqlite3.h"] = owners["yaml.h"] = " control "
	owners["yyjson.h"] = " boot job control "
}
FNR == 1 {
	n = split(FILENAME, part, "/")
	top = part[1]
	own = top != "worker" ? top : n > 2 ? part[2] : "worker"
}
function bad(why) { printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why; wrong = 1 }

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, q, "\""); n = split(q[2], part, "/"); to = part[1]
	if (n == 1) {
		if (top == "worker" && own != "worker") bad("name the folder, as in \"base/err.h\"")
	} else if (to == ".." || to == "worker" || to == "control") {
		bad("paths start below worker/ or control/")
	} else if (!(to in floor)) {
		if (top == "worker") bad("no folder of worker/")
	} else if (own in guests) {
		if (!index(guests[own], " " to " ")) bad(own "/ may include of worker/ only:" guests[own])
	} else if (own in floor && to != own && floor[to] >= floor[own]) {
		bad("floor " floor[own] " (" own ") must not look at floor " floor[to] " (" to ")")
	}
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	gsub(/.*<|>.*/, "", $0); h = $0; lib = h; sub(/\/.*/, "/", lib)
	if (lib in owners && own != "worker" && !index(owners[lib], " " own " ")) bad("this library belongs to:" owners[lib])
}
END { exit wrong }'
