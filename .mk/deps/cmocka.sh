# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 5 s

"$CC" $CFLAGS -DHAVE_INTTYPES_H -DHAVE_STDINT_H -DHAVE_MALLOC_H -DHAVE_SIGNAL_H -DHAVE_STRSIGNAL \
	-DHAVE_SETJMP_H -DHAVE_TIME_H -DHAVE_UNISTD_H -DHAVE_STRUCT_TIMESPEC -DHAVE_CLOCK_REALTIME -DHAVE_LIBRT \
	-DHAVE_GCC_THREAD_LOCAL_STORAGE -Iinclude -c src/cmocka.c
"$AR" rcs "$OUT/lib/libcmocka.a" cmocka.o
cp include/cmocka*.h "$OUT/include/"
