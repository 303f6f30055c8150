# SPDX-License-Identifier: Apache-2.0
ARCHIVES += worker/base
worker/base_SRCS := base64.c buf.c cleanup.c clock.c compression.c err.c extents.c hex.c limits.c log.c mem.c ring.c \
	vec.c xml.c
