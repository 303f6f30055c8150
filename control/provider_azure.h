// SPDX-License-Identifier: Apache-2.0
/*
 * Provider "azure": machines and managed disks of one region of Azure, or of an Azure Stack Hub. The rights it needs are in
 * azure-role.json; who one is, azure_credential.h says.
 *
 *   {"provider":"azure", "location":"westeurope", "resource_group":"NAME",
 *    "machine":"NAME of a VM in resource_group, or its id",
 *    "subscription_id":"...",                    default: $AZURE_SUBSCRIPTION_ID, else what `az` has chosen
 *    "cloud":"public",                           or the address of a Hub's (or another cloud's) Resource Manager
 *    "worker_resource_group":"NAME",             where scaffold is made; default: resource_group
 *    "export_worker_size":"Standard_D2s_v5",     of all workers of this end
 *    "export_worker_image":"publisher/offer/sku/version" of a gallery of the subscription, or the id of an image, disk or snapshot;
 *                                                default: what `wherry image upload` put into worker_resource_group last
 *    "subnet_id":"/subscriptions/.../subnets/x", "public_ip":true,   of workers: default: no address but that in the subnet
 *    "allow":["192.0.2.7/32"],                   who may open a connection to a worker; default: all
 *    "auto_shutdown":true,                       workers are shut down after 23 hours, where Azure does that
 *    "storage_account_name":"x",                 on a Hub: where consoles go
 *    "storage_container_name":"x",               not used: replicas in Blob storage are those of provider blob
 *    "zone":"1", "disk_sku":"Premium_LRS",       of new replica disks
 *    "target_size":"...", "target_subnet_id":"...", "os_type":"Linux"}   of a promoted machine; default: the smallest size that is
 *                                                large enough, subnet_id, Linux
 */
#ifndef WHERRY_CONTROL_PROVIDER_AZURE_H
#define WHERRY_CONTROL_PROVIDER_AZURE_H

#include "provider.h"

extern const struct provider_ops provider_azure_ops;

#endif
