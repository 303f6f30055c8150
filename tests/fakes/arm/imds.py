# SPDX-License-Identifier: Apache-2.0
"""The instance metadata service, on a unix socket: a connection begins with the machine's id in a line of its own
(imds_relay.py says it), what follows is HTTP. Azure Stack Hub has neither userData nor identity tokens there."""
import http.server
import json
import socketserver
from urllib.parse import parse_qsl, urlsplit


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "IMDS/150"

    def setup(self):
        super().setup()
        self.vm_id = self.rfile.readline(100).decode().strip()

    def address_string(self):
        return self.vm_id

    def log_message(self, format, *args):  # the base class names it so
        self.server.cloud.counts["metadata " + args[1] if len(args) > 1 else "metadata"] += 1

    def answer(self, status, body, kind="application/json; charset=utf-8"):
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if self.headers.get("Metadata", "").lower() != "true" or "X-Forwarded-For" in self.headers:
            return self.answer(400, {"error": "Bad request. 'Metadata: true' header is required."})
        if "api-version" not in query:
            return self.answer(400, {"error": "Bad request. api-version is required.", "newest-versions": ["2021-02-01"]})
        vm = self.find()
        if vm is None:
            return self.answer(404, {"error": "Not found"})
        if parts.path == "/metadata/identity/oauth2/token":
            return self.identity(vm, query)
        return self.instance(vm, parts.path.rstrip("/"), query)

    def find(self):
        cloud = self.server.cloud
        with cloud.lock:
            return next((v for v in cloud.of_kind("Microsoft.Compute/virtualMachines")
                         if v.properties["vmId"] == self.vm_id), None)

    def identity(self, vm, query):
        if self.server.cloud.hub or "identity" not in vm.body:
            return self.answer(400, {"error": "invalid_request", "error_description": "Identity not found"})
        if "resource" not in query:
            return self.answer(400, {"error": "invalid_request", "error_description": "Required query variable 'resource' is missing"})
        token, life = self.server.tokens.issue(query["resource"])
        return self.answer(200, {"access_token": token, "client_id": self.server.cloud.options.client_id, "expires_in": str(life),
                                 "expires_on": "0", "ext_expires_in": str(life), "not_before": "0",
                                 "resource": query["resource"], "token_type": "Bearer"})

    def instance(self, vm, path, query):
        hub, props = self.server.cloud.hub, vm.properties
        compute = {"name": vm.name, "vmId": props["vmId"], "location": vm.body["location"], "resourceGroupName": vm.group,
                   "subscriptionId": self.server.cloud.options.subscription, "vmSize": props["hardwareProfile"]["vmSize"],
                   "azEnvironment": "AzureStack" if hub else "AzurePublicCloud", "osType": "Linux", "resourceId": vm.id}
        if not hub:
            compute["userData"] = props.get("userData", "")
        value = {"compute": compute, "network": {"interface": []}}
        for word in path.removeprefix("/metadata/instance").strip("/").split("/"):
            if word:
                value = value.get(word) if isinstance(value, dict) else None
        if value is None or not path.startswith("/metadata/instance") or \
                (path.endswith("/userData") and query["api-version"] < "2021-01-01"):
            return self.answer(404, {"error": "Not found"})
        if query.get("format") == "text":
            if not isinstance(value, str):
                return self.answer(400, {"error": "Bad request. Text is for leaves."})
            return self.answer(200, value, "text/plain; charset=utf-8")
        return self.answer(200, value)


class Imds(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path, cloud, tokens):
        self.cloud, self.tokens = cloud, tokens
        super().__init__(path, Handler)
