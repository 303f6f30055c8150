# SPDX-License-Identifier: Apache-2.0
# The appliance's kernel. KERNEL_DEBUG=1 adds debug.config.
KERNEL_FRAGMENTS := $(addprefix kernel-config/,base.config virtio.config hyperv.config vmware.config baremetal.config \
	$(if $(filter 1,$(KERNEL_DEBUG)),debug.config))

$(BUILD)/image/vmlinuz: $(KERNEL_FRAGMENTS) $(addprefix kernel-config/,build.sh merge.sh check.sh forbidden.list deps.mk)
	$(Q)nice kernel-config/build.sh $@ $(KERNEL_FRAGMENTS)

kernel: $(BUILD)/image/vmlinuz ## build the appliance's kernel, once, into the cache (about 8 minutes)
.PHONY: kernel
