# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 40 s
#
# The C library, and wherry-cc: the host's gcc, which through wherry-cc sees only this C library and always links
# a static-pie.

./configure --prefix="$PREFIX" --disable-shared --enable-wrapper=no CC="$CC" CFLAGS="$CFLAGS"
make -j"$JOBS"
make install DESTDIR="$DESTDIR"

# The kernel's interface for user space comes from the host's linux-libc-dev.
cp -rL /usr/include/linux /usr/include/asm-generic "$OUT/include/"
cp -rL "/usr/include/$("$CC" -print-multiarch)/asm" "$OUT/include/asm"

mkdir -p "$OUT/bin"
lib=$PREFIX/lib
cat >"$OUT/lib/wherry.specs" <<SPECS
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem $PREFIX/include -isystem include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem $PREFIX/include -isystem include%s

*link_libgcc:
-L$lib -L .%s

*libgcc:
libgcc.a%s libgcc_eh.a%s

*startfile:
$lib/rcrt1.o $lib/crti.o crtbeginS.o%s

*endfile:
crtendS.o%s $lib/crtn.o

*link:
%{r:;:-static -pie --no-dynamic-linker -z text --eh-frame-hdr --build-id=sha1 -nostdlib}

*esp_link:


*esp_options:


*esp_cpp_options:


SPECS
cat >"$OUT/bin/wherry-cc" <<SH
#!/bin/sh
exec ${CC##*/} "\$@" -specs $lib/wherry.specs -ffile-prefix-map=$PREFIX=deps/musl
SH
chmod +x "$OUT/bin/wherry-cc"
