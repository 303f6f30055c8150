#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# No file is longer than 700 lines, no C function longer than 80. A function's body opens and closes with a brace
# in the first column, as the house style has it.

. "$(dirname "$0")/files.sh"

files '*.c' '*.h' '*.S' '*.sh' '*.py' '*.mk' Makefile .ci/run | xargs -r awk '
FNR == 1 { open = 0 }
FNR == 701 { print FILENAME ": longer than 700 lines"; wrong = 1 }
FILENAME !~ /\.[ch]$/ { next }
/^[A-Za-z_]/ { head = FNR; what = $0 }
/^\{/ { open = head }
/^}/ && open {
	if (FNR - open + 1 > 80) { printf "%s:%d: %d lines, at most 80: %s\n", FILENAME, open, FNR - open + 1, what; wrong = 1 }
	open = 0
}
END { exit wrong }'
