# SPDX-License-Identifier: Apache-2.0

# The small controller of test-worker-serve.sh.
PROGRAMS += tests/worker_controller
tests/worker_controller_SRCS := tests/e2e/worker_controller.c
tests/worker_controller_LIBS := worker/manifest worker/net worker/base
tests/worker_controller_DEPS := yyjson
E2E_NEEDS += build/tests/worker_controller
