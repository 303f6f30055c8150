#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 300
#
# wherry is killed while its worker writes to blobs: the lease it leaves behind ends by itself, the next sync goes on from
# what is durable, and takes the worker and everything else away. A token that ends in mid-copy is renewed in time.
# shellcheck source=tests/e2e/azurite.sh
source "$(dirname "$0")/../../e2e/azurite.sh"
requires qemu-system-x86_64

start_store
watch_argv "$account_key"
two_clouds
store_job blob.json "$endpoint" '.target.lease_seconds = 15 | .limits = {bandwidth: "2MB/s"}'

say 'killed when 8 MiB are durable'
: >"$work/events"
wherry_bg sync "$job" --json >"$work/events" 2>"$work/talk" &
pid=$!
durable=0
for ((tries = 0; tries < 1200 && durable < (8 << 20); tries++)); do
	kill -0 "$pid" 2>/dev/null || fail "the sync ended too soon: $(tail -n 2 "$work/talk")"
	durable=$(jq -s 'map(select(.event == "progress") | .durable) | max // 0' "$work/events" 2>/dev/null || echo 0)
	sleep 0.1
done
kill -KILL "$pid"
wait "$pid" 2>/dev/null || :
[ "$(cloud_pids "$cloud_a" | wc -l)" = 1 ] || fail 'there is no worker left that could still write'

say 'the next one goes on from there, with tokens that hold for less than it takes'
jq '.target.token_seconds = 6' "$job" >"$work/short.json"
sync_job "$work/short.json"
[ "$(result attempts)" = 1 ] || fail "a token ended: $(cat "$work/events")"
[ "$(grep -o 'wherry-t-disk0.*&se=[^&]*' "$work/azurite.log" | grep -o 'se=.*' | sort -u | wc -l)" -gt 3 ] || fail 'no token was renewed'
same_as_blob wherry-t-disk0.vhd "$work/d0.raw"
same_as_blob wherry-t-disk1.vhd "$work/d1.raw"
nothing_left
sent=$(result sent)
[ "$sent" -le $(((32 << 20) - durable)) ] || fail "sent $sent although $durable were durable: from zero"
say "sent $((sent >> 20)) of 32 MiB again, $((durable >> 20)) MiB were durable"
wherry verify "$job" --verbose >"$work/verify" 2>&1
no_secrets "$work"/{state,a,events,talk,verify}
