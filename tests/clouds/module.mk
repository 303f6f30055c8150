# SPDX-License-Identifier: Apache-2.0
# Tests against clouds that are not ours, each in a lab of its own.

packages-openstack: packages ## install what the OpenStack lab needs (.mk/packages-openstack.list)
	$(Q).mk/packages.sh .mk/packages-openstack.list

e2e-openstack: all packages-openstack $(BUILD)/image/wherry.raw ## replicate and promote a server of a whole OpenStack, run here (root)
	$(Q)$(TEST_ENV) TEST_TIMEOUT=3600 tests/run.sh tests/clouds/openstack/e2e.sh

packages-blob: packages ## install the client that reads blobs back (.mk/packages-blob.list)
	$(Q).mk/packages.sh .mk/packages-blob.list

e2e-blob: all packages-blob $(BUILD)/image/wherry.raw $(E2E_NEEDS) ## replicate into blob storage, here Azurite, and read it back with az
	$(Q)$(TEST_ENV) NEED_AZ=1 tests/run.sh $(wildcard tests/e2e/test-blob-*.sh)

.PHONY: packages-openstack e2e-openstack packages-blob e2e-blob
