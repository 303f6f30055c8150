#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record.py LISTEN-PORT OUT [before|after CALL COMMAND]: a proxy in front of a lab's services that writes down what they say, for the
driver's unit tests (tests/unit/control/openstack/). A call to /PORT/path goes to 127.0.0.1:PORT/path; addresses in
replies are turned so that the caller comes back here. In OUT every reply is

    > METHOD /PORT/path?query
    < STATUS
    one line of JSON, or nothing

Tokens and passwords are not written: a request's body and headers never, and the token itself stands in a header.

Before a call that changes something (not a login, not a look at a console) stands a line "! " with its name: method, path
without ids, the name of what is made without what is random in it, and the how manieth of that kind it is. With CALL, such
a name, the shell runs COMMAND before the call goes on to the service, or after it is done and before its caller hears of
it."""

import collections
import http.client
import http.server
import json
import re
import subprocess
import sys

port, out = int(sys.argv[1]), open(sys.argv[2], "w")
when, at_call, command = sys.argv[3:6] if len(sys.argv) > 3 else (None, None, None)
calls = collections.Counter()


def name_of_change(method, path, body):
    """None: it changes nothing."""
    if method == "GET" or path.endswith("/auth/tokens") or b"os-getConsoleOutput" in body:
        return None
    words = [method, re.sub(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", "*", path)]
    made = re.search(rb'"name":"([^"]*)"', body)
    if made:
        words.append(re.sub(r"-[0-9a-f]{4}$", "", re.sub(r"gen\d+", "gen", made[1].decode())))
    calls[tuple(words)] += 1
    return " ".join(words + [str(calls[tuple(words)])])


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def run_at(self, moment, change):
        if moment == when and change == at_call:
            subprocess.run(command, shell=True, check=True)

    def forward(self):
        service, path = re.match(r"/(\d+)(/.*)", self.path).groups()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        change = name_of_change(self.command, self.path, body)
        if change:
            out.write(f"! {change}\n")
            out.flush()
        self.run_at("before", change)
        there = http.client.HTTPConnection("127.0.0.1", int(service), timeout=300)
        keep = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        there.request(self.command, path, body or None, keep)
        reply = there.getresponse()
        text = reply.read().decode()
        self.run_at("after", change)
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


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A caller that was killed hears nothing."""


Server(("127.0.0.1", port), Proxy).serve_forever()
