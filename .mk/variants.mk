# SPDX-License-Identifier: Apache-2.0
#
# Variants: everything once more by another compiler with other flags, on the host's own C library, because the
# sanitizers' runtimes exist for no other. `make VARIANT=asan unit-tests` builds into build/asan/. A variant is
#
#   asan_CC         its compiler
#   asan_FLAGS      its flags for our own sources, compiled and linked
#   asan_LIB_FLAGS  its flags for the libraries: instrumented, so that what they do to our buffers is seen; their own
#                   undefined behaviour is not ours to mend
#   asan_LD_FLAGS   its flags for linking alone
#   asan_ENV        the environment its tests run in
#
# The warnings are the plain build's business: instrumented code makes the compiler see ghosts.

asan_CC := gcc
asan_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
asan_LIB_FLAGS := -fsanitize=address -fno-omit-frame-pointer
asan_ENV := TEST_TIMEOUT=1800 ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1

tsan_CC := gcc
tsan_FLAGS := -fsanitize=thread
tsan_LIB_FLAGS := -fsanitize=thread
tsan_ENV := TEST_TIMEOUT=1800 TSAN_OPTIONS=second_deadlock_stack=1

fuzz_CC := clang
fuzz_FLAGS := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer
fuzz_LIB_FLAGS := -fsanitize=address,fuzzer-no-link -fno-omit-frame-pointer
fuzz_LD_FLAGS := -fsanitize=fuzzer

ifneq ($(VARIANT),)
$(if $($(VARIANT)_CC),,$(error there is no variant "$(VARIANT)", see .mk/variants.mk))
WHERRY_CC := $($(VARIANT)_CC)
C_LIBRARY :=
DEP_ENV := HOSTCC=$(WHERRY_CC) HOST_CFLAGS='$($(VARIANT)_LIB_FLAGS)' LINKS=$(BUILD)/deps
WARNINGS := -w
HARDENING := -fPIE $($(VARIANT)_FLAGS)
LD_FLAGS += $($(VARIANT)_LD_FLAGS)
endif
