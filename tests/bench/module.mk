# SPDX-License-Identifier: Apache-2.0
PROGRAMS += stream-bench
stream-bench_SRCS := tests/bench/stream.c
stream-bench_LIBS := worker/net worker/base

bench-stream: $(BUILD)/stream-bench ## time TLS against plain TCP on one connection (15 seconds)
	$(Q)$(BUILD)/stream-bench
.PHONY: bench-stream

# Speed and memory beside the tools that people use today. bench-boot is image/module.mk's.

PROGRAMS += bench-measure
bench-measure_SRCS := tests/bench/measure.c

bench: worker $(BUILD)/bench-measure ## measure the engine beside qemu-img, nbdcopy, rsync, fio (root; an hour; writes build/bench/)
	$(Q).mk/packages.sh tests/bench/packages.list
	$(Q)BUILD=$(CURDIR)/$(BUILD) tests/bench/bench.sh

bench-publish: ## put the last run of `make bench` into tests/bench/report/ and the README
	$(Q)BUILD=$(BUILD) tests/bench/publish.sh
.PHONY: bench bench-publish

# What a limit lets through, on an interface's own counters.

bench-limit: worker $(BUILD)/tests/worker_controller ## measure what a bandwidth limit lets through (a minute; root)
	$(Q)$(TEST_ENV) tests/bench/limit.sh
.PHONY: bench-limit
