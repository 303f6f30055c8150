#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""arm.py: a test cloud that speaks Azure Resource Manager, in the public cloud's API versions or Azure Stack Hub's.

    tests/fakes/arm/arm.py serve --folder F [--port P] [--hub] [--seed-file SEED.json] ...   until SIGTERM
    tests/fakes/arm/arm.py inventory|counts|calls|pairs|files|running|consoles|secrets --folder F    what it holds and saw
    tests/fakes/arm/arm.py rules --folder F RULES.json         sets the faults (faults.py)
    tests/fakes/arm/arm.py schedule --folder F SEED.json       draws them: {"seed", "count", "transient", "calls": [NAME...]}
    tests/fakes/arm/arm.py type --folder F MACHINE-ID LINE                                   at a machine's serial console

It is a program of its own, in Python's standard library alone and on purpose without a line of ours, so that it is a
second opinion on what the cloud does. Everything is in memory but for the files in the folder:

    env        to be sourced: AZURE_* names as the Azure SDKs read them, ARM_ENDPOINT, SSL_CERT_FILE
    ready      appears when it listens
    ca.pem     its authority; client.pem and federated-token, when put there, are the client's other proofs
    data/      a raw file per disk, snapshot and image, named by its unique id: `files` says which is whose
    machines/  a folder per booted machine: serial.log, qemu.log
    records/   every request and response (record.py)

The seed is a list of resources that are there from the start, [{"path": ID, "body": {...}, "data": FILE}]: the body of a
PUT, in the row's API version; the data, raw or a fixed VHD, is copied into a disk or a gallery's version; a machine with
"off": true is deallocated. `~` at the beginning of a path stands for /subscriptions/<its own>. With --worker PROGRAM a machine is no QEMU but that program, as
a process of this host (host_worker.py).

A public address is one of --public-net; outside a namespace that is a part of 127.0.0.0/8. In a namespace,
`ip route add local 198.51.100.0/24 dev lo` makes other ranges, also those of virtual networks, its own.
"""
import argparse
import json
import os
import signal
import ssl
import sys
import threading
import urllib.request

import certs
import gallery    # the hooks register themselves
import groups
import host_worker
import qemu
import restore
from arm_api import ArmApi
from cloud import Cloud
from faults import Faults, Rule
from imds import Imds
from record import Recorder
from routes import Routes
from seed import plant
from storage import DiskStorage
from tokens import Tokens
from web import Server

HOOKS = (gallery, groups, restore)
SUBSCRIPTION = "5ca1ab1e-0000-4000-8000-000000000001"
TENANT = "7e4a4700-0000-4000-8000-000000000002"
CLIENT = "c11e4700-0000-4000-8000-000000000003"


def arguments():
    a = argparse.ArgumentParser(description="A test cloud that speaks Azure Resource Manager.")
    a.add_argument("command", choices=["serve", "inventory", "counts", "calls", "pairs", "files", "running", "consoles", "secrets", "rules", "schedule",
                                        "type"])
    a.add_argument("words", nargs="*", help="rules, schedule: a file with JSON; type: a machine's id and a line")
    a.add_argument("--folder", required=True)
    a.add_argument("--host", default="127.0.0.1", help="address to listen at")
    a.add_argument("--port", type=int, default=0)
    a.add_argument("--hub", action="store_true", help="Azure Stack Hub's profile 2020-09-01-hybrid")
    a.add_argument("--seed-file", help="resources that are there from the start")
    a.add_argument("--location", default="westeurope")
    a.add_argument("--locations", default="westeurope,northeurope,local")
    a.add_argument("--scale", type=float, default=0.1, help="of all times of the cloud's own: 1 is the real one's pace")
    a.add_argument("--retry-after", type=int, default=0, help="seconds, in Retry-After of operations")
    a.add_argument("--token-seconds", type=int, default=3600)
    a.add_argument("--client-secret", default="s3cr3t-canary")
    a.add_argument("--page-size", type=int, default=50, help="resources in one page of a list")
    a.add_argument("--max-results", type=int, default=10000, help="ranges in one page of a page list")
    a.add_argument("--cores", type=int, default=32, help="quota")
    a.add_argument("--public-ips", type=int, default=20, help="quota")
    a.add_argument("--public-net", default="127.77.0.0/24")
    a.add_argument("--ports", default="4433", help="TCP ports that machines are reached at")
    a.add_argument("--denied", default="", help="actions the client lacks, by comma")
    a.add_argument("--blob", action="append", default=[], metavar="ACCOUNT=URL,KEY", help="a storage account elsewhere")
    a.add_argument("--memory", type=int, default=512, help="MiB a machine gets at most")
    a.add_argument("--smp", type=int, default=1, help="processors a machine gets at most")
    a.add_argument("--kvm-kernel", help="try KVM with this kernel, and use it if it boots")
    a.add_argument("--graceful", type=float, default=5.0, help="seconds a machine has to shut down")
    a.add_argument("--worker", help="a machine is this program, wherry-worker, and no QEMU")
    a.add_argument("--faults", help="JSON list of rules")
    a.add_argument("--verbose", action="store_true")
    return a.parse_intermixed_args()


def complete(options):
    """The options, with what follows from them."""
    options.subscription, options.tenant, options.client_id = SUBSCRIPTION, "adfs" if options.hub else TENANT, CLIENT
    options.locations = options.locations.split(",")
    options.location = "local" if options.hub else options.location
    options.zones = [] if options.hub else ["1", "2", "3"]
    options.ports = [int(p) for p in options.ports.split(",")]
    options.denied = [d for d in options.denied.split(",") if d]
    options.blobs = {}
    for text in options.blob:
        name, rest = text.split("=", 1)
        url, key = rest.rsplit(",", 1)
        options.blobs[name] = {"url": url, "key": key}
    options.imds = os.path.join(options.folder, "imds.sock")
    options.accel = "kvm" if options.kvm_kernel and qemu.probe_kvm(options.kvm_kernel) else "tcg"
    options.guest = host_worker.maker(options.worker) if options.worker else qemu.Guest
    return options


def write_env(options, ca):
    names = {"ARM_ENDPOINT": options.url, "AZURE_AUTHORITY_HOST": options.url, "SSL_CERT_FILE": ca,
             "AZURE_TENANT_ID": options.tenant, "AZURE_CLIENT_ID": options.client_id,
             "AZURE_CLIENT_SECRET": options.client_secret, "AZURE_SUBSCRIPTION_ID": options.subscription}
    if options.hub:              # clients find AD FS by themselves, through /metadata/endpoints
        del names["AZURE_AUTHORITY_HOST"]
    with open(os.path.join(options.folder, "env"), "w", encoding="ascii") as file:
        file.writelines(f"export {name}='{value}'\n" for name, value in names.items())


def rules_of(options):
    if options.faults:
        with open(options.faults, encoding="utf-8") as file:
            return [Rule(**r) for r in json.load(file)]
    return []


def serve(options):
    options.folder = os.path.abspath(options.folder)
    os.makedirs(options.folder, mode=0o700, exist_ok=True)
    ca, cert, key = certs.make(options.folder, [options.host, "localhost"])
    cloud = Cloud(complete(options))
    tokens = Tokens(cloud)
    api = ArmApi(cloud, tokens)
    routes = Routes(cloud, api, tokens, DiskStorage(cloud))
    faults = routes.faults = Faults(cloud, tokens, rules_of(options))
    server = Server((options.host, options.port), cloud, routes, faults, Recorder(os.path.join(options.folder, "records")),
                    certs.context(cert, key))
    options.url = f"https://{options.host}:{server.server_address[1]}"
    if os.path.exists(options.imds):
        os.unlink(options.imds)
    metadata = Imds(options.imds, cloud, tokens)
    plant(api, options.seed_file)
    threading.Thread(target=metadata.serve_forever, daemon=True).start()
    write_env(options, ca)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    ready = os.path.join(options.folder, "ready")
    with open(ready + ".new", "w", encoding="ascii") as file:
        file.write(options.url + "\n")
    os.rename(ready + ".new", ready)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        cloud.closing.set()
        for res in cloud.resources.values():
            if res.own.get("guest"):
                res.own["guest"].stop()
        os.unlink(os.path.join(options.folder, "ready"))


def ask(options):
    with open(os.path.join(options.folder, "ready"), encoding="ascii") as file:
        url = file.read().strip()
    data = None
    if options.command in ("rules", "schedule") and options.words:
        with open(options.words[0], "rb") as file:
            data = file.read()
    if options.command == "type":
        data = json.dumps(dict(zip(("machine", "line"), options.words))).encode()
    tls = ssl.create_default_context(cafile=os.path.join(options.folder, "ca.pem"))
    request = urllib.request.Request(f"{url}/_fake/{options.command}", data=data, method="PUT" if data else "GET")
    with urllib.request.urlopen(request, context=tls, timeout=30) as reply:
        text = reply.read().decode()
    sys.stdout.write(text if options.command == "inventory" else json.dumps(json.loads(text), indent=1) + "\n")


def main():
    options = arguments()
    serve(options) if options.command == "serve" else ask(options)


main()
