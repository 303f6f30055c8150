# SPDX-License-Identifier: Apache-2.0
"""Images: managed images and the versions of galleries, each with a raw file of its own; replication to regions."""
import os
import re
import uuid

import blobs
import disks
from errors import ArmError, bad, conflict
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


def plain(region):
    """The name of a region as an id has it: answers show "West Europe"."""
    return region.replace(" ", "").lower()


def shown(region):
    return re.sub(r"^(west|north|east|south)(.)", lambda m: f"{m[1]} {m[2]}", plain(region)).title()


@register("Microsoft.Compute/galleries/images/versions")
class GalleryVersions(ImageHooks):
    """own["done"]: the regions that have the data."""

    def prepare(self, cloud, rid, body, old):
        name = rid.rsplit("/", 1)[1]
        if len(name.split(".")) != 3 or not all(p.isdigit() and int(p) < 1 << 31 for p in name.split(".")):
            raise bad("The name of a gallery image version is MAJOR.MINOR.PATCH, of 32-bit integers.", "galleryImageVersionName")
        if old and old.state in ("Creating", "Updating"):
            raise conflict(f"{rid} is still {old.state.lower()}.", "Conflict")
        publishing = body["properties"].setdefault("publishingProfile", {})
        regions = publishing.setdefault("targetRegions", [{"name": body["location"]}])
        self.check_regions(cloud, body["location"], [plain(r["name"]) for r in regions])
        if old is None:
            self.check_source(cloud, body)
        for region in regions:
            region["name"] = shown(region["name"])
            region.setdefault("regionalReplicaCount", 1)
            region.setdefault("storageAccountType", "Standard_LRS")
        publishing["publishedDate"] = utc()

    def check_regions(self, cloud, home, regions):
        unknown = [r for r in regions if r not in cloud.options.locations]
        if unknown:
            raise bad(f"The target region {unknown[0]} is not known.", "targetRegions")
        if len(set(regions)) != len(regions):
            raise bad("A target region is named twice.", "targetRegions")
        if plain(home) not in regions:
            raise bad("The location of the version must be one of its target regions.", "targetRegions")

    def source_of(self, storage):
        disk = storage.get("osDiskImage", {}).get("source", {})
        return disk.get("id") or storage.get("source", {}).get("id"), disk.get("uri")

    def check_source(self, cloud, body):
        source, blob = self.source_of(body["properties"]["storageProfile"])
        if source:
            res = cloud.get(source)
            if plain(res.body["location"]) != plain(body["location"]):
                raise bad(f"The source {source} is in {res.body['location']}, and the version in {body['location']}: they must be "
                          "in one location.", "storageProfile")
            disks.check_copyable(cloud, res)
        elif not blob and not cloud.planting:
            raise bad("The storage profile names no source.", "storageProfile")

    def stored(self, cloud, res):
        image = cloud.get(res.id.rsplit("/", 2)[0])
        res.own.setdefault("uid", str(uuid.uuid4()))
        res.own.update(generation=image.own["generation"], os_state=image.own["os_state"])
        res.own["done"] = res.own.get("done", set()) & self.regions(res)

    def regions(self, res):
        return {plain(r["name"]) for r in res.properties["publishingProfile"]["targetRegions"]}

    def work(self, cloud, res, new):
        if new:
            self.keep_file(cloud, res, *self.source_of(res.properties["storageProfile"]))
        res.own["done"] = self.regions(res)

    def show(self, cloud, res, body, expand):
        path = os.path.join(cloud.data, res.own["uid"] + ".raw")
        if os.path.exists(path):
            body["properties"]["storageProfile"].setdefault("osDiskImage", {})["sizeInGB"] = -(-os.path.getsize(path) // disks.GIB)
        if expand == "replicationstatus":
            body["properties"]["replicationStatus"] = self.status(res)

    def status(self, res):
        failed = res.state == "Failed"
        words = [(r["name"], "Completed" if plain(r["name"]) in res.own["done"] else "Failed" if failed else "Replicating")
                 for r in res.properties["publishingProfile"]["targetRegions"]]
        states = {w for _, w in words}
        return {"aggregatedState": "Completed" if states == {"Completed"} else "Failed" if failed else "InProgress",
                "summary": [{"region": n, "state": w, "progress": 100 if w == "Completed" else 50, "details": ""} for n, w in words]}
