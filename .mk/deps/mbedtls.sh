# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 40 s

cp "$RECIPES/mbedtls_config.h" include/mbedtls/mbedtls_config.h
make -j"$JOBS" -C library static CC="$CC" CFLAGS="$CFLAGS" GEN_FILES=
cp -r include/mbedtls include/psa "$OUT/include/"
cp library/*.a "$OUT/lib/"
