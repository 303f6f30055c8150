# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# NEEDS: mbedtls ipsec-mb
# TAKES: 90 s
#
# HTTP and HTTPS, proxies, IPv6. The certificate bundle is the caller's business.

sh ./configure --host=x86_64-linux-musl --prefix="$PREFIX" --disable-shared --enable-static --with-mbedtls="$DEP_mbedtls" \
	--without-ca-bundle --without-ca-path --without-zlib --without-brotli --without-zstd --without-libpsl \
	--without-libidn2 --without-nghttp2 --without-libssh2 --enable-http --enable-ipv6 --enable-proxy \
	--enable-threaded-resolver --disable-ftp --disable-file --disable-ipfs --disable-ldap --disable-ldaps --disable-rtsp \
	--disable-dict --disable-telnet --disable-tftp --disable-pop3 --disable-imap --disable-smb --disable-smtp \
	--disable-gopher --disable-mqtt --disable-manual --disable-docs --disable-ares --disable-unix-sockets --disable-ntlm \
	--disable-kerberos-auth --disable-negotiate-auth --disable-digest-auth --disable-aws --disable-tls-srp --disable-alt-svc --disable-doh \
	--disable-libcurl-option --disable-sspi --disable-netrc --disable-websockets CC="$CC" CFLAGS="$CFLAGS" \
	LIBS="$DEP_ipsec_mb/lib/libipsec-mb.a"
make -j"$JOBS" -C lib
make -C lib install DESTDIR="$DESTDIR"
make -C include install DESTDIR="$DESTDIR"
rm -f "$OUT"/lib/*.la
