#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 180
#
# The test cloud that speaks Azure Resource Manager, tested by itself: its parts, and the whole as a client sees it.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
requires python3 openssl curl
cd "$top/tests/fakes/arm"
PYTHONDONTWRITEBYTECODE=1 TMPDIR=$work python3 -m unittest -v
