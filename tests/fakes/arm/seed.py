# SPDX-License-Identifier: Apache-2.0
"""The resources that are there from the start: made by PUTs, as everything is, and their data filled in."""
import json
import os
import subprocess

from arm_api import ArmApi
from disks import set_size
from paths import parse
from table import BY_TYPE
from web import Request

FOOTER = 512


def plant(api: ArmApi, seed_file):
    if not seed_file:
        return
    with open(seed_file, encoding="utf-8") as file:
        items = json.load(file)
    api.cloud.planting = True
    for item in items:
        put_one(api, item, os.path.dirname(os.path.abspath(seed_file)))
    api.cloud.planting = False
    api.cloud.counts.clear()


def put_one(api, item, home):
    cloud = api.cloud
    rid = item["path"].replace("~", f"/subscriptions/{cloud.options.subscription}", 1)
    body = json.loads(json.dumps(item["body"]).replace("~/", f"/subscriptions/{cloud.options.subscription}/"))
    path = parse(rid)
    kind = BY_TYPE[path.type]
    version = kind.versions(cloud.hub)[0]
    size = data_size(os.path.join(home, item["data"])) if "data" in item else 0
    if kind.name == "disks" and size:
        body["properties"]["creationData"] = {"createOption": "Upload", "uploadSizeBytes": size + FOOTER}
    request = Request("PUT", f"{rid}?api-version={version}", {}, json.dumps(body).encode(), ("", 0))
    cloud.cold = item.get("off", False)
    api.put(request, path, kind, None)
    for op in list(cloud.operations.values()):
        op.done.wait()
        if op.error:
            raise SystemExit(f"seed: {rid}: {op.error['message']}")
    cloud.cold = False
    if size:
        res = cloud.get(rid)
        fill(cloud, res, os.path.join(home, item["data"]), size)
        res.own["upload"] = False


def is_vhd(path):
    with open(path, "rb") as file:
        file.seek(-FOOTER, os.SEEK_END)
        return file.read(8) == b"conectix"


def data_size(path):
    size = os.path.getsize(path) - (FOOTER if is_vhd(path) else 0)
    return -(-size // (1 << 20)) << 20


def fill(cloud, res, source, size):
    uid = res.own.get("uid") or res.properties["uniqueId"]
    target = os.path.join(cloud.data, uid + ".raw")
    subprocess.run(["cp", "--sparse=always", source, target], check=True)
    if is_vhd(source):
        os.truncate(target, os.path.getsize(source) - FOOTER)
    set_size(target, max(size, res.properties.get("diskSizeBytes", 0)))


