# SPDX-License-Identifier: Apache-2.0
"""VHDs in page blobs of a storage account (Azurite in the tests): what createOption Import and images are made from."""
import base64
import hashlib
import hmac
import ssl
import urllib.request
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from errors import ArmError, bad

STEP = 4 << 20
VERSION = "2020-10-02"


def account_of(cloud, url):
    for name, account in cloud.options.blobs.items():
        if url.startswith(account["url"].rstrip("/") + "/"):
            return name, account["key"]
    return None, None


def fetch(cloud, method, url, extra=None):
    """By SharedKey (Microsoft, "Authorize with Shared Key") where the account is one of ours."""
    name, key = account_of(cloud, url)
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION, **(extra or {})}
    if name:
        signed = "".join(f"{k}:{v}\n" for k, v in sorted(headers.items()) if k.startswith("x-ms-"))
        text = f"{method}\n" + "\n" * 11 + signed + f"/{name}{unquote(urlsplit(url).path)}"
        mac = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {name}:{base64.b64encode(mac).decode()}"
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=60, context=ssl._create_unverified_context()
                                      if url.startswith("https") else None)
    except OSError as problem:
        raise ArmError(400, "BlobNotAccessible", f"The blob {url.split('?')[0]} cannot be read: {problem}") from None


def vhd_size(cloud, data):
    """Data bytes of the fixed VHD a creationData names."""
    url = data.get("sourceUri")
    if not url or not data.get("storageAccountId"):
        raise bad("Import needs sourceUri and storageAccountId.", "disk.creationData.sourceUri")
    cloud.get(data["storageAccountId"])
    return blob_size(cloud, url)


def blob_size(cloud, url):
    with fetch(cloud, "HEAD", url) as reply:
        total, kind = int(reply.headers["Content-Length"]), reply.headers.get("x-ms-blob-type", "")
    with fetch(cloud, "GET", url, {"x-ms-range": f"bytes={total - 512}-{total - 1}"}) as reply:
        footer = reply.read()
    if kind != "PageBlob" or footer[:8] != b"conectix" or (total - 512) % (1 << 20) or footer[60:64] != b"\0\0\0\2":
        raise ArmError(400, "InvalidVhd", f"The blob {url.split('?')[0]} is no page blob with a fixed VHD of whole MiB.")
    return total - 512


def import_vhd(cloud, data, path):
    copy_blob(cloud, data["sourceUri"], path)


def copy_blob(cloud, url, path):
    size, zeros = blob_size(cloud, url), bytes(STEP)
    with open(path, "wb") as out:
        out.truncate(size)
        for at in range(0, size, STEP):
            end = min(at + STEP, size) - 1
            with fetch(cloud, "GET", url, {"x-ms-range": f"bytes={at}-{end}"}) as reply:
                part = reply.read()
            if part != zeros[:len(part)]:
                out.seek(at)
                out.write(part)
