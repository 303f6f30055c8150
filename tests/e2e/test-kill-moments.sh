#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 420
#
# SIGKILL of wherry or a worker at two moments of a sync; `make fault` does it at twenty.
exec "$(dirname "$0")/../fault/kill.sh" 2
