# SPDX-License-Identifier: Apache-2.0
"""Virtual machines: what a PUT must fulfil, power, disks by LUN, boot diagnostics. The machine itself is a Guest
(qemu.py) or a worker process (host_worker.py)."""
import base64
import binascii
import contextlib
import os
import secrets
import uuid

import access
import disks
import network
import sizes
from errors import ArmError, bad, conflict
from hooks import Hooks, register, utc
from shapes import values_at
from table import BY_TYPE, DISK_IDS, NIC_IDS
from web import Reply

OS_LUN = -1
USER_DATA_MAX = 65536


def guest_of(vm):
    return vm.own.get("guest")


def is_running(cloud, vm):
    return guest_of(vm) is not None and guest_of(vm).alive()


def is_allocated(cloud, vm):
    return vm.own.get("power") in ("running", "stopped")


def power_state(cloud, vm):
    """A guest that powered itself off is stopped: still allocated, still paid for."""
    power = vm.own.get("power", "deallocated")
    return "stopped" if power == "running" and not is_running(cloud, vm) else power


@contextlib.contextmanager
def frozen(cloud, disk):
    """Within, no machine writes this disk."""
    with contextlib.ExitStack() as stack:
        for vm in cloud.users(disk.id):
            if is_running(cloud, vm):
                stack.enter_context(guest_of(vm).frozen())
        yield


@register("Microsoft.Compute/virtualMachines")
class Machines(Hooks):
    def prepare(self, cloud, rid, body, old):
        props = body["properties"]
        storage = props.setdefault("storageProfile", {})
        size = self.size(cloud, props.get("hardwareProfile", {}).get("vmSize", ""))
        self.check_disks(cloud, rid, body, size, old)
        self.check_interfaces(cloud, rid, props)
        if old is None:
            self.check_quota(cloud, size)
        self.check_words(props, storage)
        name = rid.rsplit("/", 1)[1]
        if storage["osDisk"]["createOption"] == "FromImage" and "managedDisk" not in storage["osDisk"]:
            self.make_os_disk(cloud, rid, body)
        elif "managedDisk" in storage["osDisk"]:
            storage["osDisk"].setdefault("name", storage["osDisk"]["managedDisk"].get("id", name).rsplit("/", 1)[-1])
        for ref in [storage["osDisk"], *storage.setdefault("dataDisks", [])]:
            ref.setdefault("caching", "None")
            if "managedDisk" in ref and "id" in ref["managedDisk"]:
                ref["managedDisk"].setdefault("storageAccountType", cloud.get(ref["managedDisk"]["id"]).body["sku"]["name"])
                ref.setdefault("name", ref["managedDisk"]["id"].rsplit("/", 1)[1])
        props["vmId"] = old.properties["vmId"] if old else str(uuid.uuid4())
        props.setdefault("timeCreated", old.properties["timeCreated"] if old else utc())
        if "identity" in body:
            body["identity"].update(principalId=str(uuid.uuid4()), tenantId=cloud.options.tenant)

    def size(self, cloud, name):
        size = sizes.BY_NAME.get(name.lower())
        if size is None or size not in sizes.offered(cloud.hub):
            raise bad(f"The value {name} provided for the VM size is not valid.", "vmSize")
        if size.restricted:
            raise ArmError(409, "SkuNotAvailable", f"The requested VM size {name} is not available in location "
                           f"'{cloud.options.location}'.")
        return size

    def check_disks(self, cloud, rid, body, size, old):
        storage = body["properties"]["storageProfile"]
        if "osDisk" not in storage:
            raise bad("Required parameter 'osDisk' is missing (null).", "osDisk")
        data = storage.get("dataDisks", [])
        luns = [d["lun"] for d in data]
        if len(set(luns)) != len(luns) or any(not 0 <= lun < 64 for lun in luns):
            raise bad("A LUN is used twice or is not between 0 and 63.", "dataDisk.lun")
        if len(data) > size.data_disks:
            raise conflict("The maximum number of data disks allowed to be attached to a VM of this size is "
                           f"{size.data_disks}.")
        for disk in (cloud.get(i) for path in DISK_IDS for i in values_at(body, path)):
            others = [u for u in cloud.users(disk.id) if u.id.lower() != rid.lower()]
            for user in others:
                if len(others) >= disk.properties.get("maxShares", 1):
                    raise conflict(f"Disk {disk.name} cannot be attached as it is attached to VM {user.id}.",
                                   "AttachDiskWhileBeingDetached" if user.deleting else "ConflictingUserInput")
            if access.live(cloud, disk) or disk.own.get("upload"):
                raise conflict(f"Disk {disk.name} has an active shared access signature or waits for an upload.")
            self.check_zone(body, disk)

    def check_zone(self, body, disk):
        wanted, has = body.get("zones", []), disk.body.get("zones", [])
        if has and wanted != has:
            raise bad(f"Disk {disk.id} is in zone {has}, the virtual machine in {wanted or 'none'}: they must be the same.",
                      "zones", "BadRequest")

    def check_interfaces(self, cloud, rid, props):
        refs = props.get("networkProfile", {}).get("networkInterfaces", [])
        if not refs:
            raise bad("Virtual Machine must have at least one network interface.", "networkProfile", "NetworkProfileMissing")
        if len(refs) > 1 and sum(1 for r in refs if r.get("properties", {}).get("primary")) != 1:
            raise bad("One network interface must be primary.", code="VirtualMachineMustHaveOneNetworkInterfaceAsPrimary")
        for ref in refs:
            nic = cloud.get(ref["id"])
            for user in cloud.users(nic.id):
                if user.id.lower() != rid.lower():
                    raise ArmError(400, "NicInUse", f"Network Interface {nic.id} is used by existing resource {user.id}.")
            network.refuse_reserved(cloud, nic, rid)

    def check_quota(self, cloud, size):
        used = sum(self.size(cloud, v.properties["hardwareProfile"]["vmSize"]).cores
                   for v in cloud.of_kind("Microsoft.Compute/virtualMachines"))
        if used + size.cores > cloud.options.cores:
            raise ArmError(409, "OperationNotAllowed", "Operation could not be completed as it results in exceeding approved "
                           f"Total Regional Cores quota. Current Limit: {cloud.options.cores}, Current Usage: {used}, "
                           f"Additional Required: {size.cores}.")

    def check_words(self, props, storage):
        if storage["osDisk"]["createOption"] == "Attach":
            if not storage["osDisk"].get("managedDisk", {}).get("id") and "vhd" not in storage["osDisk"]:
                raise bad("Required parameter 'osDisk.managedDisk.id' is missing (null).", "osDisk.managedDisk.id")
            if "osProfile" in props:
                raise bad("Parameter 'osProfile' is not allowed.", "osProfile")
        elif not storage.get("imageReference"):
            raise bad("Required parameter 'imageReference' is missing (null).", "imageReference")
        try:
            if len(base64.b64decode(props.get("userData", ""), validate=True)) > USER_DATA_MAX:
                raise bad("userData is longer than 64 KB.", "userData")
        except binascii.Error:
            raise bad("userData should be base64 encoded.", "userData") from None

    def make_os_disk(self, cloud, rid, body):
        storage, group = body["properties"]["storageProfile"], "/".join(rid.split("/")[:5])
        ref = storage["imageReference"].get("id")
        if not ref:
            raise ArmError(404, "PlatformImageNotFound", "The platform image is not available. Verify that all fields in the "
                           "storage profile are correct.")
        image = cloud.get(ref)
        path = disks.image_file(cloud, image)
        specialized = "osProfile" not in body["properties"]
        if specialized != (image.own.get("os_state", "Specialized") == "Specialized"):
            raise bad("Parameter 'osProfile' goes with generalized images, and only with them.", "osProfile")
        name = storage["osDisk"].get("name") or f"{rid.rsplit('/', 1)[1]}_OsDisk_1_{secrets.token_hex(8)}"
        size = os.path.getsize(path)
        disk = cloud.make(f"{group}/providers/Microsoft.Compute/disks/{name}", BY_TYPE["microsoft.compute/disks"], {
            "location": body["location"], "tags": body.get("tags", {}), "zones": body.get("zones"),
            "sku": {"name": storage["osDisk"].get("managedDisk", {}).get("storageAccountType", "Standard_LRS"),
                    "tier": "Standard"},
            "properties": {"creationData": {"createOption": "FromImage", "imageReference": {"id": ref}}, "osType": "Linux",
                           "hyperVGeneration": image.own.get("generation", "V1"), "diskSizeBytes": size,
                           "diskSizeGB": -(-size // disks.GIB), "uniqueId": str(uuid.uuid4()), "timeCreated": utc(),
                           "encryption": {"type": "EncryptionAtRestWithPlatformKey"}, "networkAccessPolicy": "AllowAll"}})
        disk.body = {k: v for k, v in disk.body.items() if v is not None}
        disks.copy_sparse(path, disks.file_of(cloud, disk))
        disk.properties["provisioningState"] = "Succeeded"
        storage["osDisk"].setdefault("managedDisk", {})["id"] = disk.id
        storage["osDisk"]["name"] = name

    # ---- the machine itself

    def wanted_disks(self, cloud, vm):
        """{lun: file}"""
        storage = vm.properties["storageProfile"]
        out = {OS_LUN: disks.file_of(cloud, cloud.get(storage["osDisk"]["managedDisk"]["id"]))}
        for ref in storage.get("dataDisks", []):
            if ref.get("managedDisk", {}).get("id") and not ref.get("toBeDetached"):
                out[ref["lun"]] = disks.file_of(cloud, cloud.get(ref["managedDisk"]["id"]))
        return out

    def work(self, cloud, vm, new):
        try:
            if new and cloud.cold:
                vm.own["power"] = "deallocated"
            elif new:
                self.boot(cloud, vm)
            elif is_running(cloud, vm):
                self.plug(cloud, vm)
        except OSError as problem:
            raise ArmError(409, "OSProvisioningInternalError", f"The machine {vm.name} did not start: {problem}") from None

    def failed(self, cloud, vm):
        for ref in values_at(vm.body, NIC_IDS[0]):
            if cloud.find(ref):
                network.reserve(cloud, cloud.get(ref), vm.id)

    def boot(self, cloud, vm):
        with cloud.lock:
            os_disk = cloud.get(vm.properties["storageProfile"]["osDisk"]["managedDisk"]["id"])
            nic = cloud.get(vm.properties["networkProfile"]["networkInterfaces"][0]["id"])
            size = self.size(cloud, vm.properties["hardwareProfile"]["vmSize"])
            spec = {"name": vm.name, "id": vm.properties["vmId"], "uuid": vm.properties["vmId"],
                    "generation": os_disk.properties.get("hyperVGeneration", "V1"), "accel": cloud.options.accel,
                    "memory": min(size.memory_mib, cloud.options.memory), "cores": min(size.cores, cloud.options.smp),
                    "disks": self.wanted_disks(cloud, vm), "forwards": network.reachable(cloud, vm),
                    "mac": nic.properties["macAddress"].replace("-", ":").lower(), "imds": cloud.options.imds,
                    "user_data": vm.properties.get("userData", "")}
            if spec["generation"] not in size.generations:
                raise bad(f"The size {size.name} cannot boot Hypervisor Generation '{spec['generation']}'.", code="BadRequest")
        guest = cloud.options.guest(os.path.join(cloud.folder, "machines", vm.properties["vmId"]), spec)
        vm.own["guest"] = guest
        guest.start()
        vm.own["power"] = "running"

    def plug(self, cloud, vm):
        guest, wanted = guest_of(vm), self.wanted_disks(cloud, vm)
        for lun, path in list(guest.spec["disks"].items()):
            if wanted.get(lun) != path:
                guest.detach(lun)
        for lun, path in wanted.items():
            if lun not in guest.spec["disks"]:
                guest.attach(lun, path)

    def halt(self, cloud, vm, power, graceful=0.0):
        if guest_of(vm):
            guest_of(vm).stop(graceful)
        vm.own["power"] = power

    def erase(self, cloud, vm):
        self.halt(cloud, vm, "deallocated")
        with cloud.lock:
            cloud.resources.pop(vm.id.lower(), None)
            storage, refs = vm.properties["storageProfile"], vm.properties["networkProfile"]["networkInterfaces"]
            gone = [r["managedDisk"]["id"] for r in [storage["osDisk"], *storage["dataDisks"]]
                    if r.get("deleteOption") == "Delete" and "managedDisk" in r]
            nics = [cloud.find(r["id"]) for r in refs if r.get("properties", {}).get("deleteOption") == "Delete"]
            for nic in filter(None, nics):
                gone += [nic.id] + [c["properties"]["publicIPAddress"]["id"] for c in nic.properties["ipConfigurations"]
                                    if c["properties"].get("publicIPAddress", {}).get("properties", {})
                                    .get("deleteOption") == "Delete"]
        self.remove_with(cloud, gone)

    def remove_with(self, cloud, ids):
        import hooks
        for rid in ids:
            res = cloud.find(rid)
            if res:
                hooks.of(res.kind).erase(cloud, res)
                with cloud.lock:
                    cloud.resources.pop(rid.lower(), None)

    # ---- what is shown

    def show(self, cloud, vm, body, expand):
        body["properties"].pop("userData", None) if "userdata" not in expand else None
        body["etag"] = f'"{vm.etag}"'
        if "instanceview" in expand:
            body["properties"]["instanceView"] = instance_view(cloud, vm)


def instance_view(cloud, vm):
    state = vm.state.lower()
    statuses = [{"code": f"ProvisioningState/{state}", "level": "Info", "displayStatus": f"Provisioning {state}", "time": utc()}]
    if "power" in vm.own:
        power = power_state(cloud, vm)
        statuses.append({"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"})
    storage = vm.properties["storageProfile"]
    view = {"statuses": statuses, "disks": [
        {"name": d.get("name", ""), "statuses": [{"code": "ProvisioningState/succeeded", "level": "Info",
                                                  "displayStatus": "Provisioning succeeded"}]}
        for d in [storage["osDisk"], *storage.get("dataDisks", [])]]}
    diagnostics = vm.properties.get("diagnosticsProfile", {}).get("bootDiagnostics", {})
    if diagnostics.get("enabled"):
        view["bootDiagnostics"] = {"serialConsoleLogBlobUri": console_url(cloud, vm)} if diagnostics.get("storageUri") else {}
    return view


def console_url(cloud, vm):
    key = vm.own.setdefault("console_key", secrets.token_urlsafe(24))
    return f"{cloud.options.url}/console-{vm.properties['vmId']}/serialconsole.log?sr=b&sig={key}"


# ---- actions

def show_instance(cloud, vm, request, rule):
    return Reply(200, instance_view(cloud, vm))


def diagnostics(cloud, vm, request, rule):
    if not vm.properties.get("diagnosticsProfile", {}).get("bootDiagnostics", {}).get("enabled"):
        raise conflict("Boot diagnostics are not enabled for this VM.", "OperationNotAllowed")
    if "power" not in vm.own:
        raise conflict("The VM is not running yet.", "OperationNotAllowed")
    url = console_url(cloud, vm)
    return Reply(200, {"consoleScreenshotBlobUri": url.replace("serialconsole.log", "screenshot.bmp"),
                       "serialConsoleLogBlobUri": url})


def deallocate(cloud, vm, request, rule):
    return lambda fail: None if fail else MACHINES.halt(cloud, vm, "deallocated", cloud.options.graceful)


def power_off(cloud, vm, request, rule):
    skip = request.query.get("skipshutdown", "").lower() == "true"
    return lambda fail: None if fail else MACHINES.halt(cloud, vm, "stopped", 0 if skip else cloud.options.graceful)


def start(cloud, vm, request, rule):
    def work(fail):
        if not fail and not is_running(cloud, vm):
            MACHINES.boot(cloud, vm)
    return work


def restart(cloud, vm, request, rule):
    def work(fail):
        if not fail:
            MACHINES.halt(cloud, vm, "stopped", cloud.options.graceful)
            MACHINES.boot(cloud, vm)
    return work


def vm_sizes(cloud, vm, request, rule):
    from readonly import size_form
    return Reply(200, {"value": [size_form(s) for s in sizes.offered(cloud.hub)]})


Machines.actions = {("GET", "instanceview"): show_instance, ("POST", "retrievebootdiagnosticsdata"): diagnostics,
                    ("POST", "deallocate"): deallocate, ("POST", "poweroff"): power_off, ("POST", "start"): start,
                    ("POST", "restart"): restart, ("GET", "vmsizes"): vm_sizes}
MACHINES = Machines()


def serve_console(cloud, request):
    """The serial text that retrieveBootDiagnosticsData leads to."""
    vm_id = request.path.split("/")[1].removeprefix("console-")
    for vm in cloud.of_kind("Microsoft.Compute/virtualMachines"):
        if vm.properties["vmId"] == vm_id and request.query.get("sig") == vm.own.get("console_key", ""):
            return Reply(200, raw=guest_of(vm).console() if guest_of(vm) else b"", kind="text/plain")
    return Reply(404, raw=b"", headers={"x-ms-error-code": "BlobNotFound"})
