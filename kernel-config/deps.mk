# SPDX-License-Identifier: Apache-2.0
# The kernel: Debian's 6.12 LTS source, as its package linux-source-6.12 carries it. Format: see .mk/fetch.sh.

linux_VERSION := 6.12.117
linux_FILE := linux-source-6.12.117.tar.xz
linux_SHA256 := 3b8ee8eaec6ff5e1661343ff73ac04ce59d020f552f29543c02f571960d75345
linux_LICENCE := GPL-2.0-only WITH Linux-syscall-note
linux_FROM := trixie-security deb linux-source-6.12=6.12.117-1 usr/src/linux-source-6.12.tar.xz
linux_FALLBACK_VERSION := 6.12.107
linux_FALLBACK_FILE := linux-source-6.12.107.tar.xz
linux_FALLBACK_SHA256 := 5295fbf9c06bc9a6fd4868b80b5fd1e12d7d286d6d51c950a83c4c18edf0c5b3
linux_FALLBACK_FROM := trixie deb linux-source-6.12=6.12.107-1 usr/src/linux-source-6.12.tar.xz
