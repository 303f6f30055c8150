#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record.py LISTEN-PORT OUT: a proxy in front of a lab's services that writes down what they say, for the driver's unit
tests (tests/unit/control/openstack/). A call to /PORT/path goes to 127.0.0.1:PORT/path; addresses in replies are turned
so that the caller comes back here. In OUT every reply is

    > METHOD /PORT/path?query
    < STATUS
    one line of JSON, or nothing

Tokens and passwords are not written: a request's body and headers never, and the token itself stands in a header."""

import http.client
import http.server
import json
import re
import sys

port, out = int(sys.argv[1]), open(sys.argv[2], "w")


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        service, path = re.match(r"/(\d+)(/.*)", self.path).groups()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        there = http.client.HTTPConnection("127.0.0.1", int(service), timeout=300)
        keep = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        there.request(self.command, path, body or None, keep)
        reply = there.getresponse()
        text = reply.read().decode()
        try:
            text = json.dumps(json.loads(text), separators=(",", ":"))
        except ValueError:
            pass
        out.write(f"> {self.command} {self.path}\n< {reply.status}\n{text.strip()}\n")
        out.flush()
        data = text.replace("http://127.0.0.1:", f"http://127.0.0.1:{port}/").encode()
        self.send_response(reply.status)
        for name in ("Content-Type", "X-Subject-Token", "X-Openstack-Request-Id", "Retry-After"):
            if reply.getheader(name):
                self.send_header(name, reply.getheader(name))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = forward

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Proxy).serve_forever()
