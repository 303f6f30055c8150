// SPDX-License-Identifier: Apache-2.0
/*
 * Azure Blob Storage as a place for replicas: each disk is a page blob that holds a fixed VHD, a kept generation a snapshot
 * of it, its description a JSON blob beside it. There are no machines: the source's worker writes the blobs.
 *
 *   {"provider": "blob", "storage_account_name": "acct", "storage_container_name": "disks",
 *    "endpoint": "https://127.0.0.1:10000/devstoreaccount1", "ca_file": "ca.pem", "token_seconds": 3600,
 *    "lease_seconds": 60}
 *
 * endpoint: of the account's Blob service; if left out, https://ACCOUNT.blob.core.windows.net, or what the connection
 * string says. The container is made when it is not there. token_seconds: how long the tokens hold that the worker gets, one
 * for each disk; they are renewed after half of it. lease_seconds: how long a blob stays held after
 * this process has died. Who one is comes from the environment, under the names that
 * Azure's own clients use: AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN (and
 * AZURE_STORAGE_ACCOUNT where the job names none). Without any of them, "resource_group" (and "cloud", "subscription_id", as in
 * provider_azure.h) says where the account is managed: its key and endpoint are asked for there, as whom the environment says
 * one is to Azure.
 */
#ifndef WHERRY_CONTROL_PROVIDER_BLOB_H
#define WHERRY_CONTROL_PROVIDER_BLOB_H

#include "provider.h"

extern const struct provider_ops provider_blob_ops;

#endif
