# SPDX-License-Identifier: Apache-2.0
"""Shared access signatures of managed disks and snapshots: beginGetAccess, endGetAccess, and whom a URL lets in."""
import secrets
import time
import uuid
from dataclasses import dataclass

from errors import ArmError, bad, conflict
from shapes_compute import ACCESS
from web import Reply


@dataclass
class Grant:
    rid: str
    unique_id: str               # of the disk it was given for: one of the same name is another disk
    access: str
    expires: float
    revoked: bool = False


def grants(cloud):
    if not hasattr(cloud, "grants"):
        cloud.grants = {}
    return cloud.grants


def live(cloud, res):
    unique = res.properties.get("uniqueId")
    return any(g.unique_id == unique and not g.revoked and g.expires > time.time() for g in grants(cloud).values())


def begin(cloud, res, request, rule):
    body = request.json()
    ACCESS.check(body, request.query["api-version"])
    check(cloud, res, body)
    seconds = rule.sas_seconds(body["durationInSeconds"]) if rule else body["durationInSeconds"]

    def work(fail):
        if fail:
            return None
        signature = secrets.token_urlsafe(32)
        with cloud.lock:
            check(cloud, res, body)
            grants(cloud)[signature] = Grant(res.id, res.properties["uniqueId"], body["access"], time.time() + seconds)
        return {"accessSAS": f"{cloud.options.url}/md-{res.properties['uniqueId']}/abcd?sv=2018-03-28&sr=b&si={uuid.uuid4()}"
                f"&sig={signature}"}
    return work


def check(cloud, res, body):
    props, access = res.properties, body["access"]
    if not 0 < body["durationInSeconds"] <= 4294967295:
        raise bad("durationInSeconds must be positive.", "durationInSeconds")
    if props.get("networkAccessPolicy") == "DenyAll" or props.get("publicNetworkAccess") == "Disabled":
        raise ArmError(403, "AuthorizationFailure", f"{res.name} denies export over the network (networkAccessPolicy).")
    if live(cloud, res):
        raise conflict(f"There is an active shared access signature outstanding for disk {res.name}. Call EndGetAccess "
                       "first.", "Conflict")
    if cloud.users(res.id):
        raise conflict(f"Disk {res.name} is attached to a VM: access can be granted to unattached disks only.")
    if access == "Write" and props["creationData"].get("createOption") != "Upload":
        raise conflict("Write access can be granted only to disks made with createOption Upload.")
    if live_in_family(cloud, res) >= 5:
        raise conflict("At most 5 snapshots of a disk can have a shared access signature at a time.")


def live_in_family(cloud, res):
    family = res.properties.get("incrementalSnapshotFamilyId")
    return sum(1 for s in cloud.of_kind("Microsoft.Compute/snapshots")
               if family and s.properties.get("incrementalSnapshotFamilyId") == family and live(cloud, s))


def end(cloud, res, request, rule):
    def work(fail):
        with cloud.lock:
            for grant in grants(cloud).values():
                if grant.unique_id == res.properties["uniqueId"] and not fail:
                    if grant.access == "Write":
                        res.own["upload"] = False
                    grant.revoked = True
    return work


def admit(cloud, query, path, write=False):
    """The disk that this URL opens; refuses as storage does."""
    grant = grants(cloud).get(query.get("sig", ""))
    unique_id = path.split("/")[1].removeprefix("md-")
    with cloud.lock:
        res = cloud.find(grant.rid) if grant else None
        if grant is None or grant.unique_id != unique_id or grant.revoked:
            raise ArmError(403, "AuthenticationFailed", "Server failed to authenticate the request. Make sure the value of "
                           "the Authorization header is formed correctly including the signature.")
        if grant.expires <= time.time():
            raise ArmError(403, "AuthenticationFailed", "Signature not valid in the specified time frame: it has expired.")
        if res is None or res.properties["uniqueId"] != unique_id:
            raise ArmError(404, "BlobNotFound", "The specified blob does not exist.")
        if write and grant.access != "Write":
            raise ArmError(403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this "
                           "operation using this permission.")
        return res


__all__ = ["begin", "end", "live", "admit", "grants", "Reply"]
