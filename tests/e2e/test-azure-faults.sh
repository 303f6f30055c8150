#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 900
#
# 25 schedules of faults and some kills in the Azure test cloud, of the hundreds that `make fault-azure` goes through.
cases=()
for ((seed = 1; seed <= 25; seed++)); do cases+=("seed-$seed"); done
JOBS=${JOBS:-6} exec "$(dirname "$0")/../fault/azure.sh" cases "${cases[@]}" kill-sync-3 kill-sync-12 kill-again-9 kill-promote-2
