# SPDX-License-Identifier: Apache-2.0
"""Which part of the cloud serves a path."""
import collections

import access
import machines
from errors import ArmError
from faults import pairs, seeded
from paths import parse
from web import Reply


class Routes:
    def __init__(self, cloud, api, tokens, storage):
        self.cloud, self.api, self.tokens, self.storage = cloud, api, tokens, storage
        self.faults = None       # set once they are there

    def find(self, request):
        """(who answers, the call's name, whether it is Resource Manager's)"""
        path = request.path.lower()
        if path.startswith("/_fake/"):
            return self.control, "fake", False
        if path.startswith("/md-"):
            return self.storage.serve, self.storage.name_of(request), False
        if path.startswith("/console-"):
            return lambda r, rule: machines.serve_console(self.cloud, r), f"{request.method} console", False
        if path == "/metadata/endpoints":
            return self.endpoints, "GET endpoints", False
        if path.endswith(("/oauth2/v2.0/token", "/oauth2/token")) and request.method == "POST":
            return self.tokens.serve, "POST token", False
        if "/.well-known/" in path or "/discovery/" in path:
            return self.tokens.serve, "GET configuration", False
        if parse(request.path) is None:
            self.cloud.counts["unknown paths"] += 1
        return self.api.serve, self.api.name_of(request), True

    def endpoints(self, request, rule):
        """Azure Stack Hub tells of itself in the form of 2015-01-01 only; the public cloud's newer form names itself."""
        url, version = self.cloud.options.url, request.query.get("api-version", "")
        authority = f"{url}/adfs" if self.cloud.hub else url
        one = {"galleryEndpoint": url, "graphEndpoint": url + "/graph", "portalEndpoint": url,
               "authentication": {"loginEndpoint": authority, "audiences": self.tokens.audiences()}}
        if version == "2015-01-01":
            return Reply(200, one)
        if self.cloud.hub or version not in ("2019-05-01", "2020-06-01", "2022-09-01"):
            raise ArmError(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")
        one["authentication"].update(tenant="common", identityProvider="AAD")
        one = {"name": "AzureTest", "resourceManager": url + "/", "portal": url, **one}
        return Reply(200, one if version == "2022-09-01" else [one])

    def control(self, request, rule):
        """The tests' own door: no part of any cloud, not authorized, not recorded as one."""
        what, cloud = request.path[len("/_fake/"):], self.cloud
        if what == "inventory":
            return Reply(200, raw="".join(line + "\n" for line in cloud.inventory()).encode(), kind="text/plain")
        if what == "counts":
            return Reply(200, dict(sorted(cloud.counts.items())))
        if what == "calls":
            return Reply(200, [{"call": c, "mutating": m} for c, m in self.faults.calls])
        if what == "pairs":
            return Reply(200, pairs(c for c, _ in self.faults.calls))
        if what == "rules" and request.method == "PUT":
            self.faults.set(request.json())
            return Reply(200, [])
        if what == "schedule" and request.method == "PUT":
            self.faults.set(seeded(**request.json()))
            return Reply(200, [vars(r) for r in self.faults.rules])
        if what == "secrets":
            return Reply(200, self.secrets())
        if what == "rules":
            return Reply(200, [vars(r) for r in self.faults.rules])
        if what == "expire-tokens":
            self.tokens.expire_all()
            return Reply(200, [])
        if what == "files":
            with cloud.lock:
                found = {r.id: f"{cloud.data}/{r.properties['uniqueId']}.raw" for r in cloud.resources.values()
                         if "uniqueId" in r.properties}
            return Reply(200, found)
        if what == "type" and request.method == "PUT":
            words = request.json()
            machines.guest_of(cloud.get(words["machine"])).type(words["line"])
            return Reply(200, [])
        if what == "consoles":
            return Reply(200, {v.id: v.own["guest"].serial for v in cloud.of_kind("Microsoft.Compute/virtualMachines")
                               if "guest" in v.own})
        if what == "running":
            vms = cloud.of_kind("Microsoft.Compute/virtualMachines")
            return Reply(200, dict(collections.Counter(machines.power_state(cloud, v) for v in vms)))
        return Reply(404, {"error": f"no such door: {what}"})

    def secrets(self):
        """All that nobody may write down: the client's secret, tokens (their part that is no common claim), signatures."""
        with self.cloud.lock:
            consoles = [r.own["console_key"] for r in self.cloud.resources.values() if "console_key" in r.own]
            return [self.cloud.options.client_secret, *(t.rsplit(".", 1)[1] for t in self.tokens.live),
                    *access.grants(self.cloud), *consoles]
