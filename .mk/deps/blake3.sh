# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 5 s

cd share/cargo/registry/blake3-*/c
for f in blake3.c blake3_dispatch.c blake3_portable.c blake3_{sse2,sse41,avx2,avx512}_x86-64_unix.S; do
	"$CC" $CFLAGS -O3 -DBLAKE3_TESTING -c "$f" # opens the choice of instructions: worker/manifest/cpu.c
done
"$AR" rcs "$OUT/lib/libblake3.a" ./*.o
cp blake3.h "$OUT/include/"
