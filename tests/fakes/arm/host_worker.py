# SPDX-License-Identifier: Apache-2.0
"""A machine as a process of this host: `wherry-worker serve` with the disks' files, for schedules of faults that need no
boot. It ignores the OS disk, takes its bootstrap data from userData or, on the Hub, from the config disk, and names the
disks as the appliance's broker does: lun:*:*:*:N."""
import base64
import contextlib
import os
import signal
import subprocess

import config_disk


class HostWorker:
    def __init__(self, program, folder, spec):
        self.program, self.folder, self.spec, self.process = program, folder, spec, None
        self.serial = os.path.join(folder, "serial.log")
        os.makedirs(folder, exist_ok=True)

    def start(self):
        with open(self.serial, "ab") as log:
            self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    def argv(self):
        data, boot = self.boot_data(), os.path.join(self.folder, "bootdata.json")
        if data is None:         # a machine like any other: it runs, and that is all
            return ["sleep", "infinity"]
        with open(boot, "wb") as file:
            file.write(data)
        where = self.spec["forwards"][-1] if self.spec["forwards"] else ("127.0.0.1", 0)
        argv = [self.program, "serve", "--boot-data", boot, "--listen", f"{where[0]}:{where[1]}"]
        for lun, path in self.spec["disks"].items():
            if lun >= 0:
                argv += ["--disk", f"lun:*:*:*:{lun}={path}"]
        return argv

    def boot_data(self):
        if self.spec["user_data"]:
            return base64.b64decode(self.spec["user_data"])
        found = (config_disk.read(path) for lun, path in self.spec["disks"].items() if lun >= 0)
        return next((data for data in found if data is not None), None)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, graceful=0.0):
        if self.alive() and graceful:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(graceful)
        if self.alive():
            self.process.kill()
        if self.process:
            self.process.wait()

    def console(self):
        with open(self.serial, "rb") as log:
            return log.read()

    @contextlib.contextmanager
    def frozen(self):
        """One instant of its disks: the process stands still."""
        if self.alive():
            self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if self.alive():
                self.process.send_signal(signal.SIGCONT)

    def attach(self, lun, path):
        raise OSError("a worker process takes no disk while it runs")

    detach = attach


def maker(program):
    return lambda folder, spec: HostWorker(program, folder, spec)
