# SPDX-License-Identifier: Apache-2.0
PROGRAMS += stream-bench
stream-bench_SRCS := tests/bench/stream.c
stream-bench_LIBS := worker/net worker/base

bench-stream: $(BUILD)/stream-bench ## time TLS against plain TCP on one connection (20 seconds)
	$(Q)$(BUILD)/stream-bench
.PHONY: bench-stream
