# SPDX-License-Identifier: Apache-2.0
"""A machine as a process of this host: `wherry-worker serve` with the disks' files, for schedules of faults that need no
boot. It ignores the OS disk, takes its bootstrap data from userData or, on the Hub, from the config disk, and names the
disks as the appliance's broker does: lun:*:*:*:N."""
import base64
import contextlib
import os
import signal

import config_disk
import process


class HostWorker(process.Process):
    def __init__(self, program, folder, spec):
        super().__init__(folder, spec)
        self.program = program

    def start(self):
        with open(self.serial, "ab") as log:
            self.run(self.argv(), log)

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

    def ask_to_end(self):
        self.process.send_signal(signal.SIGTERM)

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
