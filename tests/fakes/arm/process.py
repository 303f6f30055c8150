# SPDX-License-Identifier: Apache-2.0
"""What all machines of the test cloud are: a process with a console in a file."""
import contextlib
import os
import subprocess


class Process:
    def __init__(self, folder, spec):
        self.folder, self.spec, self.process = folder, spec, None
        self.serial = os.path.join(folder, "serial.log")
        os.makedirs(folder, exist_ok=True)

    def run(self, argv, log, **how):
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **how)

    def ask_to_end(self):
        raise NotImplementedError

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, graceful=0.0):
        if self.alive() and graceful:
            self.ask_to_end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(graceful)
        if self.alive():
            self.process.kill()
        if self.process:
            self.process.wait()

    def console(self):
        with open(self.serial, "rb") as log:
            return log.read()
