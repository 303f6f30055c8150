#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 240
#
# wherry-worker copies a file to a page blob through a proxy that refuses, delays, cuts and damages: all of it is tried again
# as the service wants, nothing is sent that is not asked for, and the MD5 of every page is right. Then what cannot be
# helped: one sentence, and the token nowhere.
# shellcheck source=tests/e2e/azurite.sh
source "$(dirname "$0")/azurite.sh"
requires python3

start_store
watch_argv "$account_key"
head -c 32 /dev/urandom | xxd -p -c 64 >"$work/key"
chmod 600 "$work/key"
filled "$work/src.raw" 20 source
truncate -s $(((31 << 20) + 1536)) "$work/src.raw"

new_blob() { # NAME MIB
	store_call PUT "/disks/$1" '' x-ms-blob-type:PageBlob "x-ms-blob-content-length:$((($2 << 20) + 512))" >/dev/null
	AZURE_STORAGE_SAS_TOKEN=$(sas "$1" rw)
	export AZURE_STORAGE_SAS_TOKEN
}
copy() { # BLOB [OPTION...]
	local name=$1
	shift
	"$BUILD/wherry-worker" copy --key-file "$work/key" --json "$@" "$work/src.raw" "https://127.0.0.1:$proxy/$account/disks/$name" \
		2> >(tee -a "$work/said" >&2) | tee -a "$work/said"
}

store_call PUT /disks restype=container >/dev/null
say 'a blob full of 0xFF, through a healthy proxy; its authority is one of many'
start_proxy none
cat /etc/ssl/certs/*.pem >"$work/all.pem" 2>/dev/null || :
cat "$work/ca.pem" >>"$work/all.pem"
new_blob a.vhd 32
fill_with_ff a.vhd 32
SSL_CERT_FILE=$work/all.pem copy a.vhd --verify >"$work/result"
same_as_blob a.vhd "$work/src.raw"
[ "$(jq .verified "$work/result")" = true ] || fail "$(cat "$work/result")"
[ "$(jq -s 'map(select(.page == "update" and .length > 512)) | map(.length) | add' "$work/seen")" = $((20 << 20)) ] ||
	fail 'more or less was sent than 20 MiB of data'
[ "$(jq -s 'map(select(.md5 != "right" and .page == "update")) | length' "$work/seen")" = 0 ] || fail 'a page without its MD5'
[ "$(jq -s 'map(.connection) | max' "$work/seen")" -gt 2 ] || fail 'all on one connection'
[ "$(jq -s 'map(.connection) | max' "$work/seen")" -le 20 ] || fail 'more connections than are bounded'

say '64 MiB: requests of 4 MiB, on several connections, in the memory of two workers'
filled "$work/large.raw" 64 large
new_blob large.vhd 64
: >"$work/seen"
peak=$(python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$BUILD/wherry-worker" copy --key-file "$work/key" --json \
	"$work/large.raw" "https://127.0.0.1:$proxy/$account/disks/large.vhd" 2>"$work/said")
same_as_blob large.vhd "$work/large.raw"
say "$(jq -s 'map(select(.page == "update") | .length) | "\(length) requests, the largest of \(max / 1048576) MiB"' -r "$work/seen"), $peak KiB at most"
[ "$(jq -s 'map(select(.page == "update") | .length) | max' "$work/seen")" = $((4 << 20)) ] || fail 'no request of 4 MiB'
[ "$(jq -s 'map(select(.page == "update")) | length' "$work/seen")" -le 33 ] || fail 'neighbours were not joined'
[ "$peak" -le $((48 << 10)) ] || fail "$peak KiB of memory"
rm "$work/large.raw"

say 'the first one again with its manifest: nothing is sent'
AZURE_STORAGE_SAS_TOKEN=$(sas a.vhd rw)
copy a.vhd --manifest-out "$work/m" >/dev/null
: >"$work/seen"
copy a.vhd --manifest-in "$work/m" >/dev/null
[ "$(jq -s 'map(select(.page != "")) | length' "$work/seen")" = 0 ] || fail 'something was written although nothing changed'

say 'refused, delayed, cut, cut off, lost and damaged'
start_proxy faults
new_blob b.vhd 32
fill_with_ff b.vhd 32
copy b.vhd --verify >"$work/result"
same_as_blob b.vhd "$work/src.raw"
for fault in 503 429 500 cut lost md5 short; do
	[ "$(jq -s --arg f "$fault" 'map(select(.fault == $f)) | length' "$work/seen")" -gt 0 ] || fail "no $fault was made"
done
jq -se 'map(select(.page == "update")) as $all | ($all | map(select(.fault == "503")) | first) as $refused |
	$all | map(select(.range == $refused.range and .at > $refused.at)) | length >= 1 and first.at >= $refused.at + 1000' \
	"$work/seen" >/dev/null || fail 'a request that was refused for a second was made again sooner, or never'

say 'a token that does not let us in'
AZURE_STORAGE_SAS_TOKEN=$(sas other.vhd rw) expect 6 'the token has ended' copy b.vhd
AZURE_STORAGE_SAS_TOKEN=$(sas b.vhd r) expect 6 'the token' copy b.vhd
say 'leased by somebody else'
store_call PUT /disks/b.vhd comp=lease x-ms-lease-action:acquire x-ms-lease-duration:-1 \
	x-ms-proposed-lease-id:11111111-2222-3333-4444-555555555555 >/dev/null
expect 5 'only one may write' copy b.vhd
say 'not there, no page blob, an unknown authority, a token in the address'
AZURE_STORAGE_SAS_TOKEN=$(sas absent.vhd rw) expect 4 'it was removed' copy absent.vhd
store_call PUT /disks/text.vhd '' x-ms-blob-type:BlockBlob "@$work/key" >/dev/null
AZURE_STORAGE_SAS_TOKEN=$(sas text.vhd rw) expect 13 'no page blob' copy text.vhd
SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt expect 6 'authority' copy b.vhd
expect 3 'everybody on this host can read' copy 'b.vhd?sig=x'

say 'the token nowhere: not in what was said, in manifests, or in the list of processes'
no_secrets "$work/said" "$work/m" "$work/result" "$work/proxy.out" "$work/seen"
