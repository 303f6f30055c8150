#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 600
#
# The cloud's own copy ("copy": "cloud") in a test cloud that speaks Azure Resource Manager: of a machine with two disks, on both
# rows. Every generation's disks have the bytes of the machine's, though no worker was made; they are of one restore point where the
# cloud has those; and after a kill -9 behind each call that changes something the old generation is still there whole, or the new
# one, `wherry cleanup` leaves nothing else, and a sync succeeds.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/clouds/azure/cloud.sh
. "$top/tests/clouds/azure/cloud.sh"
requires python3 openssl jq qemu-img

rules() { echo "$1" >"$work/rules.json"; ask_cloud rules "$work/rules.json" >"$work/none"; }
calls() { ask_cloud calls | jq -c --arg call "$1" '[.[] | select(.mutating and (.call | test($call))) | .call]'; }
file_of() { ask_cloud files | jq -r --arg n "/disks/$1" 'to_entries[] | select(.key | ascii_downcase | endswith($n)) | .value'; }
more() { diff <(echo "$before") <(ask_cloud inventory) | sed -n 's|^> \([^ ]*\) .*|\1|p' | sort | xargs || :; }
copies() { "$BUILD/wherry" --state-dir "$work/state" status --json "$work/job" |
	jq -r 'select(.event == "resource" and .purpose == "copy") | "\(.generation) \(.name)"' | sort -n; }

new_cloud_of() { # LOCATION [ARGS...]
	local i
	for i in 0 1; do
		filled "$work/disk$i" $((i + 2)) "$i"
		truncate -s 16M "$work/disk$i"
	done
	jq -s add <(jq -n --arg place "$1" "$seed_words net") <(machine_seed "$1" shop Standard_DS1_v2 OFF "$work/disk0" "$work/disk1") \
		>"$work/seed.json"
	rm -rf "$work/cloud" "$work/state"
	start_cloud "$work/cloud" --scale 0.02 --seed-file "$work/seed.json" "${@:2}"
	jq -n --arg arm "$ARM_ENDPOINT" --arg place "$1" '{provider: "azure", cloud: $arm, location: $place, resource_group: "lab",
		disk_sku: "Standard_LRS"} as $at | {job: "shop", source: ($at + {machine: "shop"}), target: ($at + {machine: "shop-there"}),
		options: {copy: "cloud"}}' >"$work/job"
	before=$(ask_cloud inventory)
}

# The newest generation is N, and its disks have the machine's bytes.
generation_is() {
	local i name
	[ "$(copies | awk '{print $1}' | xargs)" = "$1 $1" ] || fail "generation $1 expected: $(copies)"
	for i in 0 1; do
		name=$(copies | sed -n "s/.* \(wherry-shop-disk$i-.*\)/\1/p")
		cmp -s "$(file_of "$name")" "$(file_of "shop-$i")" || fail "disk $i of generation $1 differs"
	done
	[ "$(more)" = 'Microsoft.Compute/disks Microsoft.Compute/disks' ] || fail "left: $(more)"
}
change() { dd if=/dev/urandom of="$(file_of "shop-$1")" bs=64k count=1 seek=7 conv=notrunc status=none; }

two_generations() {
	wherry validate "$work/job" >"$work/told" || fail "not ready: $(cat "$work/told")"
	expect 0 'Created in .* by the cloud itself' wherry plan "$work/job"
	[ -z "$(more)" ] || fail "validate or plan made $(more)"
	wherry sync "$work/job" >"$work/told" 2>&1 || fail "$(cat "$work/told")"
	generation_is 1
	change 0
	wherry sync "$work/job" >"$work/told" 2>&1 || fail "$(cat "$work/told")"
	generation_is 2
	[ "$(calls virtualMachines)" = '[]' ] || fail "a worker was made: $(calls .)"
	expect 0 'checked +no: the cloud itself copied it' wherry status "$work/job"
	expect 14 'never hashed here' wherry verify "$work/job"
}

kills() {
	local n last rc
	last=$(calls . | jq length)
	change 1
	wherry sync "$work/job" >"$work/told" 2>&1
	last=$(($(calls . | jq length) - last))
	for ((n = 1; n <= last; n++)); do
		change $((n % 2))
		rules "[{\"call\": \"*\", \"mutating\": true, \"nth\": $n, \"fault\": \"kill\"}]"
		rc=0
		wherry sync "$work/job" >"$work/told" 2>&1 || rc=$?
		[ "$rc" = 137 ] || fail "not killed by call $n but ended with $rc: $(cat "$work/told")"
		echo "killed after $(calls . | jq -r '.[-1]')"
		rules '[]'
		wherry cleanup >"$work/told" 2>&1 || fail "cleanup: $(cat "$work/told")"
		[ "$(more)" = 'Microsoft.Compute/disks Microsoft.Compute/disks' ] || fail "cleanup left: $(more)"
		[ "$(copies | wc -l)" = 2 ] || fail "no whole generation: $(copies)"
	done
	wherry sync "$work/job" >"$work/told" 2>&1 || fail "the next sync: $(cat "$work/told")"
	generation_is "$(copies | awk 'NR == 1 {print $1}')"
	say "$last kills"
}

say 'public cloud'
new_cloud_of westeurope
two_generations
ask_cloud counts | jq -e '."restore points of 2 disks at one instant" == 2 and ."disks by Restore" == 4' >"$work/none" ||
	fail "not of one instant: $(ask_cloud counts)"
[ "$(calls 'PUT snapshots')" = '[]' ] || fail 'a disk was snapshotted by itself'
say 'killed after each call'
kills
say 'answers that are lost or late'
for fault in 'Points lost' 'Points late' 'PointCollections 504-done' 'PointCollections late'; do
	rules "[{\"call\": \"PUT restore${fault% *}\", \"fault\": \"${fault#* }\"}]"
	wherry sync "$work/job" >"$work/told" 2>&1 || fail "$fault: $(cat "$work/told")"
	! grep 'restore point' "$work/told" || fail "$fault: taken for a refusal"
	generation_is "$(copies | awk 'NR == 1 {print $1}')"
done
say 'no restore point: single snapshots'
rules '[{"call": "PUT restorePoints", "fault": "409"}]'
expect 0 'a restore point was refused|snapshots are taken instead of a restore point' wherry sync "$work/job"
rules '[]'
generation_is "$(copies | awk 'NR == 1 {print $1}')"
no_defects
stop_cloud

say 'Hub'
unset AZURE_AUTHORITY_HOST # a Hub is its own
new_cloud_of local --hub
two_generations
[ "$(calls restorePoint)" = '[]' ] || fail 'a Hub has no restore points'
no_defects
conformance "$work/cloud" 50
