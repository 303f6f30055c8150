# SPDX-License-Identifier: Apache-2.0
"""The data endpoint of managed disks: what a SAS URL serves. A disk of N bytes is a page blob of N + 512, a fixed VHD
whose last page is its footer (Microsoft, "Virtual Hard Disk Image Format Specification")."""
import base64
import ctypes
import hashlib
import os
import re
import struct
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

import access
import pages
from disks import FOOTER, file_of
from errors import ArmError
from web import Reply

LIBC = ctypes.CDLL(None, use_errno=True)
PAGE_MAX = 4 << 20
DIFF_SINCE = "2017-07-29"
LIST_SINCE = "2020-10-02"


def footer(size, unique_id):
    """Of a fixed VHD with `size` bytes of data; the geometry is that of qemu-img's force_size."""
    sectors = min(size // 512, 65535 * 16 * 255)
    cylinders, heads, per_track = min(sectors // (16 * 255), 65535), 16, 255
    raw = bytearray(struct.pack(">8sIIQI4sI4sQQHBBII16sB427x", b"conectix", 2, 0x10000, 0xFFFFFFFFFFFFFFFF, 0, b"win ", 0xA0000,
                                b"Wi2k", size, size, cylinders, heads, per_track, 2, 0,
                                bytes.fromhex(unique_id.replace("-", "")), 0))
    struct.pack_into(">I", raw, 64, ~sum(raw) & 0xFFFFFFFF)
    return bytes(raw)


class DiskStorage:
    """Answers below /md-<unique id>/."""

    def __init__(self, cloud):
        self.cloud = cloud

    def name_of(self, request):
        return f"{request.method} {'pagelist' if request.query.get('comp') == 'pagelist' else 'page'}"

    def serve(self, request, rule):
        try:
            if rule and rule.sas_expired():
                raise ArmError(403, "AuthenticationFailed", "Signature not valid in the specified time frame: it has expired.")
            reply = self.answer(request, rule)
        except ArmError as refusal:
            self.cloud.counts[f"storage refused {refusal.status} {refusal.code}"] += 1
            xml = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>'
            reply = Reply(refusal.status, raw=xml.encode(), kind="application/xml", headers={"x-ms-error-code": refusal.code})
        reply.headers.setdefault("x-ms-version", request.headers.get("x-ms-version", "2018-03-28"))
        reply.headers.setdefault("x-ms-request-id", os.urandom(16).hex())
        return reply

    def answer(self, request, rule):
        res = access.admit(self.cloud, request.query, request.path, write=request.mutating)
        size = res.properties["diskSizeBytes"]
        if request.query.get("comp") == "pagelist" and request.method == "GET":
            return self.page_list(request, res, size, rule)
        if request.query.get("comp") == "page" and request.method == "PUT":
            return self.put_page(request, res, size)
        if request.method in ("GET", "HEAD"):
            return self.read(request, res, size)
        raise ArmError(400, "UnsupportedQueryParameter", "The operation is not supported for managed disks.")

    def common(self, res, size):
        return {"ETag": f'"0x{res.properties["uniqueId"][:8].upper()}"', "Last-Modified": formatdate(res.made, usegmt=True),
                "x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": str(size + FOOTER)}

    def read(self, request, res, size):
        headers = {**self.common(res, size), "Accept-Ranges": "bytes"}
        spec = request.headers.get("x-ms-range") or request.headers.get("range")
        total = size + FOOTER
        if spec is None:
            if request.method == "HEAD":
                return Reply(200, headers={**headers, "Content-Length": str(total)}, kind="application/octet-stream")
            start, end = 0, total - 1
        else:
            start, end = parse_range(spec, total)
        if end - start >= 64 << 20:
            raise ArmError(413, "RequestBodyTooLarge", "test cloud: at most 64 MiB are read at a time; say a range.")
        data = self.bytes(res, size, start, end)
        if request.headers.get("x-ms-range-get-content-md5") == "true":
            if end - start >= PAGE_MAX:
                raise ArmError(400, "InvalidHeaderValue", "x-ms-range-get-content-md5 goes with at most 4 MiB.")
            headers["Content-MD5"] = md5_of(data)
        if spec:
            headers["Content-Range"] = f"bytes {start}-{end}/{total}"
        return Reply(206 if spec else 200, raw=data, headers=headers, kind="application/octet-stream")

    def bytes(self, res, size, start, end):
        with open(file_of(self.cloud, res), "rb") as file:
            data = os.pread(file.fileno(), max(min(end + 1, size) - start, 0), start) if start < size else b""
        if end >= size:
            last = res.own.get("footer") or footer(size, res.properties["uniqueId"])
            data += last[max(start - size, 0):end - size + 1]
        return data

    def put_page(self, request, res, size):
        start, end = parse_range(request.headers.get("x-ms-range") or request.headers.get("range", ""), size + FOOTER)
        if start % 512 or (end + 1) % 512:
            raise ArmError(416, "InvalidPageRange", "The page range specified is invalid.")
        how = request.headers.get("x-ms-page-write", "").lower()
        if how == "update":
            self.check_body(request, end - start + 1)
            data = request.body
        elif how == "clear":
            if request.body:
                raise ArmError(400, "InvalidHeaderValue", "A clear carries no data.")
            data = b""
        else:
            raise ArmError(400, "MissingRequiredHeader", "x-ms-page-write must be update or clear.")
        self.write(res, size, start, end, data, how == "clear")
        return Reply(201, headers={**self.common(res, size), "x-ms-blob-sequence-number": "0",
                                   "Content-MD5": md5_of(request.body)})

    def check_body(self, request, length):
        if length > PAGE_MAX:
            raise ArmError(413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible "
                           "limit of 4194304.")
        if len(request.body) != length:
            raise ArmError(400, "InvalidHeaderValue", "Content-Length is not that of the range.")
        md5 = request.headers.get("content-md5")
        if md5 and base64.b64decode(md5) != hashlib.md5(request.body).digest():
            raise ArmError(400, "Md5Mismatch", "The MD5 value specified in the request did not match with the MD5 value "
                           "calculated by the server.")

    def write(self, res, size, start, end, data, clear):
        if end >= size:
            if clear or start < size:
                raise ArmError(400, "InvalidPageRange", "test cloud: write the footer by itself.")
            res.own["footer"] = data
            return
        with open(file_of(self.cloud, res), "r+b") as file:
            if clear:
                punch(file, start, end - start + 1)
            else:
                os.pwrite(file.fileno(), data, start)

    def page_list(self, request, res, size, rule):
        version = request.headers.get("x-ms-version", "")
        previous = request.headers.get("x-ms-previous-snapshot-url")
        most = int(request.query.get("maxresults", "10000"))
        if ("marker" in request.query or "maxresults" in request.query) and version < LIST_SINCE:
            raise ArmError(400, "InvalidQueryParameterValue", f"marker and maxresults need x-ms-version {LIST_SINCE}.")
        start, end = 0, size + FOOTER - 1
        if request.headers.get("x-ms-range") or request.headers.get("range"):
            start, end = parse_range(request.headers.get("x-ms-range") or request.headers["range"], size + FOOTER)
        written, cleared = self.diff(res, size, previous, version) if previous else (pages.used(file_of(self.cloud, res), size), [])
        if previous and rule and rule.fault == "lie":
            written = written[1:]
        if not previous:
            written = written + [(size, size + FOOTER - 1)]
        written, cleared = clip(written, start, end), clip(cleared, start, end)
        ranges, marker = pages.page(written, cleared, request.query.get("marker"), min(most, self.cloud.options.max_results))
        xml = "".join(f"<{k}><Start>{a}</Start><End>{b}</End></{k}>" for k, a, b in ranges)
        tail = f"<NextMarker>{marker}</NextMarker>" if marker else ("<NextMarker />" if version >= LIST_SINCE else "")
        body = f'<?xml version="1.0" encoding="utf-8"?><PageList>{xml}{tail}</PageList>'
        return Reply(200, raw=body.encode(), headers=self.common(res, size), kind="application/xml")

    def diff(self, res, size, url, version):
        if version < DIFF_SINCE:
            raise ArmError(400, "InvalidHeaderValue", f"x-ms-previous-snapshot-url needs x-ms-version {DIFF_SINCE}.")
        parts = urlsplit(url)
        before = access.admit(self.cloud, dict(parse_qsl(parts.query)), parts.path)
        family = "incrementalSnapshotFamilyId"
        if not (res.properties.get("incremental") and before.properties.get("incremental")):
            raise ArmError(400, "UnsupportedHeaderForNonManagedDisksAccount", "x-ms-previous-snapshot-url works between "
                           "incremental snapshots of managed disks only.")
        if res.properties[family] != before.properties[family] or before.made > res.made:
            raise ArmError(409, "PreviousSnapshotNotFound", "The previous snapshot is not an earlier one of this disk.")
        written, cleared = pages.changed(file_of(self.cloud, res), file_of(self.cloud, before), size,
                                         before.properties["diskSizeBytes"])
        return written, cleared


def md5_of(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def punch(file, start, length):
    """Zeros without their blocks: fallocate(2), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE."""
    if LIBC.fallocate(file.fileno(), 3, ctypes.c_long(start), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def clip(ranges, start, end):
    return [(max(a, start), min(b, end)) for a, b in ranges if a <= end and b >= start]


def parse_range(spec, total):
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", spec)
    if not match:
        raise ArmError(400, "InvalidHeaderValue", "The range is not bytes=FIRST-LAST.")
    start, end = int(match[1]), int(match[2] or total - 1)
    if start >= total or end < start:
        raise ArmError(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
    return start, min(end, total - 1)
