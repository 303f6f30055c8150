#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 1200
#
# The test cloud, driven by clients that are not ours: Microsoft's azure-cli with the Hub's profile and Microsoft's Python
# SDK, both Debian's packages. They make disks, snapshots and a machine that boots the worker's image, read a disk by its
# signed URL, and remove everything; what was said is then checked against Microsoft's description of the Hub. The images that
# wherry uploads are there for them, too: on the Hub a snapshot that a disk is made of, in the public cloud a gallery's version.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../../e2e/lib.sh"
# shellcheck source=tests/clouds/azure/cloud.sh
. "$(dirname "$0")/cloud.sh"
requires az jq curl qemu-system-x86_64 qemu-img node
/usr/bin/python3 -c 'import azure.mgmt.compute' 2>/dev/null || { echo "needs Debian's python3-azure"; exit 77; }

azurite "$work/blobs" "${AZURITE_PORT:-10400}"
{
	hub_seed "$BUILD/image/wherry.vhd"
	storage_seed local
} | jq -s add >"$work/seed.json"
start_cloud "$work/hub" --hub --seed-file "$work/seed.json" --page-size 2 --blob "lab=$blob_url,$blob_key"
before=$(ask_cloud inventory)

# The SDKs' own names.
export AZURE_CONFIG_DIR=$work/az REQUESTS_CA_BUNDLE=$SSL_CERT_FILE AZURE_CORE_COLLECT_TELEMETRY=no
az() { command az "$@" --only-show-errors; }

say 'az: a cloud, a login'
az cloud register -n lab --endpoint-resource-manager "$ARM_ENDPOINT" --profile 2020-09-01-hybrid \
	--suffix-storage-endpoint 127.0.0.1 >/dev/null
az cloud set -n lab
az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant adfs >"$work/login"
[ "$(jq -r '.[0].id' "$work/login")" = "$AZURE_SUBSCRIPTION_ID" ] || fail "az sees another subscription: $(cat "$work/login")"

say 'az: disk, incremental snapshot, disk of it'
az group create -n cli -l local >/dev/null
az disk create -g cli -n one --size-gb 1 --sku Standard_LRS --tags a=b >/dev/null
disk=$(az disk show -g cli -n one)
file=$(ask_cloud files | jq -r --arg id "$(jq -r .id <<<"$disk")" '.[$id]')
filled "$file.part" 4 one
dd if="$file.part" of="$file" bs=1M seek=7 conv=notrunc status=none
rm "$file.part"
az snapshot create -g cli -n snap --source one --incremental true >"$work/snap"
[ "$(jq -r .creationData.sourceUniqueId "$work/snap")" = "$(jq -r .uniqueId <<<"$disk")" ] || fail 'the snapshot is of another disk'
az disk create -g cli -n two --source snap >/dev/null
names=$(az disk list -g cli --query '[].name' -o tsv | sort | xargs)
[ "$names" = 'one two' ] || fail "az lists the disks '$names'"

say 'the bytes of the snapshot by its signed URL'
sas=$(az snapshot grant-access -g cli -n snap --duration-in-seconds 600 --query accessSas -o tsv)
curl -sS --fail --cacert "$SSL_CERT_FILE" -r 0-16777215 "$sas" >"$work/got"
cmp "$work/got" <(head -c 16777216 "$file") || fail 'the signed URL gives other bytes than the disk has'
az snapshot revoke-access -g cli -n snap >/dev/null
[ "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$SSL_CERT_FILE" -r 0-511 "$sas")" = 403 ] || fail 'a revoked URL still opens'

say 'az: a VHD uploaded to Azurite, imported as a disk'
account=$(az resource list --resource-type Microsoft.Storage/storageAccounts --query '[0].id' -o tsv)
export AZURE_STORAGE_CONNECTION_STRING="DefaultEndpointsProtocol=http;AccountName=lab;AccountKey=$blob_key;BlobEndpoint=$blob_url;"
az storage container create -n vhds >/dev/null
az storage blob upload --type page -c vhds -n w.vhd -f "$BUILD/image/wherry.vhd" --no-progress >/dev/null
az disk create -g cli -n three --source "$blob_url/vhds/w.vhd" --source-storage-account-id "$account" --os-type Linux >"$work/three"
qemu-img compare -q -f raw -F vpc "$(ask_cloud files | jq -r --arg id "$(jq -r .id "$work/three")" '.[$id]')" \
	"$BUILD/image/wherry.vhd" || fail 'the imported disk is not the VHD'

upload() { # LOCATION GROUP
	jq -n --arg arm "$ARM_ENDPOINT" --arg place "$1" --arg group "$2" \
		'{provider: "azure", cloud: $arm, location: $place, resource_group: $group}' >"$work/block.json"
	wherry image upload --file "$BUILD/image" "$work/block.json"
	image=$(wherry image list --json "$work/block.json" | jq -r .name)
}
say "az: a disk of wherry's image"
upload local cli
[ "$(az snapshot list -g cli --query "[?tags.wherry_image!=null].name" -o tsv)" = "$image" ] || fail 'az does not see the image'
[ "$(az disk list -g cli --query "[?tags.wherry_image!=null]" -o tsv)" = '' ] || fail 'the disk of the upload is left'
az disk create -g cli -n four --source "$image" --os-type Linux >"$work/four"
qemu-img compare -q -f raw -F raw "$(ask_cloud files | jq -r --arg id "$(jq -r .id "$work/four")" '.[$id]')" "$BUILD/image/wherry.raw" ||
	fail 'the disk of the image is not the image'
wherry image remove "$work/block.json" "$image"

say 'az: remove'
az disk delete -g cli -n one --yes
az snapshot delete -g cli -n snap
az group delete -n cli --yes

"$top/tests/clouds/azure/sdk.py" "/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/lab/providers/Microsoft.Compute/images/worker"
[ "$(ask_cloud inventory)" = "$before" ] || fail "the cloud holds other things than before: $(ask_cloud inventory)"
[ "$(ask_cloud running)" = '{}' ] || fail "machines are left: $(ask_cloud running)"
no_defects
conformance "$work/hub" 50
stop_cloud

say "public cloud: wherry's image, read by az"
jq -n '[{path: "~/resourceGroups/images", body: {location: "westeurope"}}]' >"$work/seed.json"
start_cloud "$work/public" --seed-file "$work/seed.json"
export REQUESTS_CA_BUNDLE=$SSL_CERT_FILE
# AD FS, because az looks other authorities up in the internet.
az cloud register -n public --endpoint-resource-manager "$ARM_ENDPOINT" --endpoint-active-directory "$ARM_ENDPOINT/adfs" \
	--endpoint-active-directory-resource-id "$ARM_ENDPOINT" --endpoint-active-directory-graph-resource-id "$ARM_ENDPOINT" \
	--endpoint-gallery "$ARM_ENDPOINT" --profile latest >/dev/null
az cloud set -n public
az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant adfs >"$work/login"
upload westeurope images
wherry image upload --file "$BUILD/image" --region northeurope "$work/block.json"
az sig image-version list -g images -r wherry_images -i worker-bios >"$work/versions"
[ "$(jq -r '.[].tags.wherry_name' "$work/versions")" = "$image" ] || fail "az lists $(cat "$work/versions")"
az sig image-version show -g images -r wherry_images -i worker-bios -e "$(jq -r '.[0].name' "$work/versions")" --expand ReplicationStatus >"$work/version"
[ "$(jq -r '[.replicationStatus.summary[] | .region + " " + .state] | join(", ")' "$work/version")" = \
	'West Europe Completed, North Europe Completed' ] || fail "az shows $(cat "$work/version")"
no_defects
