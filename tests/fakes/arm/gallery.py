# SPDX-License-Identifier: Apache-2.0
"""Images: managed images and the versions of galleries, each with a raw file of its own; replication to regions."""
import os
import uuid

import blobs
import disks
from errors import ArmError, bad
from hooks import Hooks, register, utc


class ImageHooks(Hooks):
    def keep_file(self, cloud, res, source, blob):
        """The data of a disk, a snapshot or a blob, as this image's own."""
        path = os.path.join(cloud.data, res.own["uid"] + ".raw")
        if source:
            disks.copy_sparse(disks.file_of(cloud, cloud.get(source)), path)
        elif blob:
            blobs.copy_blob(cloud, blob, path)

    def erase(self, cloud, res):
        path = os.path.join(cloud.data, res.own.get("uid", "none") + ".raw")
        if os.path.exists(path):
            os.unlink(path)


@register("Microsoft.Compute/images")
class Images(ImageHooks):
    def prepare(self, cloud, rid, body, old):
        disk = body["properties"].get("storageProfile", {}).get("osDisk", {})
        if old is None and sum(k in disk for k in ("managedDisk", "snapshot", "blobUri")) != 1:
            raise bad("osDisk needs one of managedDisk, snapshot and blobUri.", "storageProfile.osDisk")
        body["properties"].setdefault("hyperVGeneration", "V1")

    def stored(self, cloud, res):
        props = res.properties
        res.own.setdefault("uid", str(uuid.uuid4()))
        res.own.update(generation=props["hyperVGeneration"], os_state=props["storageProfile"]["osDisk"]["osState"])

    def work(self, cloud, res, new):
        disk = res.properties["storageProfile"]["osDisk"]
        if new:
            source = disk.get("managedDisk") or disk.get("snapshot") or {}
            self.keep_file(cloud, res, source.get("id"), disk.get("blobUri"))


@register("Microsoft.Compute/galleries")
class Galleries(Hooks):
    def prepare(self, cloud, rid, body, old):
        body.setdefault("properties", {})["identifier"] = {"uniqueName": f"{cloud.options.subscription}-{rid.rsplit('/', 1)[1]}"}

    def deletable(self, cloud, res):
        refuse_children(cloud, res)


@register("Microsoft.Compute/galleries/images")
class GalleryImages(Hooks):
    def prepare(self, cloud, rid, body, old):
        mine = body["properties"]["identifier"]
        body["properties"].setdefault("hyperVGeneration", "V1")
        for other in cloud.of_kind("Microsoft.Compute/galleries/images", rid.rsplit("/", 2)[0]):
            if other.properties["identifier"] == mine and other.id.lower() != rid.lower():
                raise ArmError(409, "Conflict", f"The identifier {mine} is that of {other.id}.")

    def stored(self, cloud, res):
        res.own.update(generation=res.properties["hyperVGeneration"], os_state=res.properties["osState"])

    def deletable(self, cloud, res):
        refuse_children(cloud, res)


def refuse_children(cloud, res):
    if cloud.children(res):
        raise ArmError(409, "CannotDeleteResource", f"Cannot delete resource while nested resources exist: {res.id}. Please "
                       "delete all nested resources before deleting this resource.")


@register("Microsoft.Compute/galleries/images/versions")
class GalleryVersions(ImageHooks):
    def prepare(self, cloud, rid, body, old):
        name = rid.rsplit("/", 1)[1]
        if len(name.split(".")) != 3 or not all(p.isdigit() for p in name.split(".")):
            raise bad("The name of a gallery image version is MAJOR.MINOR.PATCH.", "galleryImageVersionName")
        publishing = body["properties"].setdefault("publishingProfile", {})
        publishing.setdefault("targetRegions", [{"name": body["location"]}])
        regions = [r["name"].replace(" ", "").lower() for r in publishing["targetRegions"]]
        unknown = [r for r in regions if r not in cloud.options.locations]
        if unknown:
            raise bad(f"The target region {unknown[0]} is not known.", "targetRegions")
        if body["location"].lower() not in regions:
            raise bad("The location of the version must be one of its target regions.", "targetRegions")
        for region in publishing["targetRegions"]:
            region.setdefault("regionalReplicaCount", 1)
            region.setdefault("storageAccountType", "Standard_LRS")
        publishing["publishedDate"] = utc()

    def stored(self, cloud, res):
        image = cloud.get(res.id.rsplit("/", 2)[0])
        res.own.setdefault("uid", str(uuid.uuid4()))
        res.own.update(generation=image.own["generation"], os_state=image.own["os_state"])

    def work(self, cloud, res, new):
        if new:
            storage = res.properties["storageProfile"]
            disk = storage.get("osDiskImage", {}).get("source", {})
            self.keep_file(cloud, res, disk.get("id") or storage.get("source", {}).get("id"), disk.get("uri"))
            path = os.path.join(cloud.data, res.own["uid"] + ".raw")
            if os.path.exists(path):
                storage.setdefault("osDiskImage", {})["sizeInGB"] = -(-os.path.getsize(path) // disks.GIB)

    def show(self, cloud, res, body, expand):
        if expand != "replicationstatus":
            return
        done = res.state == "Succeeded"
        regions = res.properties["publishingProfile"]["targetRegions"]
        body["properties"]["replicationStatus"] = {
            "aggregatedState": "Completed" if done else "InProgress",
            "summary": [{"region": r["name"], "state": "Completed" if done else "Replicating", "progress": 100 if done else 50,
                         "details": ""} for r in regions]}
