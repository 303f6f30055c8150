# SPDX-License-Identifier: Apache-2.0
# What the initramfs is built from. Format: see .mk/fetch.sh.

busybox_VERSION := 1.37.0
busybox_FILE := busybox_1.37.0.orig.tar.bz2
busybox_SHA256 := 3311dff32e746499f4df0d5df04d7eb396382d7e108bb9250e7b519b837043a4
busybox_LICENCE := GPL-2.0-only
busybox_FROM := trixie source busybox
busybox_FALLBACK_VERSION := 1.35.0
busybox_FALLBACK_FILE := busybox_1.35.0.orig.tar.bz2
busybox_FALLBACK_SHA256 := faeeb244c35a348a334f4a59e44626ee870fb07b6884d68c10ae8bc19f83a694
busybox_FALLBACK_FROM := bookworm source busybox
