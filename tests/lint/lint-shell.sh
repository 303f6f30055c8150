#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Warnings and errors of shellcheck.

. "$(dirname "$0")/files.sh"

command -v shellcheck >/dev/null || { echo 'shellcheck is not installed (make packages)'; exit 77; }
files '*.sh' .ci/run | xargs -r -n 8 -P 2 shellcheck --severity=warning --external-sources --format=gcc
