# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 2 s

"$CC" $CFLAGS -c http_parser.c
"$AR" rcs "$OUT/lib/libhttp_parser.a" http_parser.o
cp http_parser.h "$OUT/include/"
