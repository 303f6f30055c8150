#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 900
#
# Worker images in a test cloud that speaks Azure Resource Manager, of the public cloud and of an Azure Stack Hub: what was
# sent is there byte for byte; the same image is not sent again, not for another region either; a changed one is put beside
# it; and after a kill -9 behind each call that changes something the next upload leaves nothing but the image.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/clouds/azure/cloud.sh
. "$top/tests/clouds/azure/cloud.sh"
requires python3 openssl jq qemu-img

wire=$(sed -n 's/^#define WIRE_VERSION  *\([0-9]*\).*/\1/p' "$top/worker/net/wire.h")
# An image folder of those bytes: 24 MiB with something at the start and at the end.
make_image() { # NAME
	mkdir "$work/$1"
	truncate -s 24M "$work/$1/raw"
	filled "$work/part" 1 "$1"
	local at
	for at in 0 23; do dd if="$work/part" of="$work/$1/raw" bs=1M seek="$at" conv=notrunc status=none; done
	qemu-img convert -O vpc -o subformat=fixed,force_size=on "$work/$1/raw" "$work/$1/wherry.vhd"
	jq -n --arg sum "$(sha256sum <"$work/$1/wherry.vhd" | cut -d' ' -f1)" --argjson wire "$wire" \
		'{version: "1.0", wire: $wire, files: [{name: "wherry.vhd", sha256: $sum}]}' >"$work/$1/manifest.json"
}
make_image one
make_image two

new_azure() { # ROW LOCATION [ARGS...]
	local location=$2
	jq -n --arg place "$location" '[{path: "~/resourceGroups/images", body: {location: $place}}]' >"$work/seed.json"
	rm -rf "$work/cloud"
	start_cloud "$work/cloud" --scale 0.02 --seed-file "$work/seed.json" "${@:3}"
	jq -n --arg arm "$ARM_ENDPOINT" --arg place "$location" \
		'{provider: "azure", cloud: $arm, location: $place, resource_group: "images"}' >"$work/block.json"
	before=$(ask_cloud inventory)
}
image() { # COMMAND [ARGS...]
	local what=$1
	shift
	wherry image "$what" "$@" "$work/block.json"
}
upload() { image upload --file "$work/$1" "${@:2}"; }
calls() { ask_cloud calls | jq -c --arg call "$1" '[.[] | select(.mutating and (.call | test($call))) | .call]'; }
is_in_cloud() { # NAME: of an image's folder
	local f
	for f in "$work/cloud/data"/*.raw; do ! cmp -s "$f" "$work/$1/raw" || return 0; done
	fail "no file of the cloud has the bytes of image $1"
}
# What is there besides what was, without what is in names and tags: one word per line.
more() { diff <(echo "$before") <(ask_cloud inventory) | sed -n 's|^> \([^ ]*\) .*|\1|p' | sort | xargs || :; }

twice() { # THINGS: that make up an image
	upload one >"$work/told"
	grep -q 'is there now, sent 2.0 MiB' "$work/told" || fail "not sent: $(cat "$work/told")"
	is_in_cloud one
	[ "$(more)" = "$1" ] || fail "the cloud has $(more) instead of $1"
	local did
	did=$(calls .)
	upload one >"$work/told"
	grep -q 'is there already, nothing was sent' "$work/told" || fail "sent again: $(cat "$work/told")"
	[ "$(calls .)" = "$did" ] || fail 'the second upload changed something'
}

changed() {
	upload two >"$work/told"
	is_in_cloud two
	[ "$(image list --json | jq -rs 'map(.use) | join(" ")')" = 'used old' ] || fail "wrong use: $(image list)"
	expect 0 'kept in 1 place: 48.0 MiB, which is 0.047 GiB-months' image list
	wherry image remove "$work/block.json" --old
	[ "$(image list --json | jq -r .use)" = used ] || fail "left: $(image list)"
	is_in_cloud two
	wherry image remove "$work/block.json" "$(image list --json | jq -r .name)"
}

kills() { # THINGS: that make up an image
	local n last rc name shelf
	shelf=$(more)
	last=$(calls . | jq length)
	upload one >"$work/told"
	last=$(($(calls . | jq length) - last))
	name=$(image list --json | jq -r .name)
	for ((n = 1; n <= last; n++)); do
		wherry image remove "$work/block.json" "$name" >"$work/told"
		[ "$n" != 1 ] || [ "$(more)" = "$shelf" ] || fail "removal left: $(more)"
		echo "[{\"call\": \"*\", \"mutating\": true, \"nth\": $n, \"fault\": \"kill\"}]" >"$work/rules.json"
		ask_cloud rules "$work/rules.json" >"$work/none"
		rc=0
		upload one >"$work/told" 2>&1 || rc=$?
		[ "$rc" = 137 ] || fail "not killed by call $n but ended with $rc: $(cat "$work/told")"
		upload one >"$work/told" 2>&1 || fail "the next upload: $(cat "$work/told")"
		[ "$(more)" = "$1" ] || fail "after kill $n the cloud has $(more) instead of $1"
		is_in_cloud one
	done
	say "$last kills, the last after $(calls . | jq -r '.[-1]')"
}

gallery='Microsoft.Compute/galleries Microsoft.Compute/galleries/images' version=Microsoft.Compute/galleries/images/versions
say 'public cloud: twice'
new_azure public westeurope
twice "$gallery $version"
say 'another region: from the first one'
upload one --region westeurope --region northeurope >"$work/told"
grep -q 'northeurope.* is there now, the cloud had its bytes' "$work/told" || fail "not copied: $(cat "$work/told")"
grep -q 'kept in 2 places: 48.0 MiB' "$work/told" || fail "storage: $(cat "$work/told")"
[ "$(calls 'PUT disks|PUT page' | jq -c 'unique_by(.) | length')" = 2 ] || fail "sent twice: $(calls .)"
[ "$(more)" = "$gallery $version" ] || fail "the cloud has $(more)"
wherry image remove --region northeurope "$work/block.json" "$(image list --json | jq -r .name)"
[ "$(image list --json --region westeurope --region northeurope | jq -s length)" = 1 ] || fail 'a region too many or too few'
say 'a changed image'
changed
say 'killed after each call'
kills "$gallery $version"
no_defects
stop_cloud

say 'Hub: twice'
unset AZURE_AUTHORITY_HOST # a Hub is its own
new_azure hub local --hub
twice Microsoft.Compute/snapshots
say 'a changed image'
changed
say 'killed after each call'
kills Microsoft.Compute/snapshots
expect 14 'has only generation 1' upload one --firmware uefi
no_defects
conformance "$work/cloud" 50
