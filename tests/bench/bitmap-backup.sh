#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# bitmap-backup.sh QCOW2 TARGET: what QEMU's bitmap "dirty" of QCOW2 names is written to the block device TARGET, by
# qemu-storage-daemon. The bitmap stays as it is, so that this can be done again.

set -euo pipefail
coproc qsd {
	exec qemu-storage-daemon --chardev stdio,id=qmp --monitor qmp \
		--blockdev "driver=qcow2,node-name=source,file.driver=file,file.filename=$1" \
		--blockdev "driver=host_device,node-name=target,filename=$2,cache.direct=on" 2>&1
}

order() { printf '%s\n' "$1" >&"${qsd[1]}"; }
await() { # WORD: a line with it; a line with an error ends all
	local line
	while read -r -t 60 line <&"${qsd[0]}"; do
		[[ $line != *'"error":'* ]] || { echo "$line" >&2; exit 1; }
		[[ $line != *"$1"* ]] || return 0
	done
	exit 1
}

# shellcheck disable=SC2154 # coproc sets it
pid=$qsd_PID
await '"QMP"'
order '{"execute": "qmp_capabilities"}'
order '{"execute": "blockdev-backup", "arguments": {"job-id": "backup", "device": "source", "target": "target",
	"sync": "bitmap", "bitmap": "dirty", "bitmap-mode": "never"}}'
await BLOCK_JOB_COMPLETED
order '{"execute": "quit"}'
wait "$pid"
