#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 420
#
# A stopped machine with two disks to page blobs of Azurite, written by one booted appliance: full, incremental over blobs
# that somebody filled with 0xFF, growth, discard. curl and qemu-img compare every byte, Azurite's list tells what is
# left, and no secret stands anywhere.
# shellcheck source=tests/e2e/azurite.sh
source "$(dirname "$0")/../../e2e/azurite.sh"
requires qemu-system-x86_64

start_store
watch_argv "$account_key"
two_clouds
store_job blob.json
blobs_equal() { same_as_blob wherry-t-disk0.vhd "$work/d0.raw"; same_as_blob wherry-t-disk1.vhd "$work/d1.raw"; }

say 'validate and plan, in words'
wherry validate "$job" --verbose >"$work/validate" 2>&1
grep -q '60 MB/s' "$work/validate" || fail "$(cat "$work/validate")"
wherry plan "$job" --verbose >"$work/plan" 2>&1
grep -q 'writes to container' "$work/plan" || fail "$(cat "$work/plan")"
! grep -q 'import-XXXX' "$work/plan" || fail "an import worker is planned: $(cat "$work/plan")"

say 'full'
sync_job "$job"
blobs_equal
nothing_left
[ "$(result sent)" = $((32 << 20)) ] || fail "sent $(result sent) of 32 MiB of data"
[ "$(listed | tr '\n' ' ')" = 'wherry-t-disk0.json wherry-t-disk0.vhd wherry-t-disk1.json wherry-t-disk1.vhd ' ] || fail "$(listed)"
store_call GET /disks/wherry-t-disk1.json | jq -e '.generation == 1 and .size == 8388608 and .machine.name == "m"' >/dev/null ||
	fail 'the description beside the disk is not right'

# A client that is nobody's of ours.
if [ -n "${NEED_AZ:-}" ] || command -v az >/dev/null; then
	requires az
	say 'az storage blob download'
	AZURE_CONFIG_DIR=$work/az AZURE_CORE_COLLECT_TELEMETRY=no REQUESTS_CA_BUNDLE=$work/ca.pem AZURE_STORAGE_KEY='' \
		AZURE_STORAGE_CONNECTION_STRING="AccountName=$account;AccountKey=$account_key;BlobEndpoint=$endpoint;" \
		az storage blob download --container-name disks --name wherry-t-disk1.vhd --file "$work/az.vhd" --no-progress \
		>/dev/null 2>"$work/az.log" || fail "az: $(tail -n 1 "$work/az.log")"
	qemu-img compare -q -f raw -F vpc "$work/d1.raw" "$work/az.vhd" || fail 'what az read differs from the source'
else
	echo 'note: without az (Debian package azure-cli) only curl reads the blobs back'
fi

say 'incremental: chunks on both disks, zeros over data'
for at in 65536 10485760; do poke "$work/d0.raw" "$at" "at$at"; done
poke "$work/d1.raw" 1048576 again
dd if=/dev/zero of="$work/d0.raw" bs=1M seek=4 count=4 conv=notrunc status=none
sync_job "$job"
blobs_equal
[ "$(result sent)" = $((3 * 65536)) ] || fail "sent $(result sent), not 3 chunks"
grep -q 'generation 1 of wherry-t-disk0 as snapshot' "$work/events" || fail 'generation 1 was not kept while the next one was made'
[ "$(listed | wc -l)" = 4 ] || fail "snapshots of generation 1 are left: $(listed)"

say 'a blob that somebody filled with 0xFF, and no manifest of it: cleared and written anew'
fill_with_ff wherry-t-disk0.vhd 40
! wherry verify "$job" --verbose >"$work/verify" 2>&1 || fail 'what differs is not seen'
grep -q 'differ' "$work/verify" || fail "$(cat "$work/verify")"
rm "$work"/state/manifests/t/disk0/working
sync_job "$job"
blobs_equal

say 'the source grew'
truncate -s 44M "$work/d0.raw"
poke "$work/d0.raw" $((43 << 20)) grown
inventory_a=$(inventory "$cloud_a")
sync_job "$job"
blobs_equal
nothing_left

say 'leased by somebody else: one sentence, nothing written'
store_call PUT /disks/wherry-t-disk0.vhd comp=lease x-ms-lease-action:acquire x-ms-lease-duration:-1 \
	x-ms-proposed-lease-id:11111111-2222-3333-4444-555555555555 >/dev/null
store_call HEAD /disks/wherry-t-disk0.vhd >/dev/null
before=$(header etag)
expect 5 'is leased by somebody else' wherry sync "$job"
store_call HEAD /disks/wherry-t-disk0.vhd >/dev/null
[ "$(header etag)" = "$before" ] || fail 'the leased blob was changed'
store_call PUT /disks/wherry-t-disk0.vhd comp=lease x-ms-lease-action:release \
	x-ms-lease-id:11111111-2222-3333-4444-555555555555 >/dev/null

say 'promotion is for clouds that have machines'
expect 14 'cannot create machines' wherry promote "$job"

say 'discard'
wherry status "$job" >"$work/status"
wherry cleanup --discard "$job" --verbose >"$work/discard" 2>&1
[ -z "$(listed)" ] || fail "left behind: $(listed)"
nothing_left

say 'no secret anywhere: state and journal, what the cloud of the source and its worker keep, events, talk, reports, arguments'
no_secrets "$work"/{state,a,events,talk,plan,validate,discard,status,verify}
