#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What pyflakes finds in Python programs: names that are not defined, imports and values that nothing uses.

. "$(dirname "$0")/files.sh"

command -v pyflakes3 >/dev/null || { echo 'pyflakes3 is not installed (make packages)'; exit 77; }
files '*.py' | xargs -r pyflakes3
