// SPDX-License-Identifier: Apache-2.0
#include "provider.h"
#include "provider_azure.h"
#include "provider_blob.h"
#include "provider_openstack.h"
#include "provider_qemu.h"

const struct provider_ops *const provider_table[] = {
	&provider_qemu_ops,
	&provider_openstack_ops,
	&provider_azure_ops,
	&provider_blob_ops,
	NULL,
};
