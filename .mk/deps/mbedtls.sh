# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# NEEDS: ipsec-mb
# TAKES: 40 s
#
# With an AES-GCM of our own in front of its own (mbedtls_gcm_alt.h). What is linked with it needs ipsec-mb, too.

cp "$RECIPES/mbedtls_config.h" include/mbedtls/mbedtls_config.h
cp "$RECIPES/mbedtls_gcm_alt.h" include/gcm_alt.h
cp "$RECIPES/mbedtls_gcm_soft.h" library/gcm_soft.h
make -j"$JOBS" -C library static CC="$CC" CFLAGS="$CFLAGS" GEN_FILES=
for f in alt soft; do
	"$CC" $CFLAGS -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude -Ilibrary -isystem "$DEP_ipsec_mb/include" \
		-c "$RECIPES/mbedtls_gcm_$f.c" -o "gcm_$f.o"
done
"$AR" rcs library/libmbedcrypto.a gcm_alt.o gcm_soft.o
cp -r include/mbedtls include/psa include/gcm_alt.h "$OUT/include/"
cp library/*.a "$OUT/lib/"
