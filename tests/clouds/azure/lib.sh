# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the tests against the test cloud (tests/fakes/arm) share; sourced. A test is run once more in a network namespace of its
# own, without any other network, where the cloud's addresses are this host's.

if [ "${1:-}" != inside ]; then
	unshare --user --map-root-user --net true 2>/dev/null || { echo 'needs user and network namespaces'; exit 77; }
	exec unshare --user --map-root-user --net "$0" inside "$@"
fi
shift
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../e2e/lib.sh"
requires jq qemu-system-x86_64 qemu-img python3 openssl ip curl
ip link set lo up
ip route add local 198.51.100.0/24 dev lo # public addresses
ip route add local 10.9.0.0/16 dev lo     # addresses in the virtual network
# shellcheck source=tests/clouds/azure/cloud.sh
. "$(dirname "${BASH_SOURCE[0]}")/cloud.sh"
group=shop-group before=''
api=Microsoft.Compute

# The raw file of a disk, by its name.
file_of() { ask_cloud files | jq -r --arg n "/disks/$1" 'to_entries[] | select(.key | endswith($n)) | .value'; }
inventory_now() { ask_cloud inventory | sort; }

# seed_shop FILE GENERATION LOCATION: a group with a network, and the machine "shop" (deallocated) with the disks of $work/disks.
seed_shop() {
	# shellcheck disable=SC2088 # the test cloud's, not the shell's
	local rg="~/resourceGroups/$group"
	cat >"$1" <<-EOF
		[
		{"path": "$rg", "body": {"location": "$3"}},
		{"path": "$rg/providers/Microsoft.Network/virtualNetworks/net", "body": {"location": "$3", "properties": {
		 "addressSpace": {"addressPrefixes": ["10.9.0.0/16"]},
		 "subnets": [{"name": "workers", "properties": {"addressPrefix": "10.9.1.0/24"}}]}}},
		{"path": "$rg/providers/Microsoft.Network/networkInterfaces/shop-nic", "body": {"location": "$3", "properties": {
		 "ipConfigurations": [{"name": "a", "properties": {
		  "subnet": {"id": "$rg/providers/Microsoft.Network/virtualNetworks/net/subnets/workers"}}}]}}},
		{"path": "$rg/providers/$api/disks/shop-root", "data": "disks/root.raw", "body": {"location": "$3",
		 "sku": {"name": "Premium_LRS"}, "properties": {"osType": "Linux", "hyperVGeneration": "$2", "creationData": {"createOption": "Empty"}}}},
		{"path": "$rg/providers/$api/disks/shop-data", "data": "disks/data.raw", "body": {"location": "$3",
		 "sku": {"name": "Standard_LRS"}, "properties": {"creationData": {"createOption": "Empty"}}}},
		{"path": "$rg/providers/$api/virtualMachines/shop", "off": true, "body": {"location": "$3", "properties": {
		 "hardwareProfile": {"vmSize": "Standard_DS1_v2"},
		 "storageProfile": {
		  "osDisk": {"osType": "Linux", "createOption": "Attach", "managedDisk": {"id": "$rg/providers/$api/disks/shop-root"}},
		  "dataDisks": [{"lun": 3, "createOption": "Attach", "managedDisk": {"id": "$rg/providers/$api/disks/shop-data"}}]},
		 "networkProfile": {"networkInterfaces": [{"id": "$rg/providers/Microsoft.Network/networkInterfaces/shop-nic"}]}}}},
	EOF
	[ "$3" != local ] || echo "{\"path\": \"$rg/providers/Microsoft.Storage/storageAccounts/consoles\", \"body\": {\"location\": \"$3\",
		\"sku\": {\"name\": \"Standard_LRS\"}, \"kind\": \"Storage\"}}," >>"$1"
	sed -i '$ s/,$/]/' "$1"
}

# write_azure_job FILE IMAGE [MORE KEYS OF BOTH ENDS] [MORE OPTIONS]; IMAGE "": what `wherry image upload` put there
write_azure_job() {
	local net="/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/$group/providers/Microsoft.Network/virtualNetworks/net"
	local place="\"provider\": \"azure\", \"cloud\": \"$ARM_ENDPOINT\", \"resource_group\": \"$group\",
		${2:+\"export_worker_image\": \"$2\",} \"subnet_id\": \"$net/subnets/workers\", \"public_ip\": true, \"allow\": [\"198.51.100.0/24\"]${3:+, $3}"
	cat >"$1" <<-EOF
		{ "job": "shop",
		  "source": {$place, "machine": "shop"},
		  "target": {$place, "machine": "shop-there"},
		  "options": {"worker_timeout_seconds": 600, "checkpoint_size": "64M"${4:+, $4}} }
	EOF
}

# Every byte of the machine's disks is in the replica; what is larger there is zeros.
replica_is_right() {
	local i name
	for i in 0:shop-root 1:shop-data; do
		name=${i#*:}
		qemu-img compare -q -U -f raw -F raw "$(file_of "$name")" "$(file_of "wherry-shop-disk${i%:*}")" ||
			fail "disk $name differs from its replica"
	done
}

# What there is more than before is the replica, the snapshots of its generation, the baseline of the hints, and what has MACHINE in
# its name.
only_replica() { # [MACHINE]
	local more
	more=$(diff <(echo "$before") <(inventory_now) | grep '^[<>]' |
		grep -vE "disks/wherry-shop-disk[01]\\b|(snapshots|restorePointCollections)/wherry-shop-(gen|snap)${1:+|$1}" || :)
	[ -z "$more" ] || fail "left behind: $more"
}
