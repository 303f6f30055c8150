#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 600
#
# Who holds a blob: leases of several blobs are renewed at once, past their length; one that a foreign client breaks and takes
# in mid-copy ends the run with a sentence, and nothing more is written to the blob; what stands beside the disk and is not
# ours survives writing and discarding. A run that fails in the middle leaves generation 1, byte for byte, in the snapshots.
# shellcheck source=tests/e2e/azurite.sh
source "$(dirname "$0")/../../e2e/azurite.sh"
requires qemu-system-x86_64

foreign=11111111-2222-3333-4444-555555555555
d0=/disks/wherry-t-disk0.vhd

renewals() { jq -s --arg b "wherry-t-disk$1.vhd" 'map(select(.blob == $b and .lease == "renew")) | length' "$work/seen"; }
# A sync of 1 MB/s in the background, until a part of disk 0 is durable and the leases are older than their length.
slow_sync() {
	local tries durable=0
	: >"$work/events"
	: >"$work/seen"
	wherry_bg sync "$work/slow.json" --json --verbose >"$work/events" 2>"$work/talk" &
	pid=$!
	for ((tries = 0; tries < 400 && (durable == 0 || $(renewals 0) < 7); tries++)); do
		kill -0 "$pid" 2>/dev/null || fail "the sync ended too soon: $(tail -n 2 "$work/talk")"
		durable=$(jq -s 'map(select(.event == "progress" and .disk == 0) | .durable) | max // 0' "$work/events" || echo 0)
		sleep 0.3
	done 2>/dev/null
	[ "$durable" -gt 0 ] || fail "nothing is durable: $(tail -n 2 "$work/talk")"
	[ "$durable" -lt $((24 << 20)) ] || fail "all of disk 0 is durable already"
	[ "$(renewals 0)" -ge 7 ] && [ "$(renewals 1)" -ge 6 ] || fail "renewed only $(renewals 0) and $(renewals 1) times"
}
etag() { store_call HEAD "$1" >/dev/null; header etag; }
steal() { # as another program does: break what there is, take the blob
	store_call PUT "$d0" comp=lease x-ms-lease-action:break x-ms-lease-break-period:0 >/dev/null
	store_call PUT "$d0" comp=lease x-ms-lease-action:acquire x-ms-lease-duration:-1 "x-ms-proposed-lease-id:$foreign" >/dev/null
	stolen=$(etag "$d0")
}
give_back() { store_call PUT "$d0" comp=lease x-ms-lease-action:release "x-ms-lease-id:$foreign" >/dev/null; }
# The sync of slow_sync ends as one that lost the blob, which is as it was when it was stolen.
lost() {
	local rc=0
	wait "$pid" || rc=$?
	[ "$rc" = 5 ] || fail "exit status $rc instead of 5: $(tail -n 2 "$work/talk")"
	jq -r 'select(.event == "error" and .kind == "busy") | .message' "$work/events" | grep "disk0" | grep -q lease ||
		fail "it does not say why: $(tail -n 2 "$work/events")"
	[ "$(etag "$d0")" = "$stolen" ] || fail 'the blob was written to after another had leased it'
	nothing_left
}

start_store
watch_argv "$account_key"
two_clouds
start_proxy leases
store_job fast.json "https://127.0.0.1:$proxy/$account" '.target.lease_seconds = 15'
jq '.limits = {bandwidth: "1MB/s"}' "$job" >"$work/slow.json"
store_call PUT /disks restype=container >/dev/null
echo 'these are notes of mine' >"$work/notes"
store_call PUT /disks/wherry-t-disk1.json '' x-ms-blob-type:BlockBlob "@$work/notes" >/dev/null

say 'leases of 15 s, no renewal of which is answered before that of the other blob'
slow_sync
say 'a foreign client breaks the lease in mid-copy and takes the blob'
steal
lost
say 'and gives it back: the next sync goes on'
give_back
sync_job "$job"
same_as_blob wherry-t-disk0.vhd "$work/d0.raw"
same_as_blob wherry-t-disk1.vhd "$work/d1.raw"
[ "$(result sent)" -lt $((32 << 20)) ] || fail 'from zero, although something was durable'
grep -q 'wherry-t-disk1.json.*is left alone' "$work/talk" "$work/events" || fail 'it does not tell of the foreign description'
store_call GET /disks/wherry-t-disk0.json | jq -e '.generation == 1' >/dev/null || fail 'disk 0 is not described'

say 'all of disk 0 is overwritten, and the sync fails in the middle: generation 1 is in the snapshots'
cp --sparse=always "$work/d0.raw" "$work/gen1.raw"
filled "$work/new" 24 other
dd if="$work/new" of="$work/d0.raw" bs=1M conv=notrunc status=none
slow_sync
steal
lost
taken=$(store_call GET /disks 'comp=list&include=snapshots,metadata&restype=container' |
	sed 's/<Blob>/\n/g' | sed -n 's/^<Name>wherry-t-disk0.vhd<.*<Snapshot>\([^<]*\)<.*/\1/p')
[ -n "$taken" ] || fail 'no snapshot of generation 1'
store_call GET "$d0" "snapshot=$taken" >"$work/kept.vhd"
qemu-img compare -q -f raw -F vpc "$work/gen1.raw" "$work/kept.vhd" >/dev/null || fail 'the snapshot is not generation 1'
store_call GET "$d0" >"$work/now.vhd"
! qemu-img compare -q -f raw -F vpc "$work/gen1.raw" "$work/now.vhd" >/dev/null || fail 'nothing was written: this shows nothing'
say 'and comes back as a blob of its own'
if [ -n "${NEED_AZ:-}" ] || command -v az >/dev/null; then # as the manual says
	AZURE_CONFIG_DIR=$work/az AZURE_CORE_COLLECT_TELEMETRY=no REQUESTS_CA_BUNDLE=$work/ca.pem AZURE_STORAGE_KEY='' \
		AZURE_STORAGE_CONNECTION_STRING="AccountName=$account;AccountKey=$account_key;BlobEndpoint=$endpoint;" \
		az storage blob copy start --source-container disks --source-blob wherry-t-disk0.vhd --source-snapshot "$taken" \
		--destination-container disks --destination-blob back.vhd >/dev/null 2>"$work/az.log" || fail "az: $(tail -n 1 "$work/az.log")"
else
	store_call PUT /disks/back.vhd '' "x-ms-copy-source:$endpoint$d0?snapshot=$taken" >/dev/null
fi
same_as_blob back.vhd "$work/gen1.raw"

say 'discarded, but for what is not ours; and no secret anywhere'
give_back
wherry cleanup --discard "$job" --verbose >"$work/discard" 2>&1
[ "$(listed | tr '\n' ' ')" = 'back.vhd wherry-t-disk1.json ' ] || fail "left behind: $(listed)"
store_call GET /disks/wherry-t-disk1.json | cmp -s - "$work/notes" || fail 'the foreign description was changed'
no_secrets "$work"/{state,a,events,talk,discard}
