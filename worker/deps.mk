# SPDX-License-Identifier: Apache-2.0
# The C library and what the worker is linked with. Format: see .mk/fetch.sh.

# The C library of every program; its iconv (CVE-2025-26519) is linked by none of them.
musl_VERSION := 1.2.5
musl_FILE := musl_1.2.5.orig.tar.gz
musl_SHA256 := a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4
musl_LICENCE := MIT
musl_FROM := trixie source musl
musl_FALLBACK_VERSION := 1.2.3
musl_FALLBACK_FILE := musl_1.2.3.orig.tar.gz
musl_FALLBACK_SHA256 := 7d5b0b6062521e4627e099e4c9dc8248d32a30285e959b7eecaa780cf8cfd4a4
musl_FALLBACK_FROM := bookworm source musl

mbedtls_VERSION := 3.6.6
mbedtls_FILE := mbedtls_3.6.6.orig.tar.bz2
mbedtls_SHA256 := 8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a
mbedtls_LICENCE := Apache-2.0 OR GPL-2.0-or-later
mbedtls_FROM := trixie source mbedtls
mbedtls_FALLBACK_VERSION := 3.6.7
mbedtls_FALLBACK_FILE := mbedtls_3.6.7.orig.tar.bz2
mbedtls_FALLBACK_SHA256 := a7e8bcbec0e6f761b4af24f25677626b35f762f68eef79c08677a363212d11f6
mbedtls_FALLBACK_FROM := sid source mbedtls

zstd_VERSION := 1.5.7
zstd_FILE := libzstd_1.5.7+dfsg.orig.tar.xz
zstd_SHA256 := 0c092ef267edce57ba7f3f2645c861f72eaf5e76273c6c3632869423464b90a5
zstd_LICENCE := BSD-3-Clause OR GPL-2.0-only
zstd_FROM := trixie source libzstd
zstd_FALLBACK_VERSION := 1.5.4
zstd_FALLBACK_FILE := libzstd_1.5.4+dfsg2.orig.tar.xz
zstd_FALLBACK_SHA256 := 8cf4bbb65e77ec348d052c8d6230eba66d435bddf64c8b5be2fcb16880c19953
zstd_FALLBACK_FROM := bookworm source libzstd

# The Rust crate carries the reference C and assembly; its package is the only form the archive is sure to have.
blake3_VERSION := 1.8.1
blake3_FILE := blake3-1.8.1.tar
blake3_SHA256 := fcf51bba5da81465150f62709a9de6c41506e3f8d29611098cdcdfc9bb668d14
blake3_LICENCE := CC0-1.0 OR Apache-2.0
blake3_FROM := trixie deb librust-blake3-dev=1.8.1-1 -
blake3_FALLBACK_VERSION := 1.8.2
blake3_FALLBACK_FILE := blake3-1.8.2.tar
blake3_FALLBACK_SHA256 := 6c20f47f670ea955f661ae64421439929e4b6ee9005f931ab15a0e836278121d
blake3_FALLBACK_FROM := sid deb librust-blake3-dev=1.8.2-1 -

uring_VERSION := 2.9
uring_FILE := liburing_2.9.orig.tar.gz
uring_SHA256 := 57e9b36e4ac1e46b8e0351dfb1694dc59638fc25e384b4ba36d87b800b16db1a
uring_LICENCE := MIT OR LGPL-2.1-or-later
uring_FROM := trixie source liburing
uring_FALLBACK_VERSION := 2.15
uring_FALLBACK_FILE := liburing_2.15.orig.tar.gz
uring_FALLBACK_SHA256 := efd299ff27cde40a45efc7dbb97ebe40a0c461921cb462f1d62611642bb4ee86
uring_FALLBACK_FROM := sid source liburing

http-parser_VERSION := 2.9.4
http-parser_FILE := http-parser_2.9.4.orig.tar.gz
http-parser_SHA256 := 467b9e30fd0979ee301065e70f637d525c28193449e1b13fbcb1b1fab3ad224f
http-parser_LICENCE := MIT
http-parser_FROM := trixie source http-parser
http-parser_FALLBACK_VERSION := 2.9.4
http-parser_FALLBACK_FILE := http-parser_2.9.4.orig.tar.gz
http-parser_FALLBACK_SHA256 := 467b9e30fd0979ee301065e70f637d525c28193449e1b13fbcb1b1fab3ad224f
http-parser_FALLBACK_FROM := bookworm source http-parser

yyjson_VERSION := 0.10.0
yyjson_FILE := yyjson_0.10.0+ds.orig.tar.xz
yyjson_SHA256 := ae6fde69a193e10afab426ef13f113d6903446405f9db9ee98bfb572bd6c961a
yyjson_LICENCE := MIT
yyjson_FROM := trixie source yyjson
yyjson_FALLBACK_VERSION := 0.12.0
yyjson_FALLBACK_FILE := yyjson_0.12.0+ds.orig.tar.xz
yyjson_FALLBACK_SHA256 := 40828f17feddccf475c164d1aa913476656b4263ab9896392106e4517d5b69dc
yyjson_FALLBACK_FROM := sid source yyjson

curl_VERSION := 8.14.1
curl_FILE := curl_8.14.1.orig.tar.gz
curl_SHA256 := 6766ada7101d292b42b8b15681120acd68effa4a9660935853cf6d61f0d984d4
curl_LICENCE := curl
curl_FROM := trixie source curl
curl_FALLBACK_VERSION := 8.21.0
curl_FALLBACK_FILE := curl_8.21.0.orig.tar.gz
curl_FALLBACK_SHA256 := d9b327997999045a24cda50f3983e69e51c516bd8be6ef9842fc7f99135e33bb
curl_FALLBACK_FROM := trixie-backports source curl

# Newer versions, which the other suites have, lay their files out otherwise: there is no fallback.
ipsec-mb_VERSION := 1.3
ipsec-mb_FILE := intel-ipsec-mb_1.3.orig.tar.xz
ipsec-mb_SHA256 := 9469c04f5a970989628b9a64ff6785ce60b5c42d32c1f5284c4c6e0c292cd83c
ipsec-mb_LICENCE := BSD-3-Clause
ipsec-mb_FROM := bookworm source intel-ipsec-mb
