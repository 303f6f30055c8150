#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 300
#
# A machine of the Azure test cloud to a storage account that is managed there (Azurite): its key and address are asked of
# Resource Manager, the worker gets nothing but tokens, and managed disks that are imported from the blobs hold the source's
# bytes. Who may not ask for the key is told which right is missing. The worker is a process of this host; BOOT=1 boots it from
# the image instead.
# shellcheck source=tests/e2e/azurite.sh
source "$(dirname "$0")/../../e2e/azurite.sh"
requires python3 ip
if [ -z "${IN_NAMESPACE:-}" ]; then
	unshare --user --map-root-user --net true 2>/dev/null || { echo 'needs user and network namespaces'; exit 77; }
	install_azurite
	IN_NAMESPACE=1 unshare --user --map-root-user --net "$0"
	exit
fi
# shellcheck source=tests/clouds/azure/cloud.sh
source "$top/tests/clouds/azure/cloud.sh"
ip link set lo up
ip route add local 198.51.100.0/24 dev lo
ip route add local 10.20.0.0/16 dev lo

store_host=198.51.100.200 # not this host's loopback, or no worker could reach it
start_store
watch_argv
unset AZURE_STORAGE_KEY
filled "$work/d0" 9 zero
filled "$work/d1" 2 one
image=$work/image worker=(--worker "$BUILD/wherry-worker")
truncate -s 1M "$image"
[ -z "${BOOT:-}" ] || image=$BUILD/image/wherry.vhd worker=()
{
	public_seed "$image"
	machine_seed westeurope shop Standard_D2s_v3 OFF "$work/d0" "$work/d1"
	storage_seed westeurope
} | jq -s --arg account "$account" 'add | map(.path |= sub("storageAccounts/lab"; "storageAccounts/" + $account))' >"$work/seed.json"

open_cloud() { # NAME [ARGS...]
	start_cloud "$work/$1" --seed-file "$work/seed.json" --public-net 198.51.100.0/25 --scale 0.02 \
		"${worker[@]}" --blob "$account=$endpoint,$account_key" "${@:2}"
	cat "$work/ca.pem" "$SSL_CERT_FILE" >"$work/$1.pem"
	export SSL_CERT_FILE=$work/$1.pem
	rg=/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/lab
	job=$work/job.json
	jq -n --arg arm "$ARM_ENDPOINT" --arg rg "$rg" --arg account "$account" '{job: "t",
		source: {provider: "azure", cloud: $arm, location: "westeurope", resource_group: "lab", machine: "shop",
			export_worker_size: "Standard_D2s_v3", export_worker_image: "wherry/worker/worker/1.0.0",
			subnet_id: "\($rg)/providers/Microsoft.Network/virtualNetworks/net/subnets/a"},
		target: {provider: "blob", cloud: $arm, resource_group: "lab", storage_account_name: $account,
			storage_container_name: "disks"},
		options: {chunk_size: "64K"}}' >"$job"
}
disk_file() { ask_cloud files | jq -r --arg tail "/disks/$1" 'to_entries[] | select(.key | endswith($tail)) | .value'; }
rest() { # METHOD PATH [BODY], as a client that is not ours
	curl -sS --fail-with-body --cacert "$SSL_CERT_FILE" -X "$1" -H @"$work/bearer" -H 'Content-Type: application/json' \
		${3:+--data "$3"} "$ARM_ENDPOINT$2?api-version=2024-03-02"
}
import() { # NAME BLOB: a managed disk of that name from the blob
	local tries
	curl -sS --fail --cacert "$SSL_CERT_FILE" --data @- "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" <<-EOF |
		grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET&scope=$ARM_ENDPOINT/.default
	EOF
		jq -r '"Authorization: Bearer " + .access_token' >"$work/bearer"
	rest PUT "$rg/providers/Microsoft.Compute/disks/$1" "$(jq -n --arg uri "$endpoint/disks/$2" --arg rg "$rg" --arg account "$account" '
		{location: "westeurope", properties: {creationData: {createOption: "Import", sourceUri: $uri,
			storageAccountId: "\($rg)/providers/Microsoft.Storage/storageAccounts/\($account)"}}}')" >"$work/put"
	for ((tries = 0; tries < 100; tries++)); do
		[ "$(rest GET "$rg/providers/Microsoft.Compute/disks/$1" | jq -r .properties.provisioningState)" != Succeeded ] || return 0
		sleep 0.2
	done
	fail "the managed disk $1 is not made: $(cat "$work/put")"
}

say 'who may not ask for the key is told so'
open_cloud denied --denied Microsoft.Storage/storageAccounts/listKeys/action
expect 6 'Microsoft.Storage/storageAccounts/listKeys/action.*azure-blob-role.json' wherry validate "$job"
stop_cloud

say 'full and incremental, with a key that nobody has told us'
open_cloud cloud
wherry validate "$job" --verbose >"$work/validate" 2>&1
sync_job "$job"
poke "$(disk_file shop-0)" 1048576 changed
sync_job "$job"
[ "$(result sent)" = 65536 ] || fail "sent $(result sent), not a chunk"
say 'managed disks imported from the blobs'
for i in 0 1; do
	import "imported-$i" "wherry-t-disk$i.vhd"
	cmp "$(disk_file "shop-$i")" "$(disk_file "imported-$i")" || fail "the imported disk $i differs"
done
! cmp -s "$work/d0" "$(disk_file imported-0)" || fail 'that was not the second generation'

say 'no machine is left, and no secret anywhere'
[ "$(ask_cloud running | jq -c .)" = '{"deallocated":1}' ] || fail "machines are left: $(ask_cloud running)"
no_defects
wherry cleanup --discard "$job" --verbose >"$work/discard" 2>&1
[ -z "$(listed)" ] || fail "left behind: $(listed)"
! grep -rlaF "$AZURE_CLIENT_SECRET" "$work"/{state,events,talk,validate,discard} || fail "the client's secret was written down"
# What the cloud keeps of its machines, consoles and bootstrap data among it; what it was told itself is in its records.
mapfile -t kept < <(find "$work/cloud" -type f ! -path '*/records/*')
no_secrets "$work"/{state,events,talk,validate,discard} "${kept[@]}"
