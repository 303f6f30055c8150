# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 10 s

"$CC" $CFLAGS -c src/yyjson.c
"$AR" rcs "$OUT/lib/libyyjson.a" yyjson.o
cp src/yyjson.h "$OUT/include/"
