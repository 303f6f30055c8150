#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sdk.py IMAGE-ID: Microsoft's Python SDK (Debian's python3-azure) drives the test cloud whose `env` is in the environment:
a machine with two data disks, its snapshots, a disk of a snapshot, its bytes by a signed URL, and all of it removed.
It knows nothing of this project; what it refuses to understand is a defect of the test cloud."""
import json
import os
import ssl
import sys
import time
import urllib.parse
import urllib.request

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.resource import ResourceManagementClient

VERSIONS = {"vm": "2020-06-01", "disk": "2019-07-01", "network": "2018-11-01", "group": "2018-05-01"}
LOCATION, SIZE = "local", "Standard_A2"
ENDPOINT, SUBSCRIPTION, GROUP = os.environ["ARM_ENDPOINT"], os.environ["AZURE_SUBSCRIPTION_ID"], "sdk"
TLS = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
MIB = 1 << 20


class Secret:
    """Client credentials at AD FS."""

    def get_token(self, *scopes, **_):
        form = {"grant_type": "client_credentials", "client_id": os.environ["AZURE_CLIENT_ID"],
                "client_secret": os.environ["AZURE_CLIENT_SECRET"], "resource": ENDPOINT + "/management"}
        url, data = f"{ENDPOINT}/adfs/oauth2/token", urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(url, data=data, context=TLS, timeout=30) as reply:
            token = json.load(reply)
        return AccessToken(token["access_token"], int(time.time()) + token["expires_in"])


def client(kind, version):
    return kind(Secret(), SUBSCRIPTION, base_url=ENDPOINT, api_version=version, credential_scopes=[ENDPOINT + "/.default"],
                polling_interval=1)


def say(text):
    print(f"== sdk: {text}", flush=True)


def check(condition, text):
    if not condition:
        sys.exit(f"FAIL: {text}")


class Walk:
    def __init__(self, image):
        self.image = image
        self.compute = client(ComputeManagementClient, VERSIONS["vm"])
        self.disks = client(ComputeManagementClient, VERSIONS["disk"])
        self.groups = client(ResourceManagementClient, VERSIONS["group"])

    def network_id(self, name):
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/{name}"

    def put_network(self, name, properties, **more):
        """By the generic client: Debian's package of the network client is without its older versions."""
        made = self.groups.resources.begin_create_or_update_by_id(
            self.network_id(name), VERSIONS["network"], {"location": LOCATION, "properties": properties, **more}).result()
        check(made.properties["provisioningState"] == "Succeeded", f"{name} is {made.properties['provisioningState']}")
        return made

    def make_network(self):
        self.put_network("virtualNetworks/net", {"addressSpace": {"addressPrefixes": ["10.40.0.0/16"]},
                                                 "subnets": [{"name": "a", "properties": {"addressPrefix": "10.40.1.0/24"}}]})
        rule = {"protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 100, "sourceAddressPrefix": "*",
                "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "4433"}
        group = self.put_network("networkSecurityGroups/nsg", {"securityRules": [{"name": "worker", "properties": rule}]})
        check(group.properties["securityRules"][0]["id"], "a security rule has no id")
        address = self.put_network("publicIPAddresses/ip", {"publicIPAllocationMethod": "Static"})
        check(address.properties["ipAddress"], "the public address has no address")
        return self.put_network("networkInterfaces/nic", {
            "networkSecurityGroup": {"id": group.id}, "ipConfigurations": [{"name": "ip", "properties": {
                "subnet": {"id": self.network_id("virtualNetworks/net/subnets/a")}, "publicIPAddress": {"id": address.id}}}]})

    def drop_network(self, name):
        self.groups.resources.begin_delete_by_id(self.network_id(name), VERSIONS["network"]).result()

    def make_disks(self):
        made = [self.disks.disks.begin_create_or_update(GROUP, f"data{n}", {
            "location": LOCATION, "disk_size_gb": n + 1, "tags": {"walk": "sdk"},
            "creation_data": {"create_option": "Empty"}}).result() for n in range(2)]
        check([d.disk_state for d in made] == ["Unattached"] * 2, "new disks are not unattached")
        return made

    def make_machine(self, nic, disks):
        vm = self.compute.virtual_machines.begin_create_or_update(GROUP, "vm", {
            "location": LOCATION, "hardware_profile": {"vm_size": SIZE},
            "storage_profile": {"image_reference": {"id": self.image}, "os_disk": {"create_option": "FromImage", "os_type": "Linux"},
                                "data_disks": [{"lun": n, "create_option": "Attach", "managed_disk": {"id": d.id}}
                                               for n, d in enumerate(disks)]},
            "network_profile": {"network_interfaces": [{"id": nic.id}]},
            "diagnostics_profile": {"boot_diagnostics": {"enabled": True}}}).result()
        check(vm.provisioning_state == "Succeeded", "the machine was not made")
        view = self.compute.virtual_machines.instance_view(GROUP, "vm")
        check("PowerState/running" in [s.code for s in view.statuses], "the machine does not run")
        shown = self.compute.virtual_machines.get(GROUP, "vm", expand="instanceView")
        check(shown.instance_view is not None, "no instance view in the machine")
        check(self.disks.disks.get(GROUP, "data0").managed_by.lower() == vm.id.lower(), "the disk is not attached")
        return vm

    def refusals(self):
        for what, call in (("a disk in use", lambda: self.disks.disks.begin_delete(GROUP, "data0").result()),
                           ("an interface in use", lambda: self.drop_network("networkInterfaces/nic"))):
            try:
                call()
            except HttpResponseError as refusal:
                check(refusal.error and refusal.error.code, f"{what}: the refusal has no code: {refusal}")
                continue
            sys.exit(f"FAIL: {what} was deleted")
        try:
            self.disks.disks.get(GROUP, "absent")
        except ResourceNotFoundError:
            return
        sys.exit("FAIL: what is absent was found")

    def console(self):
        data = self.compute.virtual_machines.retrieve_boot_diagnostics_data(GROUP, "vm")
        for _ in range(120):
            with urllib.request.urlopen(data.serial_console_log_blob_uri, context=TLS, timeout=30) as reply:
                text = reply.read().decode(errors="replace")
            if "wherry-init" in text:
                return
            time.sleep(0.5)
        sys.exit(f"FAIL: the image's console says: {text[-400:]}")

    def copy_out(self):
        """Snapshot, disk of the snapshot, bytes by SAS."""
        source = self.disks.disks.get(GROUP, "data0")
        snapshot = self.disks.snapshots.begin_create_or_update(GROUP, "snap", {
            "location": LOCATION, "incremental": True,
            "creation_data": {"create_option": "Copy", "source_resource_id": source.id}}).result()
        check(snapshot.creation_data.source_unique_id == source.unique_id, "the snapshot is not of that disk")
        copy = self.disks.disks.begin_create_or_update(GROUP, "copy", {
            "location": LOCATION, "creation_data": {"create_option": "Copy", "source_resource_id": snapshot.id}}).result()
        check(copy.disk_size_gb == source.disk_size_gb, "the copy has another size")
        sas = self.disks.snapshots.begin_grant_access(GROUP, "snap", {"access": "Read", "duration_in_seconds": 300}).result()
        request = urllib.request.Request(sas.access_sas, headers={"x-ms-range": f"bytes={MIB}-{2 * MIB - 1}"})
        with urllib.request.urlopen(request, context=TLS, timeout=30) as reply:
            check(reply.read() == bytes(MIB), "a new disk is not empty")
        self.disks.snapshots.begin_revoke_access(GROUP, "snap").result()

    def lists(self):
        sizes = [s.name for s in self.compute.virtual_machine_sizes.list(LOCATION)]
        check(SIZE in sizes, "the size is not offered")
        check(list(self.compute.usage.list(LOCATION)), "no usages")
        check(len([d for d in self.disks.disks.list_by_resource_group(GROUP)]) >= 3, "disks are missing in the list")
        tagged = list(self.groups.resources.list(filter="tagName eq 'walk' and tagValue eq 'sdk'"))
        check(sorted(r.name for r in tagged) == ["data0", "data1"], "the tags do not find the disks")

    def remove(self):
        self.compute.virtual_machines.begin_deallocate(GROUP, "vm").result()
        self.compute.virtual_machines.begin_start(GROUP, "vm").result()
        self.compute.virtual_machines.begin_power_off(GROUP, "vm").result()
        os_disk = self.compute.virtual_machines.get(GROUP, "vm").storage_profile.os_disk.managed_disk.id.rsplit("/", 1)[1]
        self.compute.virtual_machines.begin_delete(GROUP, "vm").result()
        for name in ("networkInterfaces/nic", "publicIPAddresses/ip", "networkSecurityGroups/nsg", "virtualNetworks/net"):
            self.drop_network(name)
        for name in ("data0", "data1", "copy", os_disk):
            self.disks.disks.begin_delete(GROUP, name).result()
        self.disks.snapshots.begin_delete(GROUP, "snap").result()
        self.groups.resource_groups.begin_delete(GROUP).result()


def main():
    walk = Walk(sys.argv[1])
    walk.groups.resource_groups.create_or_update(GROUP, {"location": LOCATION})
    say("network, address, interface, disks")
    nic, disks = walk.make_network(), walk.make_disks()
    say("a machine with two data disks")
    walk.make_machine(nic, disks)
    walk.refusals()
    walk.console()
    say("snapshot, disk of it, bytes by a signed URL")
    walk.copy_out()
    walk.lists()
    say("remove")
    walk.remove()


main()
