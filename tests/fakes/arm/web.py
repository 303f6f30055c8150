# SPDX-License-Identifier: Apache-2.0
"""HTTP over TLS: a request goes through the faults (faults.py) to the part of the cloud that serves its path, and both
sides are recorded (record.py)."""
import http.server
import json
import socket
import socketserver
import ssl
import sys
import traceback
import uuid
from urllib.parse import parse_qsl, urlsplit

from errors import ArmError


READING = ("POST token", "POST storageAccounts/listKeys", "POST virtualMachines/retrieveBootDiagnosticsData")


class Request:
    def __init__(self, method, url, headers, body, peer):
        parts = urlsplit(url)
        self.method, self.url, self.path, self.body, self.peer = method, url, parts.path, body, peer
        self.raw_query = parts.query
        self.query = {k.lower(): v for k, v in parse_qsl(parts.query, keep_blank_values=True)}
        self.headers = {k.lower(): v for k, v in headers.items()}
        self.call = ""           # "PUT disks", "POST disks/beginGetAccess", "GET operations", "POST token", "PUT page"
        self.arm = False         # goes to Resource Manager: its headers and its words for errors

    @property
    def mutating(self):
        return self.method not in ("GET", "HEAD") and self.call not in READING

    def json(self):
        if not self.body:
            return {}
        try:
            return json.loads(self.body)
        except ValueError:
            raise ArmError(400, "InvalidRequestContent", "The request content was invalid and could not be "
                           "deserialized.") from None


class Reply:
    def __init__(self, status=200, body=None, headers=None, raw=None, kind="application/json; charset=utf-8"):
        self.status, self.body, self.headers, self.raw, self.kind = status, body, dict(headers or {}), raw, kind

    def data(self):
        if self.raw is not None:
            return self.raw
        return b"" if self.body is None else json.dumps(self.body).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-HTTPAPI/2.0"
    timeout = 300
    wbufsize = 65536

    def setup(self):
        self.request.settimeout(30)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def log_message(self, format, *args):  # the base class names it so
        if self.server.cloud.options.verbose:
            sys.stderr.write("%s\n" % (format % args))

    def serve(self):
        size = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, self.headers, self.rfile.read(size), self.client_address)
        reply = self.server.answer(request)
        if reply is None:        # the answer is lost
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        data = reply.data()
        self.send_response(reply.status)
        if reply.status != 204:
            length = reply.headers.pop("Content-Length", str(len(data)))
            self.send_header("Content-Length", length)
            if data or self.command == "HEAD":
                self.send_header("Content-Type", reply.kind)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and reply.status != 204:
            self.wfile.write(data)
        self.wfile.flush()

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = serve


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """`routes(request)` answers; `faults`, `record` see every request."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, cloud, routes, faults, record, tls=None):
        self.cloud, self.routes, self.faults, self.record, self.tls = cloud, routes, faults, record, tls
        super().__init__(address, Handler)

    def get_request(self):
        sock, peer = super().get_request()
        if self.tls:             # the handshake is the handler's: a slow client stops nobody else
            sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, peer

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ssl.SSLError)):
            traceback.print_exc()

    def answer(self, request):
        target, request.call, request.arm = self.routes.find(request)
        if request.call == "fake":
            return target(request, None)
        rule = self.faults.take(request)
        reply = self.faults.before(rule, request) or self.call(target, request, rule)
        if request.arm:
            reply.headers.setdefault("x-ms-request-id", str(uuid.uuid4()))
            reply.headers.setdefault("x-ms-correlation-request-id",
                                     request.headers.get("x-ms-correlation-request-id", str(uuid.uuid4())))
            if "x-ms-client-request-id" in request.headers:
                reply.headers["x-ms-client-request-id"] = request.headers["x-ms-client-request-id"]
        reply = self.faults.after(rule, request, reply)
        self.record.pair(request, reply, rule)
        return reply if reply.status else None

    def call(self, target, request, rule):
        try:
            return target(request, rule)
        except ArmError as refusal:
            self.cloud.counts[f"refused {refusal.status} {refusal.code}"] += 1
            return Reply(refusal.status, refusal.body(), refusal.headers)
        except Exception as problem:
            self.cloud.counts["defects"] += 1
            traceback.print_exc()
            return Reply(500, {"error": {"code": "InternalServerError", "message": f"test cloud: {problem!r}"}})
