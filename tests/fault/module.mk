# SPDX-License-Identifier: Apache-2.0
# Runs that are killed, over and over. Two moments of it are in `make test` (tests/e2e/test-kill-moments.sh).

fault: all $(BUILD)/qemu-cloud $(BUILD)/image/vmlinuz $(BUILD)/image/initramfs.img ## kill a sync at 20 random moments and run it again (15 minutes)
	$(Q)BUILD=$(CURDIR)/$(BUILD) tests/fault/kill.sh 20
.PHONY: fault

test-cuts: worker $(BUILD)/tests/cut_proxy $(BUILD)/tests/worker_controller ## copy through a network that cuts every 3 s (a minute)
	$(Q)$(TEST_ENV) tests/fault/cuts.sh 60
.PHONY: test-cuts

fault-azure: all $(BUILD)/image/wherry.vhd ## syncs in the Azure test cloud: 500 schedules of faults, a kill after every call that changes something (an hour)
	$(Q)rc=0; \
	$(TEST_ENV) tests/fault/azure.sh seeds 1 400 || rc=1; \
	$(TEST_ENV) HUB=1 tests/fault/azure.sh seeds 401 80 || rc=1; \
	$(TEST_ENV) BOOT=1 JOBS=$${BOOT_JOBS:-2} tests/fault/azure.sh seeds 481 20 || rc=1; \
	for what in sync again promote; do $(TEST_ENV) tests/fault/azure.sh kills $$what || rc=1; done; \
	exit $$rc
.PHONY: fault-azure
