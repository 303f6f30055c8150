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

# ask_cloud inventory|counts|calls|files|running|secrets, or rules|schedule FILE (arm.py does the same, but for a start of Python)
ask_cloud() {
	curl -sS --fail --cacert "$cloud_folder/ca.pem" ${2:+-T "$2"} "$(<"$cloud_folder/ready")/_fake/$1"
}

# no_defects: the cloud itself has met nothing it did not expect
no_defects() {
	local n
	n=$(ask_cloud counts | jq '(.defects // 0) + (.["unknown paths"] // 0)')
	[ "$n" = 0 ] || { cat "$cloud_folder.log"; fail "the test cloud counts $n defects or unknown paths: $(ask_cloud counts)"; }
}

# conformance FOLDER AT-LEAST: the recorded pairs against Microsoft's own description of the Hub's profile. Without the
# descriptions, or npm's oav, it says so and is no failure, but where NEED_OAV=true says that they have to be there.
conformance() {
	local specs=${SHARED:-$top/../shared} pairs told
	pairs=$(find "$1/records/arm" -name '*.json' | wc -l)
	if [ ! -d "$specs/azure-specs" ] || [ ! -d "${OAV:-$BUILD/npm}/node_modules/oav" ]; then
		echo "conformance: not checked, $pairs pairs recorded: ../shared/azure-specs or npm's oav (make packages-azure) is absent"
		[ "${NEED_OAV:-}" != true ] || fail 'CI=true demands the check of conformance'
		return 0
	fi
	told=$(OAV=${OAV:-$BUILD/npm} "$specs/conformance/validate-arm.js" "$1/records/arm" 2>&1) ||
		fail "pairs that Microsoft's description does not allow: $told"
	echo "conformance: $(tail -n 1 <<<"$told")"
	[ "$pairs" -ge "$2" ] || fail "only $pairs pairs were recorded, at least $2 expected"
}

# ---- what is there from the start: jq programs for `--seed-file`

seed_words='def group: "~/resourceGroups/lab"; def compute: group + "/providers/Microsoft.Compute/";
	def network: group + "/providers/Microsoft.Network/"; def at(p): {location: $place} + {properties: p};
	def net: [{path: group, body: {location: $place}}, {path: (network + "virtualNetworks/net"), body: at({
		addressSpace: {addressPrefixes: ["10.20.0.0/16"]}, subnets: [{name: "a", properties: {addressPrefix: "10.20.1.0/24"}}]})}];
	def disk(name; file; more): {path: (compute + "disks/" + name), data: file,
		body: at({creationData: {createOption: "Empty"}} + more)};'

# public_seed VHD: a group with a network and a gallery with the worker's image, of each generation ("worker", "worker2")
public_seed() {
	jq -n --arg vhd "$1" --arg place westeurope "$seed_words"'
		def image(name; generation): [{path: (compute + "galleries/lab/images/" + name), body: at({osType: "Linux",
			osState: "Specialized", hyperVGeneration: generation, identifier: {publisher: "wherry", offer: "worker", sku: name}})},
			{path: (compute + "galleries/lab/images/" + name + "/versions/1.0.0"), data: $vhd, body: at({storageProfile: {}})}];
		net + [{path: (compute + "galleries/lab"), body: at({})}] + image("worker"; "V1") + image("worker2"; "V2")'
}

# hub_seed VHD: the same for the Hub, which has no galleries: a managed image "worker"
hub_seed() {
	jq -n --arg vhd "$1" --arg place local "$seed_words"'
		net + [disk("worker"; $vhd; {}), {path: (compute + "images/worker"), body: at({storageProfile: {osDisk: {
			osType: "Linux", osState: "Specialized", managedDisk: {id: (compute + "disks/worker")}}}})}]'
}

# storage_seed LOCATION: the storage account of `azurite`
storage_seed() {
	jq -n --arg place "$1" "$seed_words"'
		[{path: (group + "/providers/Microsoft.Storage/storageAccounts/lab"),
		  body: (at({}) + {sku: {name: "Standard_LRS"}, kind: "StorageV2"})}]'
}

# machine_seed LOCATION NAME SIZE ON|OFF ROOT DATA...: a machine that boots from the disk of file ROOT, "NAME-0", with the
# others as data disks from LUN 0 on
machine_seed() {
	local place=$1 name=$2 size=$3 power=$4
	shift 4
	jq -n --arg place "$place" --arg name "$name" --arg size "$size" --arg power "$power" "$seed_words"'
		$ARGS.positional as $files |
		[range($files | length) | disk("\($name)-\(.)"; $files[.]; if . == 0 then {osType: "Linux"} else {} end)] +
		[{path: (network + "networkInterfaces/" + $name), body: at({ipConfigurations: [{name: "a", properties: {
			subnet: {id: (network + "virtualNetworks/net/subnets/a")}}}]})},
		 {path: (compute + "virtualMachines/" + $name), off: ($power == "OFF"), body: at({hardwareProfile: {vmSize: $size},
			storageProfile: {osDisk: {osType: "Linux", createOption: "Attach", managedDisk: {id: (compute + "disks/\($name)-0")}},
				dataDisks: [range(1; $files | length) | {lun: (. - 1), createOption: "Attach",
					managedDisk: {id: (compute + "disks/\($name)-\(.)")}}]},
			networkProfile: {networkInterfaces: [{id: (network + "networkInterfaces/" + $name)}]},
			diagnosticsProfile: {bootDiagnostics: {enabled: true}}})}]' --args "$@"
}

# azurite FOLDER PORT: Microsoft's Blob emulator with the account "lab"; its key in $blob_key, its URL in $blob_url
azurite() {
	local program=$BUILD/npm/node_modules/.bin/azurite-blob tries
	[ -x "$program" ] || { echo "needs npm's azurite (make packages-azure)"; exit 77; }
	blob_key=$(openssl rand -base64 32) blob_url=http://127.0.0.1:$2/lab
	AZURITE_ACCOUNTS=lab:$blob_key "$program" --blobHost 127.0.0.1 --blobPort "$2" --location "$1" --silent \
		--skipApiVersionCheck </dev/null >"$1.log" 2>&1 &
	azurite_pid=$!
	cleanup_fns+=(stop_azurite)
	for ((tries = 0; tries < 300; tries++)); do
		if curl -s -o "$1.hello" "$blob_url"; then return 0; fi
		kill -0 "$azurite_pid" 2>/dev/null || break
		sleep 0.1
	done
	cat "$1.log"
	fail 'Azurite does not start'
}
stop_azurite() { kill -TERM "$azurite_pid" 2>/dev/null || :; }
