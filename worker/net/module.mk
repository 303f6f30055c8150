# SPDX-License-Identifier: Apache-2.0
ARCHIVES += worker/net
worker/net_SRCS := digest.c feed.c http.c http_msg.c mbed.c jwt.c pki.c pki_cert.c pki_file.c stream.c \
	stream_mem.c stream_tcp.c stream_tls.c tcp_address.c tcp_dial.c tcp_listen.c tls_cipher.c \
	tls_handshake.c tls_record.c tls_verdict.c wire.c
worker/net_DEPS := mbedtls ipsec-mb http-parser

UNIT_SRCS_net := tests/unit/net/net_fixture.c
