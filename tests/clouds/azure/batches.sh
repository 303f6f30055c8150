#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 300
#
# A machine with five disks in the test cloud, which refuses a VM with more data disks than its size takes: copied in
# batches by workers of a small size, then at once by workers of a larger one that the job allows; in the public cloud and in
# a Hub, where one data disk of a worker has its bootstrap data. Workers are processes of this host. The oracles are cmp, the
# cloud's inventory and the VMs that it was asked for.
# shellcheck source=tests/clouds/azure/lib.sh
. "$(dirname "$0")/lib.sh"
requires cmp
job=$work/job.json

for i in 0 1 2 3 4; do filled "$work/d$i" 2 "disk $i"; done
truncate -s 1M "$work/image"

end_of() { # GROUP LARGER-SIZES
	jq -n --arg arm "$ARM_ENDPOINT" --arg group "$1" --argjson larger "$2" --arg place "$place" --arg size "$small" --arg image "$image" \
		--arg lab "/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/lab" '
		{provider: "azure", cloud: $arm, location: $place, resource_group: $group, machine: "shop", export_worker_size: $size,
		 larger_worker_sizes: $larger, export_worker_image: ($image | sub("LAB"; $lab)), disk_sku: "Standard_LRS", public_ip: true,
		 subnet_id: "\($lab)/providers/Microsoft.Network/virtualNetworks/net/subnets/a", storage_account_name: "lab"}'
}
write_larger() { # LARGER-SIZES
	jq -n --argjson source "$(end_of lab "$1")" --argjson target "$(end_of replica "$1")" \
		'{job: "t", source: $source, target: $target, options: {chunk_size: "64K"}}' >"$job"
}
# "SIZE DATA-DISKS" of every VM that was asked for since the last time
vms() {
	find "$cloud_folder/records/arm" -name '*.json' -newer "$work/mark" -print0 | xargs -0 jq -r '.liveRequest |
		select(.method == "put" and (.url | test("/virtualMachines/[^/?]*[?]"))) | .body.properties |
		"\(.hardwareProfile.vmSize) \(.storageProfile.dataDisks | length)"' | sort | uniq -c | awk '{print $1 "x", $2, $3}' | paste -sd ,
}
disk_file() { ask_cloud files | jq -r --arg tail "/$1" 'to_entries[] | select(.key | endswith($tail)) | .value'; }

sync_and_check() { # VMS
	local left
	touch "$work/mark"
	sync_job "$job"
	[ "$(vms)" = "$1" ] || fail "VMs: $(vms) instead of $1"
	for i in 0 1 2 3 4; do
		cmp -n "$((2 << 20))" "$work/d$i" "$(disk_file "wherry-t-disk$i")" || fail "disk $i differs from its replica"
	done
	left=$(ask_cloud inventory | grep -v ' p=replica \| p=baseline \| p=generation ' || :)
	[ "$left" = "$before" ] || fail "the cloud holds other things than before: $left"
	[ "$(ask_cloud running | jq -c .)" = '{"deallocated":1}' ] || fail "machines are left: $(ask_cloud running)"
}

batches() { # SMALL LARGER PLANNED VMS-OF-BATCHES VMS-OF-LARGER
	before=$(ask_cloud inventory)
	small=$1
	write_larger '[]'
	wherry plan "$job" >"$work/plan"
	grep -q "export1-XXXX .*$3.*of size $1" "$work/plan" || fail "$(cat "$work/plan")"
	wherry validate "$job" >"$work/told" 2>&1 || fail "$(cat "$work/told")"
	sync_and_check "$4"
	poke "$(disk_file shop-4)" 65536 "$1"
	poke "$work/d4" 65536 "$1"
	write_larger "[\"$2\"]"
	wherry plan "$job" >"$work/plan"
	grep -q "export-XXXX .*reads the disks, of size $2" "$work/plan" || fail "$(cat "$work/plan")"
	sync_and_check "$5"
	[ "$(result sent)" = 65536 ] || fail "sent $(result sent), not one chunk"
	no_defects
	stop_cloud
	rm -rf "$work/state"
}

start_one() { # FOLDER SIZE [ARGS...]
	local folder=$1 size=$2
	shift 2
	unset "${!AZURE_@}" # of the one before
	{
		if [ "$place" = local ]; then hub_seed "$work/image"; else public_seed "$work/image"; fi
		storage_seed "$place"
		machine_seed "$place" shop "$size" OFF "$work/d0" "$work/d1" "$work/d2" "$work/d3" "$work/d4"
		echo "[{\"path\": \"~/resourceGroups/replica\", \"body\": {\"location\": \"$place\"}},
			{\"path\": \"~/resourceGroups/replica/providers/Microsoft.Storage/storageAccounts/lab\", \"body\": {\"location\": \"$place\",
			 \"sku\": {\"name\": \"Standard_LRS\"}, \"kind\": \"StorageV2\", \"properties\": {}}}]"
	} | jq -s add >"$folder.json"
	start_cloud "$folder" --seed-file "$folder.json" --public-net 198.51.100.0/24 --scale 0.02 --worker "$BUILD/wherry-worker" "$@"
}

say 'the public cloud: two data disks a worker, or eight'
place=westeurope image=wherry/worker/worker/1.0.0
start_one "$work/public" Standard_D2s_v3
batches Standard_B1s Standard_D4s_v3 'reads disks 0-1 of 5 (a worker takes 2)' '2x Standard_B1s 1,4x Standard_B1s 2' '2x Standard_D4s_v3 5'

say 'a Hub: four data disks a worker, of which one has its bootstrap data'
place=local image=LAB/providers/Microsoft.Compute/images/worker
start_one "$work/hub" Standard_A2 --hub
batches Standard_A2 Standard_DS2_v2 'reads disks 0-2 of 5 (a worker takes 3)' '2x Standard_A2 3,2x Standard_A2 4' '2x Standard_DS2_v2 6'
