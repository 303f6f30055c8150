#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# merge.sh SOURCE OUT FRAGMENT... : configures the kernel in SOURCE into OUT/.config.
#
# Starts from tinyconfig, lays the fragments on it in the order given (a later one wins)
# and lets the kernel resolve dependencies. Symbols whose parents are off vanish in that
# last step without a word; check.sh is there to notice. Run through `make image`.
set -eu

[ $# -ge 3 ] || {
	echo "usage: merge.sh SOURCE OUT FRAGMENT..." >&2
	exit 2
}
src=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
shift 2

log=$out/merge.log
if ! {
	make -C "$src" O="$out" ARCH=x86_64 tinyconfig &&
		"$src/scripts/kconfig/merge_config.sh" -m -O "$out" "$out/.config" "$@" &&
		make -C "$src" O="$out" ARCH=x86_64 olddefconfig
} >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "merge.sh: the kernel could not be configured from $*; the whole log is $log." >&2
	exit 1
fi
