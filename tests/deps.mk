# SPDX-License-Identifier: Apache-2.0
# What the unit tests are linked with. Format: see .mk/fetch.sh.

cmocka_VERSION := 1.1.5
cmocka_FILE := cmocka_1.1.5.orig.tar.xz
cmocka_SHA256 := f0ccd8242d55e2fd74b16ba518359151f6f8383ff8aef4976e48393f77bba8b6
cmocka_LICENCE := Apache-2.0
cmocka_FROM := bookworm source cmocka
cmocka_FALLBACK_VERSION := 1.1.7
cmocka_FALLBACK_FILE := cmocka_1.1.7.orig.tar.xz
cmocka_FALLBACK_SHA256 := 810570eb0b8d64804331f82b29ff47c790ce9cd6b163e98d47a4807047ecad82
cmocka_FALLBACK_FROM := trixie source cmocka
