#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A provider's name stands in its own files and in the one table, nowhere else in control/, so that what one cloud needs is
# asked for by the interface; comments may take one as an example. The driver of a real cloud is at most 1500 lines; Azure's is
# two clouds, whose Hub lacks much of what the other has, at most 2700.

. "$(dirname "$0")/files.sh"

foreign() { # NAME OWN [WORDS]: files of its own begin with OWN; WORDS is what names it, if not NAME (regular expressions)
	local f rc=0
	for f in $(files 'control/*.c' 'control/*.h' | grep -vE "^control/($2|provider_$1|provider_table)[_.]"); do
		# The preprocessor takes the comments out.
		if gcc -fpreprocessed -dD -E -P "$f" | grep -iE "${3:-$1}"; then echo "$f: names the provider $1"; rc=1; fi
	done
	return $rc
}

rc=0
foreign qemu 'qemu|qmp' || rc=1
foreign openstack openstack || rc=1
foreign blob 'blob|azure|provider_azure' '"blob"|provider_blob|page blob|vhd' || rc=1
# Blob storage is Azure's: its environment has Azure's names, and Azure's images its format.
foreign azure 'azure|blob' || rc=1
# What Azure's credentials and calls are is shared with others than the driver.
while read -r name most; do
	lines=$(files "control/${name}_*.c" | grep -vE "azure_(credential|session)[.]c" | xargs cat | wc -l)
	[ "$lines" -le "$most" ] || { echo "control/${name}_*.c: $lines lines, at most $most"; rc=1; }
done <<<'openstack 1500
azure 2700'
exit $rc
