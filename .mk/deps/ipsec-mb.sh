# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 20 s
#
# AES-GCM alone, messages in pieces, for processors with AES instructions and for those with AVX-512's; its AVX and AVX2
# variants are no faster than the first. Of the files for whole messages only the preparation of keys is taken. Each
# function gets a section of its own, so that a program carries only those it calls.

cd lib
sed -i '/^MKGLOBAL(FN_NAME(enc,_),/,/^mksection stack-noexec/{/^mksection/!d}' \
	sse_t1/gcm_api_sse.inc avx512_t2/gcm_api_vaes_avx512.inc
sed -i 's/^MKGLOBAL(\(.*\),function,.*)$/section .text. %+ \1 progbits alloc exec nowrite align=64\n&/' \
	sse_t1/gcm_{,sgl_}api_sse.inc avx512_t2/gcm_{,sgl_}api_vaes_avx512.inc x86_64/aes_keyexp_{128,256}.asm
for f in x86_64/aes_keyexp_{128,256} sse_t1/gcm{128,256}_{,sgl_}api_by8_sse \
	avx512_t2/aes{128,256}_gcm_by48_{,sgl_}api_vaes_avx512; do
	nasm -Werror -f elf64 -DLINUX -DSAFE_DATA -I. -Iinclude/ "$f.asm" -o "$(basename "$f").o"
done
"$AR" rcs "$OUT/lib/libipsec-mb.a" ./*.o
mkdir "$OUT/include/ipsec-mb"
cp intel-ipsec-mb.h include/gcm.h "$OUT/include/ipsec-mb/"
