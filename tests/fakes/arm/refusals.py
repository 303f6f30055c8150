# SPDX-License-Identifier: Apache-2.0
"""What Resource Manager refuses whatever the type: no home, locks, conditions not met, changes of what cannot change,
references to what is not there. Each raises the ArmError the real one answers."""
from fnmatch import fnmatch

from errors import ArmError, conflict
from paths import GROUPS
from shapes import values_at


VERBS = {"GET": "read", "HEAD": "read", "DELETE": "delete", "POST": "action"}


def check_rights(cloud, request, path, kind):
    """The actions of --denied."""
    last = "/" + request.path.rstrip("/").rsplit("/", 1)[1] if path.last else ""
    action = f"{kind.type}{last}/{VERBS.get(request.method, 'write')}"
    if any(fnmatch(action.lower(), d.lower()) for d in cloud.options.denied):
        client = cloud.options.client_id
        raise ArmError(403, "AuthorizationFailed", f"The client '{client}' with object id '{client}' does not have "
                       f"authorization to perform action '{action}' over scope '{path.id}' or the scope is invalid. If "
                       "access was recently granted, please refresh your credentials.")


def check_scope(cloud, path, kind):
    words = path.id.split("/")
    if len(words) > 5 and kind.type.lower() != GROUPS:
        group = "/".join(words[:5])
        home = cloud.find(group)
        if home is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{words[4]}' could not be found.")
        if home.deleting:
            raise conflict(f"The resource group '{words[4]}' is in deprovisioning state and cannot perform this "
                           "operation.", "ResourceGroupBeingDeleted")
    if kind.extension:
        if len(words) > 9:
            cloud.get(path.scope)
    elif len(kind.type.split("/")) > 2 and cloud.find(path.id.rsplit("/", 2)[0]) is None:
        raise ArmError(404, "ParentResourceNotFound", "Failed to perform 'write' on a resource because its parent "
                       f"'{path.id.rsplit('/', 2)[0]}' could not be found.")


def check_lock(cloud, rid, verb, levels):
    rid = rid.lower()
    if "/microsoft.authorization/locks/" in rid:
        return
    for lock in cloud.of_kind("Microsoft.Authorization/locks"):
        scope = lock.id.lower().rsplit("/providers/", 1)[0]
        if lock.properties.get("level") in levels and (rid == scope or rid.startswith(scope + "/")):
            raise ArmError(409, "ScopeLocked", f"The scope '{rid}' cannot perform {verb} operation because following "
                           f"scope(s) are locked: '{scope}'. Please remove the lock and try again.")


def check_match(cloud, request, kind, old):
    """If-Match and If-None-Match, where this version of the type has an ETag; elsewhere they are ignored, as there."""
    prop = kind.shape.objects[""].get("etag")
    if prop is None or prop.since > request.query["api-version"]:
        return
    if "if-none-match" in request.headers and old:
        raise ArmError(412, "PreconditionFailed", f"The resource '{old.id}' exists; If-None-Match forbids it.")
    wanted = request.headers.get("if-match")
    if wanted and (old is None or (wanted != "*" and wanted.removeprefix("W/").strip('"') != str(old.etag))):
        raise ArmError(412, "PreconditionFailed", "The condition of If-Match is not met.")


def check_change(cloud, old, body):
    if old.deleting:
        raise conflict(f"The resource '{old.id}' is being deleted.", "Conflict")
    for place in old.kind.immutable:
        was, now = values_at(old.body, place), values_at(body, place)
        if now and was != now and not lists_subset(now, was):
            raise ArmError(409, "PropertyChangeNotAllowed", f"Changing property '{place.split('.')[-1]}' is not allowed.",
                           place)


def check_refs(cloud, kind, body, old=None):
    """What something was made of need not be there any more."""
    for place in (p for p in kind.refs if old is None or not any(p.startswith(i + ".") for i in kind.immutable)):
        for rid in values_at(body, place):
            res = cloud.find(rid) if isinstance(rid, str) else None
            if res is None or res.hidden_reads > 0:
                code = "InvalidResourceReference" if kind.type.startswith("Microsoft.Network") else "NotFound"
                raise ArmError(400 if code[0] == "I" else 404, code, f"Resource {rid} referenced by {place} was not "
                               "found. Please make sure that the referenced resource exists.")
            if res.deleting or res.state == "Failed":
                raise conflict(f"The resource '{rid}' is in state {res.state} and cannot be used.", "Conflict")


def lists_subset(now, was):
    """A client may leave out what the cloud filled in."""
    return len(now) == len(was) and all(isinstance(n, dict) and isinstance(w, dict) and subset(n, w) for n, w in zip(now, was))


def subset(now, was):
    return all(subset(v, was[k]) if isinstance(v, dict) and isinstance(was.get(k), dict) else was.get(k) == v
               for k, v in now.items())
