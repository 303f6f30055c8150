# SPDX-License-Identifier: Apache-2.0
# The fuzz targets, found like the unit tests: programs of the variant "fuzz" alone, build/fuzz/full/fuzz_*. `make test`
# runs each a fixed number of times, where clang and its runtime are installed.

FUZZ_SECONDS := 60
FUZZ_TARGETS := $(sort $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_TESTS := tests/fuzz/fuzz.sh
FUZZ_RUNTIME := $(shell clang -print-resource-dir 2>/dev/null)/lib/linux/libclang_rt.fuzzer-x86_64.a
FUZZ_NEEDS := $(if $(wildcard $(FUZZ_RUNTIME)),fuzz-programs)

ifeq ($(VARIANT),fuzz)
PROGRAMS += $(FUZZ_TARGETS)
$(foreach t,$(FUZZ_TARGETS),$(eval $(t)_SRCS := tests/fuzz/$(t).c tests/fuzz/fuzz.c))

fuzz_bootdata_LIBS = $(UNIT_LIBS_boot)
fuzz_config_drive_LIBS = $(UNIT_LIBS_boot)
fuzz_config_drive_SRCS += tests/unit/boot/image_volume.c
fuzz_config_drive_DEPS := cmocka
fuzz_feed_LIBS = $(UNIT_LIBS_control)
fuzz_hints_LIBS = $(UNIT_LIBS_manifest)
fuzz_http_LIBS = $(UNIT_LIBS_net)
fuzz_init_LIBS = $(UNIT_LIBS_initramfs) worker/base
fuzz_job_LIBS = $(UNIT_LIBS_control)
fuzz_manifest_LIBS = $(UNIT_LIBS_manifest)
fuzz_pki_LIBS = $(UNIT_LIBS_net)
fuzz_qmp_LIBS = $(UNIT_LIBS_control)
fuzz_receiver_LIBS = $(UNIT_LIBS_copy)
fuzz_run_spec_LIBS = $(UNIT_LIBS_job)
fuzz_tls_LIBS = $(UNIT_LIBS_net)
fuzz_wire_LIBS = $(UNIT_LIBS_net)
fuzz_xml_LIBS = $(UNIT_LIBS_base)

fuzz-programs: $(FUZZ_TARGETS:%=$(BUILD)/full/%)
else
fuzz-programs:
	$(Q)$(MAKE) VARIANT=fuzz $@
endif

packages-fuzz: packages ## install clang, which the fuzz targets need (.mk/packages-fuzz.list)
	$(Q).mk/packages.sh .mk/packages-fuzz.list

fuzz: packages-fuzz ## feed hostile bytes to every parser for FUZZ_SECONDS=60 in all; ONLY=word picks targets
	$(Q)$(MAKE) fuzz-programs
	$(Q)$(TEST_ENV) tests/fuzz/fuzz.sh $(FUZZ_SECONDS) $(ONLY)

.PHONY: fuzz fuzz-programs packages-fuzz
