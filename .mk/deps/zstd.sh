# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 60 s

CFLAGS+=' -O3'
make -j"$JOBS" -C lib libzstd.a CC="$CC" CFLAGS="$CFLAGS" ZSTD_LEGACY_SUPPORT=0 ZSTD_LIB_DEPRECATED=0 ZSTD_LIB_DICTBUILDER=0
cp lib/zstd.h lib/zstd_errors.h "$OUT/include/"
cp lib/libzstd.a "$OUT/lib/"
