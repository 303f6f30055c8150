# SPDX-License-Identifier: Apache-2.0
"""Resource groups, storage accounts and what else needs little."""
import time

import hooks
from errors import ArmError
from hooks import Hooks, register, utc
from web import Reply

ORDER = ("virtualmachines", "networkinterfaces", "publicipaddresses", "networksecuritygroups", "virtualnetworks")


@register("Microsoft.Resources/resourceGroups")
class Groups(Hooks):
    def prepare(self, cloud, rid, body, old):
        if old and body["location"].lower() != old.body["location"].lower():
            raise ArmError(409, "InvalidResourceGroupLocation", "The resource group exists in another location.")

    def show(self, cloud, res, body, expand):
        body["type"] = res.kind.type

    def erase(self, cloud, res):
        """Everything in it, machines first."""
        def rank(r):
            return ORDER.index(r.kind.name.lower()) if r.kind.name.lower() in ORDER else len(ORDER)
        for child in sorted(cloud.children(res), key=rank):
            if cloud.find(child.id):
                hooks.of(child.kind).erase(cloud, child)
                with cloud.lock:
                    cloud.resources.pop(child.id.lower(), None)


@register("Microsoft.Storage/storageAccounts")
class StorageAccounts(Hooks):
    def prepare(self, cloud, rid, body, old):
        name = rid.rsplit("/", 1)[1]
        body.setdefault("properties", {}).update(
            creationTime=utc(), primaryLocation=body["location"], statusOfPrimary="available",
            primaryEndpoints={"blob": cloud.options.blobs.get(name, {}).get("url", f"{cloud.options.url}/blob/{name}/")})
        body["sku"]["tier"] = body["sku"]["name"].split("_")[0]


def list_keys(cloud, res, request, rule):
    key = cloud.options.blobs.get(res.name, {}).get("key", "")
    return Reply(200, {"keys": [{"keyName": f"key{n}", "value": key, "permissions": "FULL"} for n in (1, 2)]})


StorageAccounts.actions = {("POST", "listkeys"): list_keys}


@register("Microsoft.DevTestLab/schedules")
class Schedules(Hooks):
    def prepare(self, cloud, rid, body, old):
        props = body["properties"]
        if not rid.rsplit("/", 1)[1].startswith("shutdown-computevm-"):
            raise ArmError(400, "InvalidScheduleId", "The name of an auto-shutdown schedule is shutdown-computevm-<VM>.")
        cloud.get(props.get("targetResourceId", ""))
        props["createdDate"] = utc(old.made if old else time.time())
