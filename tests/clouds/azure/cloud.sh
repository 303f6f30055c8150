# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The test cloud for Azure's tests; sourced after tests/e2e/lib.sh. One cloud at a time.

# shellcheck disable=SC2154 # of lib.sh
arm=$top/tests/fakes/arm/arm.py
cloud_folder='' cloud_pid=''

# start_cloud FOLDER [ARGS...]: the cloud of tests/fakes/arm, with its names in the environment ($ARM_ENDPOINT, AZURE_*)
start_cloud() {
	local tries
	cloud_folder=$1
	shift
	"$arm" serve --folder "$cloud_folder" "$@" </dev/null >"$cloud_folder.log" 2>&1 &
	cloud_pid=$!
	for ((tries = 0; tries < 600; tries++)); do
		[ ! -e "$cloud_folder/ready" ] || break
		kill -0 "$cloud_pid" 2>/dev/null || break
		sleep 0.1
	done
	[ -e "$cloud_folder/ready" ] || { cat "$cloud_folder.log"; fail 'the test cloud does not start'; }
	# shellcheck disable=SC1091 # made by the cloud
	. "$cloud_folder/env"
}
# Ends it with its machines.
stop_cloud() {
	[ -n "$cloud_pid" ] || return 0
	kill -TERM "$cloud_pid" 2>/dev/null || :
	wait "$cloud_pid" 2>/dev/null || :
	cloud_pid=''
}
cleanup_fns+=(stop_cloud)

ask_cloud() { "$arm" "$@" --folder "$cloud_folder"; } # inventory, counts, calls, files, running, rules RULES.json

# no_defects: the cloud itself has met nothing it did not expect
no_defects() {
	local n
	n=$(ask_cloud counts | jq '(.defects // 0) + (.["unknown paths"] // 0)')
	[ "$n" = 0 ] || { cat "$cloud_folder.log"; fail "the test cloud counts $n defects or unknown paths: $(ask_cloud counts)"; }
}

# conformance FOLDER AT-LEAST: the recorded pairs against Microsoft's own description of the Hub's profile. Without the
# descriptions, or npm's oav, it says so and is no failure, but with CI=true.
conformance() {
	local specs=${SHARED:-$top/../shared} pairs told
	pairs=$(find "$1/records/arm" -name '*.json' | wc -l)
	if [ ! -d "$specs/azure-specs" ] || [ ! -d "${OAV:-$BUILD/npm}/node_modules/oav" ]; then
		echo "conformance: not checked, $pairs pairs recorded: ../shared/azure-specs or npm's oav (make packages-azure) is absent"
		[ "${CI:-}" != true ] || fail 'CI=true demands the check of conformance'
		return 0
	fi
	told=$(OAV=${OAV:-$BUILD/npm} "$specs/conformance/validate-arm.js" "$1/records/arm" 2>&1) ||
		fail "pairs that Microsoft's description does not allow: $told"
	echo "conformance: $(tail -n 1 <<<"$told")"
	[ "$pairs" -ge "$2" ] || fail "only $pairs pairs were recorded, at least $2 expected"
}

# hub_seed VHD: a group with a network and the worker's image, in the Hub's form
hub_seed() {
	jq -n --arg vhd "$1" '
		def group: "~/resourceGroups/lab"; def compute: group + "/providers/Microsoft.Compute/";
		[{path: group, body: {location: "local"}},
		 {path: (group + "/providers/Microsoft.Network/virtualNetworks/net"), body: {location: "local", properties: {
			addressSpace: {addressPrefixes: ["10.20.0.0/16"]}, subnets: [{name: "a", properties: {addressPrefix: "10.20.1.0/24"}}]}}},
		 {path: (compute + "disks/worker"), data: $vhd,
		  body: {location: "local", properties: {creationData: {createOption: "Empty"}}}},
		 {path: (compute + "images/worker"), body: {location: "local", properties: {storageProfile: {osDisk: {
			osType: "Linux", osState: "Specialized", managedDisk: {id: (compute + "disks/worker")}}}}}}]'
}
