#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 300
#
# A machine with more disks than an Azure worker's size takes data disks.
exec "$(dirname "$0")/../clouds/azure/batches.sh"
