# SPDX-License-Identifier: Apache-2.0
#
# Wherry's build. Everything built goes to build/; V=1 shows the commands; `make help` lists the targets.
#
# Each folder brings a module.mk, included here. It declares, with sources listed explicitly:
#
#   ARCHIVES += worker/net                     a static archive, named as its folder (build/lib/worker/net.a)
#   worker/net_SRCS := stream.c stream_tcp.c   its sources, seen from its folder
#   worker/net_DEPS := mbedtls http-parser     libraries it uses, by their names in .mk/deps/
#
#   PROGRAMS += wherry-worker                  a program, build/wherry-worker
#   wherry-worker_SRCS := worker/main.c        its own sources, seen from the top
#   wherry-worker_LIBS := worker/net worker/base     archives in link order; their DEPS follow by themselves
#   wherry-worker_DEPS :=                      libraries only its own sources use
#
#   CFLAGS_worker/base/zero_avx2.c := -mavx2   flags for one source
#   UNIT_LIBS_net := worker/net worker/base    what build/tests/test_* of tests/unit/net/ are linked with: the archives
#                                              of their own floor and below, so that an upward call fails to link
#   UNIT_SRCS_net := tests/fakes/x.c           helpers linked into each of them, seen from the top
#   E2E_NEEDS += build/image/x                 what must be built before tests/e2e/test-*.sh run
#
# and rules of its own, for which it may use $(Q), $(call say,WORD,what), $(BUILD) and $(WHERRY_CC). A target gets
# into `make help` by a comment with two hashes behind it. `run-demo`, `image`, `bench-boot`, `bench-limit` and `fault` are rules
# of the folders they belong to.

VERSION := 0.1.0

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

Q := $(if $(filter 1,$(V)),,@)
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
BUILD := build$(VARIANT:%=/%)
export SOURCE_DATE_EPOCH ?= 1735689600
export LC_ALL := C
export TZ := UTC

# The toolchain: the host's gcc on a C library of our own; always links a static-pie (.mk/deps/musl.sh).
WHERRY_CC := $(BUILD)/deps/musl/bin/wherry-cc
C_LIBRARY := musl
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wdate-time -Werror
HARDENING := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
LD_FLAGS := -Wl,-z,relro,-z,now,-z,noexecstack,--gc-sections
include .mk/variants.mk
C_FLAGS := -std=c17 -D_GNU_SOURCE -DWHERRY_VERSION='"$(VERSION)"' $(CFLAGS) $(WARNINGS) $(HARDENING) \
	-ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=.

include $(wildcard */deps.mk */*/deps.mk)
include $(wildcard worker/module.mk worker/*/module.mk control/module.mk control/*/module.mk initramfs/module.mk \
	kernel-config/module.mk image/module.mk image/*/module.mk tests/module.mk tests/*/module.mk)

# ---- Libraries -------------------------------------------------------------------------------------------------

ALL_DEPS := $(patsubst .mk/deps/%.sh,%,$(wildcard .mk/deps/*.sh))
dep_stamps = $(patsubst %,$(BUILD)/deps/%.stamp,$(C_LIBRARY) $(1))
dep_includes = $(patsubst %,-isystem $(BUILD)/deps/%/include,$(1))
dep_libs = -Wl,--start-group $(patsubst %,$(BUILD)/deps/%/lib/*.a,$(1)) -Wl,--end-group
uniq = $(if $(1),$(firstword $(1)) $(call uniq,$(filter-out $(firstword $(1)),$(1))))

# dep.sh decides whether there is anything to build; the stamp changes only when the library did.
$(BUILD)/deps/%.checked: .mk/dep.sh .mk/fetch.sh $$(wildcard .mk/deps/$$*.* .mk/deps/$$*_* .mk/deps/musl.sh */deps.mk)
	$(Q)$(DEP_ENV) nice .mk/dep.sh $*
	$(Q)touch $@
$(BUILD)/deps/%.stamp: $(BUILD)/deps/%.checked
	@[ "$$(cat $@ 2>/dev/null)" = "$$(readlink $(BUILD)/deps/$*)" ] || readlink $(BUILD)/deps/$* >$@
# The cache may have been emptied since.
$(foreach d,$(ALL_DEPS),$(if $(wildcard $(BUILD)/deps/$d/.sums),,$(eval $(BUILD)/deps/$d.checked: FORCE)))
.PRECIOUS: $(BUILD)/deps/%.checked $(BUILD)/deps/%.stamp

$(BUILD)/deps.json: .mk/deps-json.sh $(call dep_stamps,$(filter-out musl,$(ALL_DEPS)))
	$(Q).mk/deps-json.sh $(ALL_DEPS) >$@

deps: $(BUILD)/deps.json ## build the C library and all libraries, once, into the cache (about 5 minutes)

# ---- Objects, archives, programs ---------------------------------------------------------------------------------

object = $(patsubst %.c,$(BUILD)/obj/%.o,$(patsubst %.S,$(BUILD)/obj/%.o,$(1)))
archive = $(patsubst %,$(BUILD)/lib/%.a,$(1))

# Headers a top folder's sources may see: ours, and those of every library declared in it or below it.
folder_deps = $(call uniq,$(foreach a,$(ARCHIVES),$(if $(filter $(1) $(1)/%,$a),$($a_DEPS))) \
	$(foreach p,$(PROGRAMS),$(if $(filter $(1)/%,$($p_SRCS)),$($p_DEPS))))
DEPS_worker := $(call folder_deps,worker)
DEPS_control := $(call uniq,$(DEPS_worker) $(call folder_deps,control))
DEPS_initramfs := $(call folder_deps,initramfs)
DEPS_tests := $(call uniq,$(DEPS_control) cmocka)
INCLUDE_worker := -Iworker
INCLUDE_control := -Iworker -Icontrol
INCLUDE_initramfs := -Iworker -Iinitramfs
INCLUDE_tests := -Iworker -Icontrol -Iinitramfs -Itests -Itests/unit
declared = $(foreach a,$(ARCHIVES),$(addprefix $a/,$($a_SRCS))) $(foreach p,$(PROGRAMS),$($p_SRCS))
absent := $(filter-out $(wildcard $(declared)),$(declared))
$(if $(absent),$(warning listed in a module.mk but not there: $(absent)))
top_of = $(firstword $(subst /, ,$(1)))

# Objects are remade when the flags change, not whenever this file does.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(C_FLAGS) $(LD_FLAGS))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(C_FLAGS) $(LD_FLAGS))' >$@

compile = $(Q)mkdir -p $(@D) && $(WHERRY_CC) $(C_FLAGS) $(CFLAGS_$<) $(INCLUDE_$(call top_of,$<)) \
	$(call dep_includes,$(DEPS_$(call top_of,$<))) -MMD -MP -c $< -o $@
object_needs = $(BUILD)/flags $$(call dep_stamps,$$(DEPS_$$(call top_of,$$*)))

$(BUILD)/obj/%.o: %.c $(object_needs)
	$(call say,CC,$<)
	$(compile)

$(BUILD)/obj/%.o: %.S $(object_needs)
	$(call say,AS,$<)
	$(compile)

define archive_rule
$(1)_OBJS := $(call object,$(addprefix $(1)/,$($(1)_SRCS)))
ALL_OBJS += $$($(1)_OBJS)
$(call archive,$(1)): $$($(1)_OBJS)
	$$(call say,AR,$$@)
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcsD $$@ $$^
endef
$(foreach a,$(ARCHIVES),$(eval $(call archive_rule,$a)))

# link_rule OUTPUT SOURCES ARCHIVES DEPS: OUTPUT with its symbols. The archives stand in link order, ungrouped.
define link_rule
ALL_OBJS += $(call object,$(2))
$(1): $(call object,$(2)) $(call archive,$(3)) $(call dep_stamps,$(4))
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $(WHERRY_CC) $(CFLAGS) $(HARDENING) $(LD_FLAGS) $(call object,$(2)) $(call archive,$(3)) \
		$(if $(4),$(call dep_libs,$(4))) -o $$@
endef
deps_of = $(call uniq,$(foreach a,$(1),$($a_DEPS)))

define program_rule
$(call link_rule,$(BUILD)/full/$(1),$($(1)_SRCS),$($(1)_LIBS),$(call uniq,$($(1)_DEPS) $(call deps_of,$($(1)_LIBS))))
$(BUILD)/$(1): $(BUILD)/full/$(1)
	$$(call say,STRIP,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)objcopy --only-keep-debug $$< $$@.debug && objcopy --strip-all --add-gnu-debuglink=$$@.debug $$< $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$p)))
PROGRAM_FILES := $(addprefix $(BUILD)/,$(PROGRAMS))

# ---- Unit tests ------------------------------------------------------------------------------------------------------

# Found, not listed: a test forgotten in a list would never fail.
UNIT_SRCS := $(sort $(wildcard tests/unit/*/test_*.c))
unit_program = $(BUILD)/tests/$(basename $(notdir $(1)))
UNIT_PROGRAMS := $(foreach t,$(UNIT_SRCS),$(call unit_program,$t))
ifneq ($(words $(UNIT_PROGRAMS)),$(words $(sort $(UNIT_PROGRAMS))))
$(error two unit tests have the same file name; they all become build/tests/test_NAME)
endif

folder_of = $(notdir $(patsubst %/,%,$(dir $(1))))
unit_libs = $(filter $(ARCHIVES),$(UNIT_LIBS_$(call folder_of,$(1))))
$(foreach t,$(UNIT_SRCS),$(eval $(call link_rule,$(call unit_program,$t),$t $(UNIT_SRCS_$(call folder_of,$t)),$(call \
	unit_libs,$t),$(call uniq,cmocka $(call deps_of,$(call unit_libs,$t))))))

LINT := $(sort $(wildcard tests/lint/lint-*.sh))
E2E := $(sort $(wildcard tests/e2e/test-*.sh))
TEST_ENV := BUILD=$(CURDIR)/$(BUILD) $($(VARIANT)_ENV)

# ---- Targets -----------------------------------------------------------------------------------------------------------

all: worker control ## build build/wherry and build/wherry-worker (the default)
worker: $(filter %/wherry-worker,$(PROGRAM_FILES)) ## build build/wherry-worker, the engine in the appliance
control: $(filter %/wherry,$(PROGRAM_FILES)) ## build build/wherry, the control client
programs: $(PROGRAM_FILES)
unit-tests: $(UNIT_PROGRAMS)
run-unit-tests: $(UNIT_PROGRAMS)
	$(Q)$(TEST_ENV) tests/run.sh $(UNIT_PROGRAMS)

packages: ## install the Debian packages that are missing (.mk/packages.list)
	$(Q).mk/packages.sh

demo: packages ## install what is missing, build, and show a machine being moved
	$(Q)$(MAKE) run-demo

test: packages packages-fuzz ## install what is missing, build, and run every test
	$(Q)$(MAKE) run-test
run-test: all $(UNIT_PROGRAMS) $(FUZZ_NEEDS) $(E2E_NEEDS)
	$(Q)$(TEST_ENV) tests/run.sh $(LINT) $(UNIT_PROGRAMS) $(FUZZ_TESTS) $(E2E)

check: $(UNIT_PROGRAMS) $(FUZZ_NEEDS) ## run the unit tests, the lint and the fuzz targets' seeds (a minute)
	$(Q)$(TEST_ENV) tests/run.sh $(LINT) $(UNIT_PROGRAMS) $(FUZZ_TESTS)

sanitize: ## run the unit tests under gcc's address, undefined-behaviour and thread sanitizers (20 minutes)
	$(Q)rc=0; for v in asan tsan; do echo "== $$v"; $(MAKE) VARIANT=$$v run-unit-tests || rc=1; done; exit $$rc

e2e: all $(E2E_NEEDS) ## run the end-to-end tests alone; ONLY=word picks those with the word in their name
	$(Q)$(TEST_ENV) tests/run.sh $(foreach t,$(E2E),$(if $(findstring $(ONLY),$t),$t))

lint: ## check floors, licences, lengths and shell scripts
	$(Q)$(TEST_ENV) tests/run.sh $(LINT)

clean: ## remove build/ (built libraries and sources stay in the cache)
	$(Q)rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

FORCE:
.PHONY: all worker control programs image deps packages demo run-demo test run-test check sanitize e2e bench-boot lint \
	clean help unit-tests run-unit-tests FORCE

-include $(ALL_OBJS:.o=.d)
