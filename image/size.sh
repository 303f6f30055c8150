#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# size.sh LIMIT-MIB FILE...: fails when the files together are larger than that; prints what they are.
set -eu
limit=$1
shift
total=0
for file; do total=$((total + $(stat -c %s "$file"))); done
[ "$total" -le $((limit * 1048576)) ] || {
	echo "size: $* are $total bytes together, more than $limit MiB." >&2
	exit 1
}
printf '  SIZE    %s: %d.%02d MiB of %d allowed\n' "kernel + initramfs" $((total / 1048576)) \
	$((total % 1048576 * 100 / 1048576)) "$limit"
