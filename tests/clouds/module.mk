# SPDX-License-Identifier: Apache-2.0
# Tests against clouds that are not ours, each in a lab of its own.

packages-openstack: packages ## install what the OpenStack lab needs (.mk/packages-openstack.list)
	$(Q).mk/packages.sh .mk/packages-openstack.list

OPENSTACK_NEEDS := all packages-openstack $(BUILD)/qemu-cloud $(BUILD)/image/manifest.json

packages-blob: packages ## install the client that reads blobs back (.mk/packages-blob.list)
	$(Q).mk/packages.sh .mk/packages-blob.list

e2e-blob: all packages-blob $(BUILD)/image/wherry.raw $(E2E_NEEDS) ## replicate into blob storage, here Azurite, and read it back with az
	$(Q)$(TEST_ENV) NEED_AZ=1 tests/run.sh tests/e2e/test-blob-faults.sh $(wildcard tests/clouds/blob/*.sh)

e2e-openstack: $(OPENSTACK_NEEDS) ## replicate and promote a server of a whole OpenStack, run here (root, 10 minutes)
	$(Q)$(TEST_ENV) tests/run.sh tests/clouds/openstack/e2e.sh

fault-openstack: $(OPENSTACK_NEEDS) ## let services of that OpenStack stand still in the middle of a sync (root, two hours)
	$(Q)$(TEST_ENV) tests/run.sh tests/clouds/openstack/stuck.sh

kill-openstack: $(OPENSTACK_NEEDS) ## kill wherry after each call that changes that OpenStack; POINTS=5 PARTS=first (root, hours)
	$(Q)$(TEST_ENV) tests/run.sh tests/clouds/openstack/kill.sh

.PHONY: packages-openstack e2e-openstack fault-openstack kill-openstack packages-blob e2e-blob

# npm's part: oav checks recorded calls against Microsoft's OpenAPI documents, Azurite is Microsoft's Blob emulator.
AZURE_NPM := oav@4.0.3 azurite@3.37.0
packages-azure: packages $(BUILD)/npm/.installed ## install the foreign clients of the Azure tests, by apt (.mk/packages-azure.list) and npm
	$(Q).mk/packages.sh .mk/packages-azure.list

$(BUILD)/npm/.installed: tests/clouds/module.mk
	$(Q)command -v npm >/dev/null || { echo 'npm is missing: install nodejs with its npm' >&2; exit 1; }
	$(call say,NPM,$(AZURE_NPM))
	$(Q)mkdir -p $(@D) && npm install --prefix $(@D) --no-fund --no-audit --loglevel=error $(AZURE_NPM) >$(@D)/log 2>&1 || \
		{ tail -n 20 $(@D)/log >&2; exit 1; }
	$(Q)touch $@

e2e-azure-cli: all packages-azure $(BUILD)/image/manifest.json ## drive the Azure test cloud by azure-cli and Microsoft's SDK
	$(Q)$(TEST_ENV) NEED_OAV=$(CI) tests/run.sh tests/clouds/azure/clients.sh

.PHONY: packages-azure e2e-azure-cli

demo-azure: all $(BUILD)/image/manifest.json ## replicate and promote a machine of a test cloud that speaks Azure's language, and show it
	$(Q)BUILD=$(CURDIR)/$(BUILD) NEED_OAV=$(CI) tests/clouds/azure/demo.sh

demo-azure-hub: all $(BUILD)/image/manifest.json ## the same with an Azure Stack Hub
	$(Q)BUILD=$(CURDIR)/$(BUILD) NEED_OAV=$(CI) tests/clouds/azure/demo.sh hub

.PHONY: demo-azure demo-azure-hub
