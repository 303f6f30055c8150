# SPDX-License-Identifier: Apache-2.0
# Tests too big for `make test`.

test-32t: worker ## copy a sparse file of 32 TiB on tmpfs, in at most 48 MiB of memory (half a minute)
	$(Q)$(TEST_ENV) TEST_TIMEOUT=3600 tests/run.sh tests/big/sparse-32t.sh
.PHONY: test-32t
