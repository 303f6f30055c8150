# SPDX-License-Identifier: Apache-2.0
"""Managed disks, snapshots and disk restore points: sparse raw files below data/, named by the unique id."""
import os
import subprocess
import time
import uuid

import access
import blobs
import machines
from errors import ArmError, bad, conflict
from hooks import Hooks, register, utc

GIB = 1 << 30
FOOTER = 512
UPLOAD_LEAST = 20 << 20
HUB_MAX_GIB = 1023
SOURCE_WANTED = ("Copy", "Restore", "CopyStart")


def file_of(cloud, res):
    return os.path.join(cloud.data, res.properties["uniqueId"] + ".raw")


def copy_sparse(source, target):
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, target], check=True)


def set_size(path, size):
    with open(path, "ab") as disk:
        disk.truncate(size)


def swap(cloud, res):
    """As if it had been deleted and made again under the same name: another unique id, the same source."""
    was = file_of(cloud, res)
    res.properties["uniqueId"] = str(uuid.uuid4())
    copy_sparse(was, file_of(cloud, res))
    os.unlink(was)


class DataHooks(Hooks):
    """What disks and snapshots share: where their bytes come from."""

    def prepare(self, cloud, rid, body, old):
        props = body["properties"]
        if old is None:
            check_region(cloud, props["creationData"], body["location"])
            size = self.source_size(cloud, props)
            props.update(uniqueId=str(uuid.uuid4()), timeCreated=utc(), diskSizeBytes=size, diskSizeGB=-(-size // GIB))
        else:
            for name in ("diskSizeGB", "osType", "hyperVGeneration"):
                if name in old.properties:
                    props.setdefault(name, old.properties[name])
            if props["diskSizeGB"] != old.properties["diskSizeGB"]:
                self.check_resize(cloud, old, props)
        body.setdefault("sku", {"name": "Standard_LRS"})
        body["sku"]["tier"] = body["sku"]["name"].split("_")[0]
        props.setdefault("encryption", {"type": "EncryptionAtRestWithPlatformKey"})
        props.setdefault("networkAccessPolicy", "AllowAll")
        props.setdefault("publicNetworkAccess", "Enabled")

    def stored(self, cloud, res):
        res.own.setdefault("upload", res.properties["creationData"]["createOption"] == "Upload")

    def source_size(self, cloud, props):
        """Bytes of the new disk; checks that the ways to make it were named as they must be."""
        data = props["creationData"]
        option, asked = data["createOption"], props.get("diskSizeGB")
        if option in SOURCE_WANTED:
            size = self.from_resource(cloud, data, props)
        elif option == "Empty":
            if not asked:
                raise bad("Required parameter 'disk.diskSizeGB' is missing (null).", "disk.diskSizeGB")
            size = asked * GIB
        elif option == "Upload":
            size = data.get("uploadSizeBytes", 0) - FOOTER
            if size < UPLOAD_LEAST and not cloud.planting or size <= 0 or size % (1 << 20):
                raise bad("uploadSizeBytes must be the size of a fixed VHD: whole MiB, 20 at least, and its footer of 512 bytes.",
                          "disk.creationData.uploadSizeBytes")
        elif option == "Import":
            size = blobs.vhd_size(cloud, data)
        elif option == "FromImage":
            image = (data.get("galleryImageReference") or data.get("imageReference") or {}).get("id")
            if image is None:
                raise bad("Required parameter 'disk.creationData.imageReference' is missing (null).")
            size = os.path.getsize(image_file(cloud, cloud.get(image)))
        else:
            raise bad(f"The createOption '{option}' cannot be asked for.", "disk.creationData.createOption")
        if asked and asked * GIB < size:
            raise bad(f"The specified disk size {asked} GiB is smaller than the source's {size} bytes.", "disk.diskSizeGB")
        size = max(size, asked * GIB) if asked else size
        if cloud.hub and size > HUB_MAX_GIB * GIB:
            raise bad(f"Disks hold at most {HUB_MAX_GIB} GiB.", "disk.diskSizeGB")
        return size

    def from_resource(self, cloud, data, props):
        if not data.get("sourceResourceId"):
            raise bad("Required parameter 'disk.creationData.sourceResourceId' is missing (null).",
                      "disk.creationData.sourceResourceId")
        source = cloud.get(data["sourceResourceId"])
        if (data["createOption"] == "Restore") != ("diskRestorePoints" in source.kind.type):
            raise bad(f"The createOption '{data['createOption']}' does not fit {source.id}.", "disk.creationData.createOption")
        if source.state == "Creating" or "uniqueId" not in source.properties:
            raise conflict(f"Resource {source.id} is not ready to be copied.")
        check_copyable(cloud, source)
        if completion(cloud, source) < 100:
            raise conflict(f"The data of {source.id} is still copied in the background: wait for its completionPercent.")
        data["sourceUniqueId"] = source.properties["uniqueId"]
        for name in ("osType", "hyperVGeneration"):
            if name in source.properties:
                props.setdefault(name, source.properties[name])
        return source.properties["diskSizeBytes"]

    def check_resize(self, cloud, old, props):
        if props["diskSizeGB"] * GIB < old.properties["diskSizeBytes"]:
            raise bad("Decreasing disk size is not supported.", "disk.diskSizeGB", "ResizeDiskError")
        if any(machines.is_running(cloud, vm) for vm in cloud.users(old.id)):
            raise conflict(f"Cannot resize disk {old.name} while it is attached to a running VM.")
        props["diskSizeBytes"] = props["diskSizeGB"] * GIB

    def work(self, cloud, res, new):
        path, props = file_of(cloud, res), res.properties
        if new:
            self.fill(cloud, res, path)
        set_size(path, props["diskSizeBytes"])

    def fill(self, cloud, res, path):
        data = res.properties["creationData"]
        option = data["createOption"]
        if option in SOURCE_WANTED:
            source = cloud.get(data["sourceResourceId"])
            if source.properties["uniqueId"] != data["sourceUniqueId"]:
                raise conflict(f"The source {source.id} is another one now.")
            with machines.frozen(cloud, source):
                copy_sparse(file_of(cloud, source), path)
            cloud.counts[f"{res.kind.name} by {option}"] += 1
        elif option == "Import":
            blobs.import_vhd(cloud, data, path)
        elif option == "FromImage":
            image = (data.get("galleryImageReference") or data["imageReference"])["id"]
            copy_sparse(image_file(cloud, cloud.get(image)), path)

    def deletable(self, cloud, res):
        if access.live(cloud, res):
            raise conflict(f"There is an active shared access signature outstanding for disk {res.name}. Call EndGetAccess "
                           "before deleting the disk.")

    def erase(self, cloud, res):
        if os.path.exists(file_of(cloud, res)):
            os.unlink(file_of(cloud, res))

    actions = {("POST", "begingetaccess"): access.begin, ("POST", "endgetaccess"): access.end}


def check_copyable(cloud, source):
    if source.own.get("upload"):
        raise conflict(f"{source.id} waits for an upload or is in the middle of one: its access must be ended before it is used.")


def check_region(cloud, data, location):
    """A version of a gallery is there only where it was replicated to."""
    res = cloud.find((data.get("galleryImageReference") or {}).get("id", ""))
    if res and "done" in res.own and location.replace(" ", "").lower() not in res.own["done"]:
        raise ArmError(404, "GalleryImageNotFound", f"The gallery image {res.id} is not available in {location} region. Please contact "
                       "image owner to replicate to this region, or change your requested region.")


def completion(cloud, res):
    return min(100, int(100 * (time.time() - res.made) / max(cloud.seconds(10), 0.001))) if res.own.get("slow") else 100


@register("Microsoft.Compute/disks")
class Disks(DataHooks):
    def show(self, cloud, res, body, expand):
        users, live = cloud.users(res.id), access.live(cloud, res)
        if users:                # the real one returns the group in capitals here: ids are to be compared without case
            body["managedBy"] = users[0].id.replace(f"/{users[0].group}/", f"/{users[0].group.upper()}/")
        body["properties"]["diskState"] = disk_state(cloud, res, users, live)


def disk_state(cloud, res, users, live):
    if res.own.get("upload"):
        return "ActiveUpload" if live else "ReadyToUpload"
    if live:
        return "ActiveSAS"
    if users:
        return "Attached" if machines.is_allocated(cloud, users[0]) else "Reserved"
    return "Unattached"


@register("Microsoft.Compute/snapshots")
class Snapshots(DataHooks):
    def prepare(self, cloud, rid, body, old):
        super().prepare(cloud, rid, body, old)
        props = body["properties"]
        if old is None:
            self.check_rate(cloud, props)
            source = cloud.find(props["creationData"].get("sourceResourceId", ""))
            props["incremental"] = props.get("incremental", False)
            props["incrementalSnapshotFamilyId"] = source.properties["uniqueId"] if source else props["uniqueId"]

    def stored(self, cloud, res):
        """Of these kinds of disks the data comes after the snapshot."""
        source = cloud.find(res.properties["creationData"].get("sourceResourceId", ""))
        if source and source.body.get("sku", {}).get("name") in ("UltraSSD_LRS", "PremiumV2_LRS"):
            res.own["slow"] = True

    def check_rate(self, cloud, props):
        """At most 7 incremental snapshots of a disk in 5 minutes (scaled)."""
        if not props.get("incremental"):
            return
        since, of = time.time() - cloud.seconds(300), props["creationData"].get("sourceUniqueId")
        recent = [s for s in cloud.of_kind("Microsoft.Compute/snapshots") if s.made > since and
                  s.properties.get("incremental") and s.properties["creationData"].get("sourceUniqueId") == of]
        if len(recent) >= 7:
            raise ArmError(409, "OperationNotAllowed", "At most 7 incremental snapshots of a disk can be taken in 5 "
                           "minutes.")

    def show(self, cloud, res, body, expand):
        body["properties"]["diskState"] = "ActiveSAS" if access.live(cloud, res) else "Unattached"
        body["properties"]["completionPercent"] = completion(cloud, res)


@register("Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints")
class DiskRestorePoints(DataHooks):
    pass


def image_file(cloud, image):
    """The raw file of a gallery version, of an image definition's newest version, or of a managed image."""
    if image.kind.name == "images" and len(image.kind.type.split("/")) == 3:
        versions = [v for v in cloud.children(image) if v.state == "Succeeded"]
        if not versions:
            raise ArmError(404, "ImageNotFound", f"The image {image.id} has no version that is ready.")
        image = max(versions, key=lambda v: [int(n) for n in v.name.split(".")])
    path = os.path.join(cloud.data, image.own.get("uid", "none") + ".raw")
    if not os.path.exists(path):
        raise ArmError(409, "ImageNotReady", f"The image {image.id} has no data yet.")
    return path
