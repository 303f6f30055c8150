# SPDX-License-Identifier: Apache-2.0
# Runs that are killed, over and over. Two moments of it are in `make test` (tests/e2e/test-kill-moments.sh).

fault: all $(BUILD)/qemu-cloud $(BUILD)/image/vmlinuz $(BUILD)/image/initramfs.img ## kill a sync at 20 random moments and run it again (15 minutes)
	$(Q)BUILD=$(CURDIR)/$(BUILD) tests/fault/kill.sh 20
.PHONY: fault

test-cuts: worker $(BUILD)/tests/cut_proxy $(BUILD)/tests/worker_controller ## copy through a network that cuts every 3 s (a minute)
	$(Q)$(TEST_ENV) tests/fault/cuts.sh 60
.PHONY: test-cuts

fault-azure: all $(BUILD)/image/wherry.vhd ## syncs in the Azure test cloud: 500 schedules of faults, a kill after every call that changes something (an hour)
	$(Q)$(TEST_ENV) tests/fault/azure.sh all
.PHONY: fault-azure
