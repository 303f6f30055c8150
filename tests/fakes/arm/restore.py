# SPDX-License-Identifier: Apache-2.0
"""Restore points: all disks of a machine at one instant. Each disk's is a snapshot of its own kind below the point."""
import contextlib
import uuid

import disks
import machines
from errors import ArmError, bad, conflict
from hooks import Hooks, register, utc
from table import BY_TYPE

DISK_POINT = "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints"


@register("Microsoft.Compute/restorePointCollections")
class Collections(Hooks):
    def prepare(self, cloud, rid, body, old):
        source = body["properties"].get("source", {}).get("id")
        if not source:
            raise bad("Required parameter 'source.id' is missing (null).", "source.id")
        body["properties"]["source"]["location"] = cloud.get(source).body["location"]
        body["properties"]["restorePointCollectionId"] = old.properties["restorePointCollectionId"] if old else str(uuid.uuid4())

    def show(self, cloud, res, body, expand):
        if "restorepoints" in expand:
            body["properties"]["restorePoints"] = [
                {"id": p.id, "name": p.name, "type": p.kind.type, "properties": p.properties}
                for p in cloud.of_kind("Microsoft.Compute/restorePointCollections/restorePoints", res.id)]

    def deletable(self, cloud, res):
        for child in disk_points(cloud, res):
            disks.DataHooks().deletable(cloud, child)

    def erase(self, cloud, res):
        for child in disk_points(cloud, res):
            disks.DataHooks().erase(cloud, child)


def disk_points(cloud, res):
    return [child for child in cloud.children(res) if child.kind.type == DISK_POINT]


@register("Microsoft.Compute/restorePointCollections/restorePoints")
class Points(Hooks):
    def prepare(self, cloud, rid, body, old):
        if old is not None:
            raise bad("A restore point cannot be changed.")
        vm = self.machine(cloud, rid)
        self.check(cloud, vm)
        body.setdefault("properties", {})["timeCreated"] = utc()
        body["properties"].setdefault("consistencyMode", "CrashConsistent")
        excluded = {d["id"].lower() for d in body["properties"].get("excludeDisks", [])}
        os_disk = vm.properties["storageProfile"]["osDisk"]
        data = vm.properties["storageProfile"].get("dataDisks", [])

        def form(ref):
            point = f"{rid}/diskRestorePoints/{ref['name']}_{uuid.uuid4()}"
            return {**{k: v for k, v in ref.items() if k in ("lun", "name", "caching", "osType", "managedDisk")},
                    **({"diskRestorePoint": {"id": point}} if ref["managedDisk"]["id"].lower() not in excluded else {})}
        body["properties"]["sourceMetadata"] = {
            "hardwareProfile": vm.properties["hardwareProfile"], "vmId": vm.properties["vmId"], "location": vm.body["location"],
            "storageProfile": {"osDisk": form(os_disk), "dataDisks": [form(d) for d in data]}}

    def check(self, cloud, vm):
        """Microsoft, "Support matrix for VM restore points"."""
        for ref in [vm.properties["storageProfile"]["osDisk"], *vm.properties["storageProfile"].get("dataDisks", [])]:
            disk = cloud.get(ref["managedDisk"]["id"])
            if disk.body.get("sku", {}).get("name") in ("UltraSSD_LRS", "PremiumV2_LRS") or ref.get("writeAcceleratorEnabled"):
                raise ArmError(409, "OperationNotAllowed", f"Restore points are not supported for disk {disk.name}.")
        for point in cloud.of_kind("Microsoft.Compute/restorePointCollections/restorePoints"):
            if point.state == "Creating" and self.machine(cloud, point.id) is vm:
                raise conflict("Another restore point of this VM is being created.", "Conflict")

    def machine(self, cloud, rid):
        return cloud.get(cloud.get(rid.rsplit("/", 2)[0]).properties["source"]["id"])

    def work(self, cloud, res, new):
        storage = res.properties["sourceMetadata"]["storageProfile"]
        refs = [r for r in [storage["osDisk"], *storage["dataDisks"]] if "diskRestorePoint" in r]
        sources = [cloud.get(r["managedDisk"]["id"]) for r in refs]
        with contextlib.ExitStack() as stack:
            vm = self.machine(cloud, res.id)
            if machines.is_running(cloud, vm):
                stack.enter_context(machines.guest_of(vm).frozen())
            for ref, source in zip(refs, sources):
                self.take(cloud, ref["diskRestorePoint"]["id"], source)
        cloud.counts[f"restore points of {len(refs)} disks at one instant"] += 1

    def take(self, cloud, rid, source):
        props = source.properties
        with cloud.lock:
            point = cloud.make(rid, BY_TYPE[DISK_POINT.lower()], {"properties": {
                "timeCreated": utc(), "sourceResourceId": source.id, "sourceUniqueId": props["uniqueId"],
                "osType": props.get("osType"), "hyperVGeneration": props.get("hyperVGeneration"), "completionPercent": 100,
                "familyId": props["uniqueId"], "sourceResourceLocation": source.body["location"], "uniqueId": str(uuid.uuid4()),
                "diskSizeBytes": props["diskSizeBytes"], "incremental": True, "creationData": {"createOption": "Copy"},
                "incrementalSnapshotFamilyId": props["uniqueId"], "provisioningState": "Succeeded"}})
            point.body = {"properties": {k: v for k, v in point.properties.items() if v is not None}}
        disks.copy_sparse(disks.file_of(cloud, source), disks.file_of(cloud, point))

    def erase(self, cloud, res):
        for child in cloud.children(res):
            disks.DataHooks().erase(cloud, child)

    def deletable(self, cloud, res):
        for child in cloud.children(res):
            disks.DataHooks().deletable(cloud, child)
