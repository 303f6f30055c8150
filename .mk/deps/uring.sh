# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 10 s

./configure --prefix="$PREFIX" --cc="$CC"
make -j"$JOBS" -C src ENABLE_SHARED=0 CFLAGS="$CFLAGS"
cp -r src/include/. "$OUT/include/"
cp src/liburing.a "$OUT/lib/"
