# SPDX-License-Identifier: Apache-2.0
"""A machine as a QEMU process: OS disk and data disks on virtio-scsi by LUN, one interface with user networking whose
forwards are the machine's addresses, metadata at 169.254.169.254 through a forward from the guest (imds.py)."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import process

OVMF = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")
ASSET = "7783-7084-3265-9085-8269-3286-77"  # what guests know Azure by
NETWORK = "net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.0.15,dns=169.254.0.3"


class Guest(process.Process):
    """One boot. `disks`: {lun: file}; lun -1 is the OS disk. `forwards`: [(address, port)]. Not thread-safe."""

    def __init__(self, folder, spec):
        super().__init__(folder, spec)
        self.qmp_path = os.path.join(folder, "qmp")

    def start(self):
        open(self.serial, "ab").close()
        with open(os.path.join(self.folder, "qemu.log"), "ab") as log:
            self.run(self.argv(), log, cwd=self.folder)
        for _ in range(100):
            if self.process.poll() is not None or os.path.exists(self.qmp_path):
                break
            time.sleep(0.05)
        time.sleep(0.1)
        if self.process.poll() is not None:
            with open(os.path.join(self.folder, "qemu.log"), encoding="utf-8", errors="replace") as log:
                raise OSError(f"QEMU ended at once: {log.read()[-500:]}")

    def ask_to_end(self):
        with contextlib.suppress(OSError):
            self.command("system_powerdown")

    def type(self, line):
        """Slowly, as from a keyboard: a guest's serial port holds 16 bytes."""
        with socket.socket(socket.AF_UNIX) as sock, near(os.path.join(self.folder, "console.sock")) as path:
            sock.connect(path)
            for char in line + "\n":
                sock.sendall(char.encode())
                time.sleep(0.02)
            time.sleep(0.5)      # QEMU drops what it has not read when we hang up

    # ---- arguments

    def argv(self):
        spec, args = self.spec, ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
        kvm = spec["accel"] == "kvm"
        args += ["-name", spec["name"], "-machine", "q35", "-accel", "kvm" if kvm else "tcg,thread=multi,tb-size=128",
                 "-cpu", "host" if kvm else "max", "-m", f"{spec['memory']}M", "-smp", str(spec["cores"]),
                 "-smbios", "type=1,manufacturer=Microsoft Corporation,product=Virtual Machine,uuid=" + spec["uuid"],
                 "-smbios", f"type=3,manufacturer=Microsoft Corporation,asset={ASSET}",
                 "-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0",
                 "-chardev", "socket,id=con,path=console.sock,server=on,wait=off,logfile=serial.log,logappend=on",
                 "-serial", "chardev:con", "-qmp", "unix:qmp,server=on,wait=off",
                 "-device", "virtio-scsi-pci,id=os", "-device", "virtio-scsi-pci,id=data"]
        args += self.firmware() + self.network()
        for lun, path in spec["disks"].items():
            args += ["-blockdev", json.dumps(node(lun, path)), "-device", json.dumps(device(lun))]
        return args

    def firmware(self):
        if self.spec["generation"] != "V2":
            return []
        variables = os.path.join(self.folder, "vars.fd")
        if not os.path.exists(variables):
            shutil.copy(OVMF[1], variables)
        return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF[0]}",
                "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]

    def network(self):
        relay = f"{sys.executable} {os.path.join(os.path.dirname(os.path.abspath(__file__)), 'imds_relay.py')} " \
                f"{self.spec['imds']} {self.spec['id']}"
        forwards = "".join(f",hostfwd=tcp:{a}:{p}-:{p}" for a, p in self.spec["forwards"] if can_listen(a, p))
        out = ["-netdev", f"user,id=net0,{NETWORK}{forwards},guestfwd=tcp:169.254.169.254:80-cmd:{relay}",
               "-device", f"virtio-net-pci,netdev=net0,romfile=,mac={self.spec['mac']}"]
        return out

    # ---- the monitor

    def command(self, name, **arguments):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            with near(self.qmp_path) as path:
                sock.connect(path)
            lines = sock.makefile("rw")
            lines.readline()
            for call in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}):
                lines.write(json.dumps(call) + "\n")
                lines.flush()
                reply = {}
                while "return" not in reply and "error" not in reply:
                    reply = json.loads(lines.readline())
                if "error" in reply:
                    raise OSError(f"{name}: {reply['error']['desc']}")
        return reply["return"]

    @contextlib.contextmanager
    def frozen(self):
        """Within, the guest does nothing and all it wrote is in the files: one instant of its disks."""
        if not self.alive():
            yield
            return
        self.command("stop")
        try:
            yield
        finally:
            self.command("cont")

    def attach(self, lun, path):
        self.command("blockdev-add", **node(lun, path))
        self.command("device_add", **device(lun))
        self.spec["disks"][lun] = path

    def detach(self, lun):
        self.command("device_del", id=f"disk{lun}")
        for _ in range(100):
            with contextlib.suppress(OSError):
                self.command("blockdev-del", **{"node-name": f"n{lun}"})
                break
            time.sleep(0.05)
        self.spec["disks"].pop(lun)


def node(lun, path):
    return {"driver": "raw", "node-name": f"n{lun}", "discard": "unmap",
            "file": {"driver": "file", "filename": path, "cache": {"direct": False, "no-flush": True}}}


def device(lun):
    """LUN -1: the OS disk, on a controller of its own as with Hyper-V."""
    if lun < 0:
        return {"driver": "scsi-hd", "id": "disk-os", "drive": f"n{lun}", "bus": "os.0", "lun": 0, "bootindex": 0}
    return {"driver": "scsi-hd", "id": f"disk{lun}", "drive": f"n{lun}", "bus": "data.0", "lun": lun}


def can_listen(address, port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
            return True
        except OSError:
            return False


@contextlib.contextmanager
def near(path):
    """A name of the socket that fits into 107 bytes."""
    fd = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/{os.getpid()}/fd/{fd}/{os.path.basename(path)}"
    finally:
        os.close(fd)


def probe_kvm(kernel):
    """Whether KVM boots a kernel to its panic within 5 s; firmware that runs proves nothing."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or not kernel:
        return False
    argv = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot", "-machine", "q35", "-accel", "kvm",
            "-cpu", "host", "-m", "128", "-serial", "stdio", "-kernel", kernel, "-append", "console=ttyS0 panic=-1"]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return False
    return b"Kernel panic - not syncing" in done.stdout
