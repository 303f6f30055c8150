#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every source file says its licence within its first five lines.

. "$(dirname "$0")/files.sh"

files '*.c' '*.h' '*.S' '*.sh' '*.py' '*.mk' Makefile .ci/run | xargs -r awk '
FNR == 1 { if (name && !seen) { print name ": no SPDX-License-Identifier line at its top"; wrong = 1 } name = FILENAME; seen = 0 }
FNR <= 5 && /SPDX-License-Identifier: / { seen = 1 }
END { if (name && !seen) { print name ": no SPDX-License-Identifier line at its top"; wrong = 1 } exit wrong }'
