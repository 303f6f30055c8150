# SPDX-License-Identifier: Apache-2.0
"""The whole test cloud as a client sees it, over TLS; no machine is booted: --worker is `sleep`'s stand-in."""
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
VM, DISK, NET, GALLERY = "2024-07-01", "2024-03-02", "2024-05-01", "2024-03-03"
SEED = [
    {"path": "~/resourceGroups/rg", "body": {"location": "westeurope"}},
    {"path": "~/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net", "body": {"location": "westeurope", "properties": {
        "addressSpace": {"addressPrefixes": ["10.20.0.0/16"]},
        "subnets": [{"name": "a", "properties": {"addressPrefix": "10.20.1.0/24"}}]}}},
    {"path": "~/resourceGroups/rg/providers/Microsoft.Compute/disks/os", "data": "os.raw", "body": {
        "location": "westeurope", "properties": {"osType": "Linux", "creationData": {"createOption": "Empty"}}}},
    {"path": "~/resourceGroups/rg/providers/Microsoft.Compute/disks/data", "data": "data.raw", "body": {
        "location": "westeurope", "properties": {"creationData": {"createOption": "Empty"}}}},
]


class Cloud:
    """A running test cloud and a client of it."""

    def __init__(self, *args):
        self.home = tempfile.TemporaryDirectory()
        for name in ("os.raw", "data.raw"):
            with open(os.path.join(self.home.name, name), "wb") as file:
                file.truncate(4 << 20)
                file.write(name.encode() * 1000)
        seed = os.path.join(self.home.name, "seed.json")
        with open(seed, "w", encoding="ascii") as file:
            json.dump(SEED, file)
        self.folder = os.path.join(self.home.name, "cloud")
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "arm.py"), "serve", "--folder", self.folder, "--scale",
                                         "0.02", "--seed-file", seed, "--worker", "/bin/false", *args])
        while not os.path.exists(os.path.join(self.folder, "ready")):
            if self.process.poll() is not None:
                raise SystemExit("the test cloud did not start")
            time.sleep(0.05)
        with open(os.path.join(self.folder, "env"), encoding="ascii") as file:
            self.env = dict(line.removeprefix("export ").strip().replace("'", "").split("=", 1) for line in file)
        self.url, self.tls = self.env["ARM_ENDPOINT"], ssl.create_default_context(cafile=os.path.join(self.folder, "ca.pem"))
        self.group = f"/subscriptions/{self.env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/rg"
        self.token = self.login(client_secret=self.env["AZURE_CLIENT_SECRET"])[1].get("access_token")

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.home.cleanup()

    def raw(self, method, url, body=None, headers=None):
        """(status, body, headers); status 0: no answer."""
        request = urllib.request.Request(url if url.startswith("http") else self.url + url, method=method, data=body,
                                         headers=headers or {})
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=20) as reply:
                return reply.status, reply.read(), reply.headers
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read(), refusal.headers
        except (http.client.RemoteDisconnected, ConnectionError, urllib.error.URLError):
            return 0, b"", {}

    def login(self, **proof):
        form = {"grant_type": "client_credentials", "client_id": self.env["AZURE_CLIENT_ID"], "scope": self.url + "/.default", **proof}
        status, body, _ = self.raw("POST", f"/{self.env['AZURE_TENANT_ID']}/oauth2/v2.0/token", urllib.parse.urlencode(form).encode())
        return status, json.loads(body) if body else {}

    def call(self, method, path, version, body=None, **headers):
        url = path if path.startswith("http") else f"{path if path.startswith('/') else self.id(path)}?api-version={version}"
        status, answer, back = self.raw(method, url, None if body is None else json.dumps(body).encode(),
                                        {"Authorization": "Bearer " + self.token, "Content-Type": "application/json",
                                         **{k.replace("_", "-"): v for k, v in headers.items()}})
        return status, json.loads(answer) if answer else {}, back

    def id(self, name):
        space = "Network" if name.split("/")[0] in ("networkInterfaces", "publicIPAddresses", "networkSecurityGroups",
                                                    "virtualNetworks") else "Compute"
        return f"{self.group}/providers/Microsoft.{space}/{name}"

    def do(self, method, path, version, body=None, **headers):
        """The call and its operation to the end: (its status, the operation's)."""
        status, answer, back = self.call(method, path, version, body, **headers)
        while "Azure-AsyncOperation" in back:
            poll = self.call("GET", back["Azure-AsyncOperation"], version)[1]
            if poll["status"] != "InProgress":
                return status, poll["status"], self.call("GET", back["Location"], version)[1] if method == "POST" else poll
            time.sleep(0.02)
        return status, answer.get("error", {}).get("code", "") if isinstance(answer, dict) else "", answer

    def rules(self, *rules):
        self.raw("PUT", "/_fake/rules", json.dumps(rules).encode())

    def inventory(self):
        return self.raw("GET", "/_fake/inventory")[1].decode()


def empty(gib=1):
    return {"location": "westeurope", "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": gib}}


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud("--page-size", "2")
        cls.addClassCleanup(cls.cloud.close)

    def setUp(self):
        self.cloud.rules()
        self.addCleanup(self.cloud.rules)
        before = self.cloud.inventory()
        self.addCleanup(lambda: self.assertEqual(self.cloud.inventory(), before))

    def remove(self, *names):
        for name in names:
            version = NET if "Network" in self.cloud.id(name) else VM if name.startswith("virtual") else DISK
            self.assertIn(self.cloud.do("DELETE", name, version)[:2], [(202, "Succeeded"), (204, "")], name)

    # ---- who may

    def test_a_call_without_or_with_an_old_token_is_refused(self):
        status, _, headers = self.cloud.raw("GET", f"{self.cloud.group}?api-version=2021-04-01")
        self.assertEqual((status, headers["WWW-Authenticate"].split(" ")[0]), (401, "Bearer"))
        self.cloud.rules({"call": "GET resourceGroups", "fault": "token-expired"})
        self.assertEqual(self.cloud.do("GET", self.cloud.group, "2021-04-01")[:2], (401, "ExpiredAuthenticationToken"))
        self.cloud.token = self.cloud.login(client_secret=self.cloud.env["AZURE_CLIENT_SECRET"])[1]["access_token"]

    def test_login_by_each_proof(self):
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        with open(os.path.join(self.cloud.folder, "federated-token"), "w", encoding="ascii") as file:
            file.write("eyJ.of.kubernetes")
        self.assertEqual(self.cloud.login(client_assertion_type=kind, client_assertion="eyJ.of.kubernetes")[0], 200)
        self.assertEqual(self.cloud.login(client_assertion_type=kind, client_assertion="e30.e30.another")[0], 401)
        self.assertEqual(self.cloud.login(client_secret="wrong")[0], 401)

    # ---- what is refused

    def test_wrong_words_are_refused(self):
        for body, version, code in [({"location": "x"}, DISK, "InvalidParameter"), (empty(), "2019-01-01", "NoRegisteredProviderFound"),
                                    ({**empty(), "sky": 1}, DISK, "InvalidRequestContent")]:
            self.assertEqual(self.cloud.do("PUT", "disks/w", version, body)[:2], (400, code))
        self.assertEqual(self.cloud.do("GET", "clouds/w", DISK)[0], 404)

    def test_a_lock_stops_deletion_and_a_read_only_one_all(self):
        lock = self.cloud.id("disks/data") + "/providers/Microsoft.Authorization/locks/l"
        self.cloud.do("PUT", lock, "2016-09-01", {"properties": {"level": "CanNotDelete"}})
        self.assertEqual(self.cloud.do("DELETE", "disks/data", DISK)[:2], (409, "ScopeLocked"))
        self.assertEqual(self.cloud.do("PATCH", "disks/data", DISK, {"tags": {}})[0], 200)
        self.cloud.do("PUT", lock, "2016-09-01", {"properties": {"level": "ReadOnly"}})
        self.assertEqual(self.cloud.do("PATCH", "disks/data", DISK, {"tags": {}})[:2], (409, "ScopeLocked"))
        self.assertEqual(self.cloud.do("DELETE", lock, "2016-09-01")[0], 200)

    def test_lists_come_in_pages(self):
        for n in range(3):
            self.cloud.do("PUT", f"disks/p{n}", DISK, empty())
        names, url, pages = [], self.cloud.id("disks"), 0
        while url:
            body = self.cloud.call("GET", url, DISK)[1]
            names, url, pages = names + [d["name"] for d in body["value"]], body.get("nextLink"), pages + 1
        self.assertEqual((names, pages), (["data", "os", "p0", "p1", "p2"], 3))
        self.remove("disks/p0", "disks/p1", "disks/p2")

    # ---- faults

    def test_refusals_instead_of_the_call_leave_nothing(self):
        for fault, status in [("429", 429), ("500", 500), ("504", 504), ("403", 403)]:
            self.cloud.rules({"call": "PUT disks", "fault": fault, "retry_after": 3})
            got, _, headers = self.cloud.call("PUT", "disks/f", DISK, empty())
            self.assertEqual((got, headers.get("Retry-After")), (status, "3" if fault == "429" else None))
            self.assertEqual(self.cloud.do("GET", "disks/f", DISK)[0], 404)

    def test_a_lost_reply_was_done(self):
        for fault, status in [("lost", 0), ("504-done", 504)]:
            self.cloud.rules({"call": "PUT disks", "fault": fault})
            self.assertEqual(self.cloud.do("PUT", "disks/f", DISK, empty())[0], status)
            self.assertEqual(self.cloud.do("GET", "disks/f", DISK)[0], 200)
            self.remove("disks/f")

    def test_a_late_resource_is_seen_later(self):
        self.cloud.rules({"call": "PUT disks", "fault": "late", "reads": 2})
        self.cloud.do("PUT", "disks/f", DISK, empty())
        self.assertEqual([self.cloud.do("GET", "disks/f", DISK)[0] for _ in range(3)], [404, 404, 200])
        self.remove("disks/f")

    def test_a_failed_operation_leaves_a_failed_resource(self):
        self.cloud.rules({"call": "PUT disks", "fault": "failed"}, {"call": "DELETE disks", "fault": "failed-delete"})
        self.assertEqual(self.cloud.do("PUT", "disks/f", DISK, empty())[:2], (202, "Failed"))
        self.assertEqual(self.cloud.call("GET", "disks/f", DISK)[1]["properties"]["provisioningState"], "Failed")
        self.assertEqual(self.cloud.do("DELETE", "disks/f", DISK)[:2], (202, "Failed"))
        self.assertEqual(self.cloud.do("PUT", "disks/f", DISK, empty())[:2], (202, "Succeeded"))
        self.remove("disks/f")

    def test_a_refused_delete_is_refused_n_times(self):
        self.cloud.do("PUT", "disks/f", DISK, empty())
        self.cloud.rules({"call": "DELETE disks", "fault": "409", "times": 2})
        self.assertEqual([self.cloud.do("DELETE", "disks/f", DISK)[0] for _ in range(4)], [409, 409, 202, 204])

    def test_the_client_of_a_call_is_killed_after_it(self):
        self.cloud.rules({"call": "*", "fault": "kill", "mutating": True, "nth": 1})
        request = ["curl", "-s", "--cacert", os.path.join(self.cloud.folder, "ca.pem"), "-X", "PUT", "-H", "Authorization: Bearer "
                   + self.cloud.token, "-d", json.dumps(empty()), f"{self.cloud.url}{self.cloud.id('disks/k')}?api-version={DISK}"]
        self.assertEqual(subprocess.run(request, check=False).returncode, -9)
        self.assertEqual(self.cloud.do("GET", "disks/k", DISK)[0], 200)
        self.remove("disks/k")

    # ---- disks

    def snapshot(self, name, disk="data"):
        self.assertEqual(self.cloud.do("PUT", f"snapshots/{name}", DISK, {"location": "westeurope", "properties": {
            "incremental": True, "creationData": {"createOption": "Copy", "sourceResourceId": self.cloud.id(f"disks/{disk}")}}})[:2],
            (202, "Succeeded"))

    def access(self, what, access="Read", seconds=60):
        return self.cloud.do("POST", f"{what}/beginGetAccess", DISK, {"access": access, "durationInSeconds": seconds})[2]["accessSAS"]

    def test_a_signed_url_lives_as_long_as_it_was_given(self):
        self.snapshot("s")
        self.cloud.rules({"call": "POST snapshots/beginGetAccess", "fault": "sas-short", "seconds": 1})
        url = self.access("snapshots/s")
        self.assertEqual(self.cloud.raw("GET", url, headers={"x-ms-range": "bytes=0-511"})[0], 206)
        self.assertEqual(self.cloud.do("DELETE", "snapshots/s", DISK)[0], 409)
        time.sleep(1.1)
        self.assertEqual(self.cloud.raw("GET", url, headers={"x-ms-range": "bytes=0-511"})[0], 403)
        self.remove("snapshots/s")

    def test_the_difference_of_snapshots_is_what_was_written(self):
        file = json.loads(self.cloud.raw("GET", "/_fake/files")[1])[self.cloud.id("disks/data")]
        self.snapshot("s1")
        with open(file, "r+b") as disk:
            disk.seek(2 << 20)
            disk.write(b"new")
        self.snapshot("s2")
        urls = {n: self.access(f"snapshots/{n}") for n in ("s1", "s2")}
        answer = self.cloud.raw("GET", urls["s2"] + "&comp=pagelist", headers={"x-ms-version": "2020-10-02",
                                                                             "x-ms-previous-snapshot-url": urls["s1"]})[1]
        self.assertIn(b"<PageList><PageRange><Start>2097152</Start><End>2162687</End></PageRange><NextMarker /></PageList>", answer)
        for name in urls:
            self.cloud.do("POST", f"snapshots/{name}/endGetAccess", DISK)
        self.remove("snapshots/s1", "snapshots/s2")

    def state(self, what):
        return self.cloud.call("GET", what, DISK)[1]["properties"]["diskState"]

    def test_pages_are_taken_with_their_limits(self):
        self.cloud.do("PUT", "disks/up", DISK, {"location": "westeurope", "properties": {"creationData": {
            "createOption": "Upload", "uploadSizeBytes": (20 << 20) + 512}}})
        self.assertEqual(self.state("disks/up"), "ReadyToUpload")
        copy = {"location": "westeurope", "properties": {"creationData": {"createOption": "Copy", "sourceResourceId": self.cloud.id("disks/up")}}}
        self.assertEqual(self.cloud.do("PUT", "snapshots/early", DISK, copy)[0], 409)
        self.assertEqual(self.cloud.do("PUT", "disks/small", DISK, {"location": "westeurope", "properties": {"creationData": {
            "createOption": "Upload", "uploadSizeBytes": (8 << 20) + 512}}})[0], 400)
        url = self.access("disks/up", "Write") + "&comp=page"
        self.assertEqual(self.state("disks/up"), "ActiveUpload")

        def put(data, start, length, **headers):
            return self.cloud.raw("PUT", url, data, {"x-ms-range": f"bytes={start}-{start + length - 1}", "x-ms-page-write": "update",
                                                     **headers})[0]
        self.assertEqual(put(bytes(512), 0, 512), 201)
        self.assertEqual(put(bytes(4 << 20), 0, 4 << 20), 201)
        self.assertEqual(put(bytes((4 << 20) + 512), 0, (4 << 20) + 512), 413)
        self.assertEqual(put(bytes(100), 0, 100), 416)
        self.assertEqual(put(bytes(512), 0, 512, **{"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}), 400)
        self.cloud.do("POST", "disks/up/endGetAccess", DISK)
        self.assertEqual(self.state("disks/up"), "Unattached")
        self.remove("disks/up")

    def test_a_disk_grows_and_does_not_shrink(self):
        self.cloud.do("PUT", "disks/g", DISK, empty(1))
        self.assertEqual(self.cloud.do("PATCH", "disks/g", DISK, {"properties": {"diskSizeGB": 2}})[1], "Succeeded")
        self.assertEqual(self.cloud.do("PUT", "disks/g", DISK, empty(3))[:2], (202, "Succeeded"))
        self.assertEqual(self.cloud.do("PUT", "disks/g", DISK, empty(2))[:2], (400, "ResizeDiskError"))
        self.assertEqual(self.cloud.call("GET", "disks/g", DISK)[1]["properties"]["diskSizeBytes"], 3 << 30)
        file = json.loads(self.cloud.raw("GET", "/_fake/files")[1])[self.cloud.id("disks/g")]
        self.assertEqual(os.path.getsize(file), 3 << 30)
        self.remove("disks/g")

    # ---- machines

    def interface(self, name):
        self.assertEqual(self.cloud.do("PUT", f"networkInterfaces/{name}", NET, {"location": "westeurope", "properties": {
            "ipConfigurations": [{"name": "c", "properties": {"subnet": {"id": self.cloud.id("virtualNetworks/net/subnets/a")}}}]}})[1],
            "Succeeded")

    def machine(self, name, nic, size="Standard_D2s_v3", data=("data",), **headers):
        return self.cloud.do("PUT", f"virtualMachines/{name}", VM, {"location": "westeurope", "properties": {
            "hardwareProfile": {"vmSize": size}, "networkProfile": {"networkInterfaces": [{"id": self.cloud.id(nic)}]},
            "storageProfile": {"osDisk": {"createOption": "Attach", "osType": "Linux", "managedDisk": {"id": self.cloud.id("disks/os")}},
                               "dataDisks": [{"lun": lun, "createOption": "Attach", "managedDisk": {"id": self.cloud.id(f"disks/{name}")}}
                                             for lun, name in enumerate(data)]}}}, **headers)[:2]

    def test_a_machine_takes_as_many_disks_as_its_size(self):
        names = ("data", "x", "y")
        self.interface("n")
        for name in names[1:]:
            self.cloud.do("PUT", f"disks/{name}", DISK, empty())
        self.assertEqual(self.machine("m", "networkInterfaces/n", "Standard_B1s", names), (409, "OperationNotAllowed"))
        self.assertEqual(self.machine("m", "networkInterfaces/n", "Standard_B1s", names[:2]), (201, "Succeeded"))
        self.assertEqual(self.machine("m", "networkInterfaces/n", "Standard_B1s", names), (409, "OperationNotAllowed"))
        self.remove("virtualMachines/m", "networkInterfaces/n", "disks/x", "disks/y")

    def test_a_machine_holds_its_disks_and_interface(self):
        self.interface("n")
        self.assertEqual(self.machine("m", "networkInterfaces/n", If_None_Match="*"), (201, "Succeeded"))
        self.assertEqual(self.machine("m", "networkInterfaces/n", If_None_Match="*"), (412, "PreconditionFailed"))
        self.assertEqual(self.machine("other", "networkInterfaces/n")[0], 409)
        self.assertEqual(self.cloud.do("DELETE", "disks/data", DISK)[:2], (409, "OperationNotAllowed"))
        self.assertEqual(self.cloud.do("DELETE", "networkInterfaces/n", NET)[:2], (400, "NicInUse"))
        self.assertEqual(self.cloud.call("GET", "disks/data", DISK)[1]["properties"]["diskState"], "Attached")
        self.assertEqual(self.cloud.do("POST", "virtualMachines/m/deallocate", VM)[1], "Succeeded")
        self.assertEqual(self.cloud.call("GET", "disks/data", DISK)[1]["properties"]["diskState"], "Reserved")
        self.remove("virtualMachines/m", "networkInterfaces/n")

    def test_a_restore_point_has_every_disk_at_one_instant(self):
        self.interface("n")
        self.machine("m", "networkInterfaces/n")
        points = "restorePointCollections/c"
        self.assertEqual(self.cloud.do("PUT", points, VM, {"location": "westeurope", "properties": {
            "source": {"id": self.cloud.id("virtualMachines/m")}}})[0], 201)
        self.assertEqual(self.cloud.do("PUT", points + "/restorePoints/p", VM, {"properties": {}})[:2], (201, "Succeeded"))
        point = self.cloud.call("GET", points + "/restorePoints/p", VM)[1]["properties"]["sourceMetadata"]["storageProfile"]
        source = point["dataDisks"][0]["diskRestorePoint"]["id"]
        for option, answer in (("Copy", (400, "InvalidParameter")), ("Restore", (202, "Succeeded"))):
            self.assertEqual(self.cloud.do("PUT", "disks/back", DISK, {"location": "westeurope", "properties": {"creationData": {
                "createOption": option, "sourceResourceId": source}}})[:2], answer)
        self.assertEqual(self.cloud.do("POST", source + "/beginGetAccess", DISK, {"access": "Read", "durationInSeconds": 60})[0], 202)
        self.assertEqual(self.cloud.do("DELETE", points, VM)[0], 409)
        self.cloud.do("POST", source + "/endGetAccess", DISK)
        self.assertEqual(self.cloud.do("DELETE", points, VM)[:2], (202, "Succeeded"))
        self.remove("disks/back", "virtualMachines/m", "networkInterfaces/n")

    def test_a_gallery_version_is_replicated_to_each_region(self):
        where = {"location": "westeurope"}
        self.cloud.do("PUT", "galleries/g", GALLERY, where)
        self.cloud.do("PUT", "galleries/g/images/i", GALLERY, {**where, "properties": {
            "osType": "Linux", "osState": "Specialized", "identifier": {"publisher": "p", "offer": "o", "sku": "s"}}})
        self.assertEqual(self.cloud.do("PUT", "galleries/g/images/i/versions/1.0.0", GALLERY, {**where, "properties": {
            "publishingProfile": {"targetRegions": [{"name": "westeurope"}, {"name": "northeurope"}]},
            "storageProfile": {"osDiskImage": {"source": {"id": self.cloud.id("disks/os")}}}}})[:2], (201, "Succeeded"))
        url = self.cloud.url + self.cloud.id("galleries/g/images/i/versions/1.0.0")
        status = self.cloud.call("GET", url + f"?api-version={GALLERY}&$expand=ReplicationStatus", GALLERY)[1]
        self.assertEqual([r["state"] for r in status["properties"]["replicationStatus"]["summary"]], ["Completed"] * 2)
        self.assertEqual({r["region"] for r in status["properties"]["replicationStatus"]["summary"]}, {"West Europe", "North Europe"})
        self.assertEqual(self.cloud.do("DELETE", "galleries/g", GALLERY)[:2], (409, "CannotDeleteResource"))
        for name in ("galleries/g/images/i/versions/1.0.0", "galleries/g/images/i", "galleries/g"):
            self.assertEqual(self.cloud.do("DELETE", name, GALLERY)[1], "Succeeded")

    def test_a_version_gets_regions_after_its_source_is_gone_and_disks_there_only(self):
        where = {"location": "westeurope"}
        self.cloud.do("PUT", "galleries/r", GALLERY, where)
        self.cloud.do("PUT", "galleries/r/images/i", GALLERY, {**where, "properties": {
            "osType": "Linux", "osState": "Specialized", "identifier": {"publisher": "p", "offer": "o", "sku": "r"}}})
        self.cloud.do("PUT", "disks/d", DISK, empty(1))

        def version(*regions, source="disks/d", name="1.0.0"):
            return self.cloud.do("PUT", f"galleries/r/images/i/versions/{name}", GALLERY, {**where, "properties": {
                "publishingProfile": {"targetRegions": [{"name": r} for r in regions]},
                "storageProfile": {"osDiskImage": {"source": {"id": self.cloud.id(source)}}}}})[:2]

        def disk(location):
            made = self.cloud.do("PUT", f"disks/of-{location}", DISK, {"location": location, "properties": {"creationData": {
                "createOption": "FromImage", "galleryImageReference": {"id": self.cloud.id("galleries/r/images/i/versions/1.0.0")}}}})[:2]
            self.cloud.do("DELETE", f"disks/of-{location}", DISK)
            return made
        self.assertEqual(version("westeurope", source="disks/none", name="2.0.0")[0], 404)
        self.assertEqual(version("northeurope")[0], 400)
        self.assertEqual(version("westeurope"), (201, "Succeeded"))
        self.assertEqual(disk("northeurope"), (404, "GalleryImageNotFound"))
        self.remove("disks/d")
        self.assertEqual(version("West Europe", "North Europe"), (200, "Succeeded"))
        self.assertEqual(disk("northeurope"), (202, "Succeeded"))
        self.assertEqual(version("westeurope", source="disks/os"), (409, "PropertyChangeNotAllowed"))
        self.assertEqual(version("West Europe"), (200, "Succeeded"))
        self.assertEqual(disk("northeurope")[0], 404)
        for name in ("galleries/r/images/i/versions/1.0.0", "galleries/r/images/i", "galleries/r"):
            self.cloud.do("DELETE", name, GALLERY)


class Killed(unittest.TestCase):
    def children(self):
        """Processes of the cloud, by the kernel's list."""
        out = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                words = file.read().rsplit(")", 1)[1].split()
                if int(words[1]) == self.cloud.process.pid:
                    out.append(int(pid))
        return out

    def lives(self, pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        return False

    def test_no_machine_outlives_a_cloud_that_was_killed(self):
        self.cloud = Cloud()
        self.addCleanup(self.cloud.close)
        Live.interface(self, "n")
        self.assertEqual(Live.machine(self, "m", "networkInterfaces/n")[1], "Succeeded")
        machines = self.children()
        self.assertGreaterEqual(len(machines), 2)        # the machine, and who watches over it
        self.cloud.process.kill()
        for _ in range(1000):
            if not any(self.lives(pid) for pid in machines):
                return
            time.sleep(0.01)
        self.fail(f"still there: {[pid for pid in machines if self.lives(pid)]}")


if __name__ == "__main__":
    unittest.main()
