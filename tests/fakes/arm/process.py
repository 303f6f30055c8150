# SPDX-License-Identifier: Apache-2.0
"""What all machines of the test cloud are: a process with a console in a file. None outlives the cloud, however that ends:
they are one process group, whose leader waits for the end of a pipe that only the cloud holds, and then kills the group."""
import contextlib
import functools
import os
import subprocess


@functools.cache
def group():
    """The leader's pid. Its pipe is not closed on purpose."""
    end, _ = os.pipe()
    leader = subprocess.Popen(["sh", "-c", "read -r _; kill -KILL 0"], stdin=end, process_group=0)
    os.close(end)
    return leader.pid


class Process:
    def __init__(self, folder, spec):
        self.folder, self.spec, self.process = folder, spec, None
        self.serial = os.path.join(folder, "serial.log")
        os.makedirs(folder, exist_ok=True)

    def run(self, argv, log, **how):
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=group(), **how)

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
