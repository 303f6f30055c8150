# SPDX-License-Identifier: Apache-2.0
"""Resource Manager's own rules, the same for every type: authorization, API versions, PUT, GET, PATCH, DELETE, lists,
actions, locks, dependencies and asynchronous operations, all by the rows of table.py."""
import copy
import time
import uuid

import hooks
import readonly
from errors import ArmError, conflict, not_found
from paths import GROUPS, parse
from shapes import values_at
from table import BY_TYPE, READ_ONLY, Style
from web import Reply

PAGE = 50


class ArmApi:
    def __init__(self, cloud, tokens):
        self.cloud, self.tokens = cloud, tokens

    # ---- what a call is

    def name_of(self, request):
        """The call's name for faults and counters: "PUT disks", "POST disks/beginGetAccess", "GET operations"."""
        path = parse(request.path)
        if path is None:
            return f"{request.method} ?"
        last = path.last and request.path.rstrip("/").rsplit("/", 1)[1]
        kind = BY_TYPE.get(path.type)
        name = kind.name if kind else path.type.rsplit("/", 1)[-1]
        return f"{request.method} {name}" + ("" if path.id or kind is None else "/list") + (f"/{last}" if last else "")

    def serve(self, request, rule):
        self.tokens.check(request)
        path = parse(request.path)
        if path is None:
            raise ArmError(404, "InvalidResourceType", f"The resource '{request.path}' is not known.")
        self.check_subscription(path)
        if path.type.endswith(("/locations/operations", "/locations/operationresults")):
            return self.poll(request, path)
        kind = BY_TYPE.get(path.type)
        self.check_version(request, path, kind)
        if kind is None:
            with self.cloud.lock:
                return readonly.serve(self.cloud, request, path)
        if path.last:
            return self.act(request, path, kind, rule)
        if not path.id:
            return self.list(request, path, kind)
        return getattr(self, request.method.lower(), self.refuse_method)(request, path, kind, rule)

    def refuse_method(self, request, *_):
        raise ArmError(405, "MethodNotAllowed", f"The method {request.method} is not allowed on this resource.")

    def check_subscription(self, path):
        if path.subscription and path.subscription.lower() != self.cloud.options.subscription:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{path.subscription}' could not be found.")

    def check_version(self, request, path, kind):
        version = request.query.get("api-version")
        if not version:
            raise ArmError(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is "
                           "required for all requests.")
        if kind:
            versions = kind.versions(self.cloud.hub)
        else:
            versions = READ_ONLY.get(path.type, ((), ()))[self.cloud.hub]
        if not versions:
            raise ArmError(404, "InvalidResourceType", f"The resource type '{path.type}' could not be found in the "
                           "namespace for this API version.")
        if version not in versions:
            raise ArmError(400, "NoRegisteredProviderFound", f"No registered resource provider found for API version "
                           f"'{version}' for type '{path.type}'. The supported api-versions are '{', '.join(versions)}'.")

    # ---- reading

    def show(self, res, version, expand=""):
        body = copy.deepcopy(res.body)
        hooks.of(res.kind).show(self.cloud, res, body, expand)
        out = res.kind.shape.render(body, version)
        out.update(id=res.id, name=res.name)
        if "type" in res.kind.shape.objects[""] and res.kind.shape.objects[""]["type"].since <= version:
            out["type"] = res.kind.type
        return out

    def visible(self, rid):
        res = self.cloud.get(rid)
        if res.hidden_reads > 0:
            res.hidden_reads -= 1
            raise not_found(res.kind.type, res.name, res.group)
        return res

    def get(self, request, path, kind, rule):
        with self.cloud.lock:
            res = self.visible(path.id)
            body = self.show(res, request.query["api-version"], request.query.get("$expand", "").lower())
            headers = {"ETag": f'"{res.etag}"'} if "etag" in kind.shape.objects[""] else {}
            return Reply(200, body, headers)

    def list(self, request, path, kind):
        if request.method != "GET":
            self.refuse_method(request)
        with self.cloud.lock:
            parent = path.tail[0].rsplit("/", 1)[0] if path.tail and "/" in kind.type.split("/", 1)[1] else path.scope
            if parent != path.scope:
                self.cloud.get(parent)
            found = [r for r in self.cloud.of_kind(kind.type, parent) if not r.hidden_reads]
            return self.page(request, [self.show(r, request.query["api-version"]) for r in found])

    def page(self, request, items):
        start, size = int(request.query.get("$skiptoken", "0")), self.cloud.options.page_size
        body = {"value": items[start:start + size]}
        if start + size < len(items):
            body["nextLink"] = (f"{self.cloud.options.url}{request.path}?api-version={request.query['api-version']}"
                                f"&$skiptoken={start + size}")
        return Reply(200, body)

    # ---- making and changing

    def put(self, request, path, kind, rule):
        if kind.put is None:
            self.refuse_method(request)
        body, version = request.json(), request.query["api-version"]
        kind.shape.check(body, version)
        body = drop_nulls(body)
        with self.cloud.lock:
            old = self.cloud.find(path.id)
            self.check_scope(path, kind)
            self.check_lock(path.id, "write", ("ReadOnly",))
            self.check_match(request, kind, old)
            hook = hooks.of(kind)
            for field in ("id", "name", "type", "etag"):
                body.pop(field, None)
            if old:
                self.check_change(old, body)
            self.check_refs(kind, body)
            hook.prepare(self.cloud, path.id, body, old)
            res = self.store(path, kind, body, old)
            hook.stored(self.cloud, res)
            return self.start_work(request, res, old, rule)

    def store(self, path, kind, body, old):
        if old is None:
            res = self.cloud.make(path.id, kind, body)
        else:
            res, kept = old, old.body
            keep = {k: v for k, v in kept.get("properties", {}).items() if is_read_only(kind, k)}
            res.body = {**body, "properties": {**body.get("properties", {}), **keep}}
            res.etag += 1
        if kind.put.headers:
            res.properties["provisioningState"] = kind.creating if old is None else "Updating"
        else:
            res.properties["provisioningState"] = "Succeeded"
        return res

    def start_work(self, request, res, old, rule):
        """The answer to a PUT or PATCH; the work itself goes on."""
        style, hook, cloud = res.kind.put, hooks.of(res.kind), self.cloud
        res.hidden_reads = rule.late_reads(old is None) if rule else 0
        fail = rule.operation_error() if rule else None

        def work(injected):
            try:
                if not injected:
                    hook.work(cloud, res, old is None)
            except ArmError:
                injected = True
                raise
            finally:
                with cloud.lock:
                    res.properties["provisioningState"] = "Failed" if injected else "Succeeded"

        if not style.headers:
            hook.work(cloud, res, old is None)
            return Reply(style.made if old is None else style.changed,
                         self.show(res, request.query["api-version"]))
        op = cloud.begin(res.body.get("location") or cloud.options.location, style.seconds, work, fail=fail)
        if res.kind.name == "storageAccounts":
            return Reply(style.made, None, self.headers(op, style, res.kind, request))
        status = style.made if old is None else style.changed
        return Reply(status, self.show(res, request.query["api-version"]), self.headers(op, style, res.kind, request))

    def headers(self, op, style, kind, request):
        space, sub = kind.type.split("/")[0], self.cloud.options.subscription
        base = f"{self.cloud.options.url}/subscriptions/{sub}/providers/{space}/locations/{op.location}"
        version = request.query["api-version"]
        urls = {"Azure-AsyncOperation": f"{base}/operations/{op.id}?api-version={version}",
                "Location": f"{base}/{'operationResults' if space != 'Microsoft.Compute' else 'operations'}/{op.id}"
                            f"?monitor=true&api-version={version}"}
        op.not_before = time.time() + self.cloud.options.retry_after
        return {**{name: urls[name] for name in style.headers}, "Retry-After": str(self.cloud.options.retry_after)}

    def patch(self, request, path, kind, rule):
        body, version = request.json(), request.query["api-version"]
        kind.shape.check(body, version, patch=True)
        with self.cloud.lock:
            res = self.visible(path.id)
            self.check_lock(path.id, "write", ("ReadOnly",))
            for place in leaves(body, kind.patch):
                raise ArmError(400, "InvalidParameter", f"The property '{place}' cannot be changed by PATCH.", place)
            merged = copy.deepcopy(res.body)
            merge(merged, body)
            self.check_refs(kind, merged)
            hooks.of(kind).prepare(self.cloud, path.id, merged, res)
            res.body, res.etag = merged, res.etag + 1
            if not kind.put.headers or not body.get("properties"):
                return Reply(200, self.show(res, version))
            res.properties["provisioningState"] = "Updating"
            return self.start_work(request, res, res, rule)

    # ---- removing

    def delete(self, request, path, kind, rule):
        with self.cloud.lock:
            res = self.cloud.find(path.id)
            if res is None and kind.type.lower() == GROUPS:
                raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{path.id.rsplit('/', 1)[1]}' could not be found.")
            if res is None or kind.delete is None:
                return Reply(204)
            self.check_lock(path.id, "delete", ("ReadOnly", "CanNotDelete"))
            hook = hooks.of(kind)
            users = [] if kind.type.lower() == GROUPS else self.cloud.users(res.id)
            if users and kind.in_use:
                words = {"name": res.name, "user": users[0].id}
                raise ArmError(kind.in_use.status, kind.in_use.code, kind.in_use.message.format(**words))
            hook.deletable(self.cloud, res)
            if not kind.delete.headers:
                self.remove(res)
                return Reply(200)
            res.deleting = True
            res.properties["provisioningState"] = "Deleting"
            return self.start_delete(request, res, rule)

    def start_delete(self, request, res, rule):
        def work(injected):
            if injected:
                res.properties["provisioningState"] = "Failed"
                return
            hooks.of(res.kind).erase(self.cloud, res)
            with self.cloud.lock:
                self.remove(res)

        style = res.kind.delete
        location = res.body.get("location") or self.cloud.options.location
        op = self.cloud.begin(location, style.seconds, work, deletes=True, fail=rule.operation_error() if rule else None)
        return Reply(202, None, self.headers(op, style, res.kind, request))

    def remove(self, res):
        for gone in [*self.cloud.children(res), res]:
            self.cloud.resources.pop(gone.id.lower(), None)

    # ---- actions and operations

    def act(self, request, path, kind, rule):
        with self.cloud.lock:
            action = hooks.of(kind).actions.get((request.method, path.last.lower()))
            if action is None:
                raise ArmError(404, "InvalidResourceType", f"The operation '{request.method} {path.last}' is not known for the "
                               f"type '{kind.type}'.")
            res = self.visible(path.id)
            if request.method == "POST":
                self.check_lock(path.id, "action", ("ReadOnly",))
            answer = action(self.cloud, res, request, rule)
            if isinstance(answer, Reply):
                return answer
            op = self.cloud.begin(res.body.get("location", ""), 0.3, answer, fail=rule.operation_error() if rule else None)
            return Reply(202, None, self.headers(op, Style(202, 202, ("Azure-AsyncOperation", "Location")), kind, request))

    def poll(self, request, path):
        op = self.cloud.operations.get(path.tail[0]) if path.tail else None
        if op is None:
            raise ArmError(404, "NotFound", "The operation was not found.")
        if time.time() < op.not_before - 0.05:
            self.cloud.counts["polls before Retry-After"] += 1
        wait = {"Retry-After": str(self.cloud.options.retry_after)}
        op.not_before = time.time() + self.cloud.options.retry_after
        if "monitor" in request.query or path.type.endswith("operationresults"):
            if op.status == "InProgress":
                return Reply(202, None, {**wait, "Location": self.cloud.options.url + request.url})
            if op.status == "Failed":
                return Reply(409 if op.error["code"] == "Conflict" else 400, {"error": op.error})
            return Reply(204 if op.deletes else 200, op.output)
        body = {"name": op.id, "startTime": hooks.utc(op.begun), "status": op.status}
        if op.status == "InProgress":
            return Reply(200, body, wait)
        body["endTime"] = hooks.utc(op.ended)
        if op.error:
            body["error"] = op.error
        elif op.output is not None:
            body["properties"] = {"output": op.output}
        return Reply(200, body)

    # ---- refusals

    def check_scope(self, path, kind):
        words = path.id.split("/")
        if len(words) > 5 and kind.type.lower() != GROUPS:
            group = "/".join(words[:5])
            home = self.cloud.find(group)
            if home is None:
                raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{words[4]}' could not be found.")
            if home.deleting:
                raise conflict(f"The resource group '{words[4]}' is in deprovisioning state and cannot perform this "
                               "operation.", "ResourceGroupBeingDeleted")
        if kind.extension:
            if len(words) > 9:
                self.cloud.get(path.scope)
        elif len(kind.type.split("/")) > 2 and self.cloud.find(path.id.rsplit("/", 2)[0]) is None:
            raise ArmError(404, "ParentResourceNotFound", "Failed to perform 'write' on a resource because its parent "
                           f"'{path.id.rsplit('/', 2)[0]}' could not be found.")

    def check_lock(self, rid, verb, levels):
        rid = rid.lower()
        if "/microsoft.authorization/locks/" in rid:
            return
        for lock in self.cloud.of_kind("Microsoft.Authorization/locks"):
            scope = lock.id.lower().rsplit("/providers/", 1)[0]
            if lock.properties.get("level") in levels and (rid == scope or rid.startswith(scope + "/")):
                raise ArmError(409, "ScopeLocked", f"The scope '{rid}' cannot perform {verb} operation because following "
                               f"scope(s) are locked: '{scope}'. Please remove the lock and try again.")

    def check_match(self, request, kind, old):
        if "if-none-match" in request.headers and request.query["api-version"] >= kind.if_none_match and old:
            raise ArmError(412, "PreconditionFailed", f"The resource '{old.id}' exists; If-None-Match forbids it.")
        wanted = request.headers.get("if-match")
        if wanted and (old is None or (wanted != "*" and wanted.strip('"') != str(old.etag))):
            raise ArmError(412, "PreconditionFailed", "The condition of If-Match is not met.")

    def check_change(self, old, body):
        if old.deleting:
            raise conflict(f"The resource '{old.id}' is being deleted.", "Conflict")
        for place in old.kind.immutable:
            was, now = values_at(old.body, place), values_at(body, place)
            if now and was != now and not lists_subset(now, was):
                raise ArmError(409, "PropertyChangeNotAllowed", f"Changing property '{place.split('.')[-1]}' is not allowed.",
                               place)

    def check_refs(self, kind, body):
        for place in kind.refs:
            for rid in values_at(body, place):
                res = self.cloud.find(rid) if isinstance(rid, str) else None
                if res is None or res.hidden_reads > 0:
                    code = "InvalidResourceReference" if kind.type.startswith("Microsoft.Network") else "NotFound"
                    raise ArmError(400 if code[0] == "I" else 404, code, f"Resource {rid} referenced by {place} was not "
                                   "found. Please make sure that the referenced resource exists.")
                if res.deleting or res.state == "Failed":
                    raise conflict(f"The resource '{rid}' is in state {res.state} and cannot be used.", "Conflict")


def is_read_only(kind, name):
    prop = kind.shape.objects.get("properties", {}).get(name)
    return bool(prop and prop.read_only)


def drop_nulls(value):
    if isinstance(value, dict):
        return {k: drop_nulls(v) for k, v in value.items() if v is not None}
    return [drop_nulls(v) for v in value] if isinstance(value, list) else value


def merge(into, change):
    for name, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict) and name != "tags":
            merge(into[name], value)
        else:
            into[name] = value


def leaves(body, allowed, path=""):
    """The properties of a PATCH that none of `allowed` covers."""
    for name, value in body.items():
        place = f"{path}.{name}" if path else name
        if any(place == a or place.startswith(a + ".") for a in allowed):
            continue
        if isinstance(value, dict) and any(a.startswith(place + ".") for a in allowed):
            yield from leaves(value, allowed, place)
        else:
            yield place


def lists_subset(now, was):
    """A client may leave out what the cloud filled in."""
    return len(now) == len(was) and all(isinstance(n, dict) and isinstance(w, dict) and
                                        all(w.get(k) == v for k, v in n.items()) for n, w in zip(now, was))


def request_id():
    return str(uuid.uuid4())
