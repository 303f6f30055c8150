# SPDX-License-Identifier: Apache-2.0
"""Resource Manager's own rules, the same for every type: authorization, API versions, PUT, GET, PATCH, DELETE, lists,
actions, locks, dependencies and asynchronous operations, all by the rows of table.py."""
import copy
import time

import disks
import hooks
import readonly
import refusals
from errors import ArmError, not_found
from paths import GROUPS, parse
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
        refusals.check_rights(self.cloud, request, path, kind)
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

    def hides(self, res):
        """Whether this read does not see it yet."""
        hidden = res.hidden_reads > 0
        res.hidden_reads -= hidden
        return hidden

    def visible(self, rid):
        res = self.cloud.get(rid)
        if self.hides(res):
            raise not_found(res.kind.type, res.name, res.group)
        return res

    def get(self, request, path, kind, rule):
        with self.cloud.lock:
            res = self.visible(path.id)
            if rule and rule.fault == "swapped":
                disks.swap(self.cloud, res)
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
            found = [r for r in self.cloud.of_kind(kind.type, parent) if not self.hides(r)]
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
            refusals.check_scope(self.cloud, path, kind)
            refusals.check_lock(self.cloud, path.id, "write", ("ReadOnly",))
            refusals.check_match(self.cloud, request, kind, old)
            hook = hooks.of(kind)
            for field in ("id", "name", "type", "etag"):
                body.pop(field, None)
            if old:
                refusals.check_change(self.cloud, old, body)
            refusals.check_refs(self.cloud, kind, body, old)
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
            res.body = {**body, "properties": {**keep, **body.get("properties", {})}}
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
            with res.busy:
                try:
                    if cloud.find(res.id) is not res:
                        raise ArmError(409, "OperationPreempted", f"{res.id} was deleted meanwhile.")
                    if not injected:
                        hook.work(cloud, res, old is None)
                except ArmError as refusal:
                    injected = refusal
                    raise
                finally:
                    with cloud.lock:
                        res.properties["provisioningState"] = "Failed" if injected else "Succeeded"
                        if injected:
                            hook.failed(cloud, res)

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
            refusals.check_lock(self.cloud, path.id, "write", ("ReadOnly",))
            for place in leaves(body, kind.patch):
                raise ArmError(400, "InvalidParameter", f"The property '{place}' cannot be changed by PATCH.", place)
            merged = copy.deepcopy(res.body)
            merge(merged, body)
            refusals.check_refs(self.cloud, kind, merged)
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
            refusals.check_lock(self.cloud, path.id, "delete", ("ReadOnly", "CanNotDelete"))
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
            with res.busy:
                if injected:
                    res.deleting, res.properties["provisioningState"] = False, "Failed"
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
                refusals.check_lock(self.cloud, path.id, "action", ("ReadOnly",))
            answer = action(self.cloud, res, request, rule)
            if isinstance(answer, Reply):
                return answer

            def work(fail):
                with res.busy:
                    return answer(fail)
            op = self.cloud.begin(res.body.get("location", ""), 0.3, work, fail=rule.operation_error() if rule else None)
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
