# SPDX-License-Identifier: Apache-2.0
"""Keeps every request and response, in the form validators of OpenAPI documents want: one JSON file each,
{"liveRequest": {method, url, headers, body}, "liveResponse": {statusCode, headers, body}}.

records/arm/    what the documents describe: calls of Microsoft.Compute and Network that succeeded, and those that were
                refused for their form, so that a validator finds what is wrong with them
records/other/  the rest: tokens, operations, resource groups, refusals for the state of things, faults
Secrets are blanked.
"""
import contextlib
import json
import os
import re
import threading

OPERATION = re.compile(r"/providers/[^/]+/locations/[^/]+/(operations|operationresults)/", re.I)
DESCRIBED = re.compile(r"/providers/Microsoft\.(Compute|Network)/(?!.*/providers/)", re.I)
MALFORMED = ("InvalidRequestContent", "InvalidParameter", "InvalidResourceType", "NoRegisteredProviderFound",
             "MissingApiVersionParameter", "MethodNotAllowed")
SECRET = re.compile(r"((?:sig|client_secret|client_assertion)=|\"access_token\": \")[^&\"\\]+")


class Recorder:
    def __init__(self, folder):
        self.folder, self.number, self.lock = folder, 0, threading.Lock()
        for name in ("arm", "other"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)

    def pair(self, request, reply, rule):
        with self.lock:
            self.number += 1
            number = self.number
        described = request.arm and DESCRIBED.search(request.path) and not OPERATION.search(request.path) and \
            (200 <= reply.status < 300 or ((reply.body or {}).get("error", {}).get("code") in MALFORMED))
        name = re.sub(r"\W+", "-", request.call).strip("-")
        with open(os.path.join(self.folder, "arm" if described else "other", f"{number:06}-{name}.json"), "w",
                  encoding="utf-8") as file:
            file.write(SECRET.sub(r"\1***", json.dumps(self.form(request, reply, rule), indent=1)))

    def form(self, request, reply, rule):
        headers = {k: v for k, v in request.headers.items() if k not in ("authorization", "x-ms-previous-snapshot-url")}
        answered = {k.lower(): v for k, v in reply.headers.items()}
        if reply.data():
            answered["content-type"] = reply.kind
        shown = {"liveRequest": {"method": request.method.lower(), "url": request.url, "headers": headers,
                                 "body": body_of(request.body, request.arm, {})},
                 "liveResponse": {"statusCode": str(reply.status), "headers": answered,
                                  "body": reply.body if reply.body is not None else body_of(reply.raw or b"", request.arm, "")}}
        if rule:
            shown["fault"] = rule.fault
        return shown


def body_of(raw, arm, nothing):
    if not raw:
        return nothing
    if arm:
        with contextlib.suppress(ValueError):
            return json.loads(raw)
    return raw[:2000].decode(errors="replace") if len(raw) < 100000 else f"{len(raw)} bytes"
