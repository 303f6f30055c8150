# SPDX-License-Identifier: Apache-2.0
"""Faults on a script or a seed. A rule is {"call": pattern, "fault": name, "nth": N, "times": M, ...}: from the Nth call
that fits the pattern on (shell wildcards, "PUT disks", "* snapshots/*"), M calls get the fault. `mutating`: true counts
calls that change something only. The rules are looked at in order; the first that fits decides.

A schedule of a seed is the same for the same seed: it depends on nothing but the seed and the calls made so far.
"""
import collections
import fnmatch
import math
import os
import random
import signal
import time
from dataclasses import dataclass, field

from errors import ArmError
from web import Reply

REFUSALS = {  # fault -> the answer instead of the call
    "429": (429, "TooManyRequests", "The request is being throttled as the limit has been reached for this operation."),
    "429-network": (429, "RetryableErrorDueToAnotherOperation", "Operation is preempted by another operation; retry it."),
    "500": (500, "InternalServerError", "Encountered an internal server error."),
    "503": (503, "ServerTimeout", "The service is unavailable."),
    "504": (504, "GatewayTimeout", "The gateway did not receive a response within the specified time period."),
    "409": (409, "OperationNotAllowed", "Operation is not allowed: another operation is in progress on this resource."),
    "404": (404, "ResourceNotFound", "The resource was not found."),
    "nic-reserved": (400, "NicReservedForAnotherVm", "Nic(s) in request is reserved for another Virtual Machine for 180 "
                     "seconds. Please provide another nic(s) or retry after 180 seconds."),
    "scope-locked": (409, "ScopeLocked", "The scope cannot perform the operation because following scope(s) are locked."),
    "403": (403, "AuthorizationFailed", "The client does not have authorization to perform the action over the scope."),
}
# fault -> calls it makes sense for. Those in TRANSIENT a client must overcome.
PAIRS = {
    "429": "*", "500": "*", "504": "*", "lost": "*", "504-done": "*", "late": "PUT *", "failed": "PUT *", "failed-delete": "DELETE *",
    "409": "DELETE *", "nic-reserved": "DELETE networkInterfaces", "scope-locked": "DELETE *", "404": "GET *",
    "sas-short": "POST */beginGetAccess", "sas-expired": "* page*", "token-expired": "*", "503": "*",
    "429-network": "* networkInterfaces",
    "swapped": "GET snapshots",  # another one under the same name
    "lie": "GET pagelist",       # a list of changes without its first range
}
TRANSIENT = ("429", "500", "503", "504", "lost", "504-done", "late", "409", "nic-reserved", "sas-short", "sas-expired",
             "token-expired", "429-network")
LIES = ("lie", "swapped")    # not in a schedule: what a client must make of them differs
CALLS = ["PUT disks", "GET disks", "DELETE disks", "PUT snapshots", "GET snapshots", "DELETE snapshots",
         "POST snapshots/beginGetAccess", "POST snapshots/endGetAccess", "POST disks/beginGetAccess",
         "PUT networkInterfaces", "GET networkInterfaces", "DELETE networkInterfaces", "PUT publicIPAddresses",
         "GET publicIPAddresses", "DELETE publicIPAddresses", "PUT networkSecurityGroups", "GET networkSecurityGroups",
         "DELETE networkSecurityGroups", "PUT virtualMachines", "GET virtualMachines", "DELETE virtualMachines",
         "POST virtualMachines/deallocate", "POST virtualMachines/retrieveBootDiagnosticsData", "GET operations",
         "GET operationResults", "POST token", "GET page", "GET pagelist", "GET virtualMachines/instanceView",
         "PATCH disks", "PUT schedules", "GET skus"]


@dataclass
class Rule:
    call: str
    fault: str
    nth: int = 1
    times: int = 1
    mutating: bool = False
    retry_after: int = 1
    seconds: int = 1             # sas-short: how long it lives
    reads: int = 2               # late: how many reads do not see it
    pid: int = 0                 # kill: whom; 0: the process at the other end of the connection
    seen: int = field(default=0, init=False)
    hit: int = field(default=0, init=False)

    def fits(self, request):
        if not fnmatch.fnmatchcase(request.call.lower(), self.call.lower()) or (self.mutating and not request.mutating):
            return False
        self.seen += 1
        if self.nth <= self.seen < self.nth + self.times:
            self.hit += 1
            return True
        return False

    # ---- what the parts of the cloud ask

    def late_reads(self, new):
        return self.reads if self.fault == "late" and new else 0

    def operation_error(self):
        if self.fault in ("failed", "failed-delete"):
            return ArmError(409, "Conflict", "An internal execution error occurred. Please retry later.")
        return None

    def sas_seconds(self, asked):
        return self.seconds if self.fault == "sas-short" else asked

    def sas_expired(self):
        return self.fault == "sas-expired"


def seeded(seed, count, transient, calls=CALLS):
    """`count` rules; the same for the same arguments. Of `calls`, the names of those a run without faults made, in order: so
    that each rule meets a call."""
    dice, made = random.Random(f"{seed}/{count}/{transient}"), collections.Counter(calls)
    choices = [(call, fault) for fault, pattern in PAIRS.items() for call in sorted(made)
               if (fault in TRANSIENT or not transient) and fault not in LIES and fnmatch.fnmatchcase(call, pattern)]
    rules = []
    for _ in range(count):
        call, fault = dice.choice(choices)
        # One draw each, whatever the counts: how often a client polls differs from run to run.
        nth, times, wait = (dice.random() for _ in range(3))
        rules.append(Rule(call, fault, nth=1 + int(nth * max(made[call], 4 if calls is CALLS else 1)), times=1 + int(times * 2),
                          retry_after=int(wait * 2)))
    return rules


def pairs(calls):
    """Every fault for every call of a run, each as a rule of its own: what a harness goes through one by one."""
    return [{"call": call, "fault": fault} for call in sorted(set(calls)) for fault, pattern in PAIRS.items()
            if fnmatch.fnmatchcase(call, pattern)]


class Faults:
    def __init__(self, cloud, tokens, rules=()):
        self.cloud, self.tokens, self.rules, self.calls = cloud, tokens, list(rules), []
        self.quiet_until = 0.0   # a client that was throttled must make no call before

    def set(self, rules):
        """Counting begins anew."""
        with self.cloud.lock:
            self.rules, self.calls = [r if isinstance(r, Rule) else Rule(**r) for r in rules], []

    def take(self, request):
        """The rule for this call, or None."""
        with self.cloud.lock:
            self.calls.append((request.call, request.mutating))
            self.cloud.counts[f"call {request.call}"] += 1
            if request.arm and time.time() < self.quiet_until:
                self.cloud.counts["calls within a 429's Retry-After"] += 1
            return next((r for r in self.rules if r.fits(request)), None)

    def before(self, rule, request):
        """The reply instead of the call, or None."""
        if rule is None:
            return None
        self.cloud.counts[f"fault {rule.fault}"] += 1
        if rule.fault == "token-expired":
            self.tokens.expire_all()
            return None
        if rule.fault not in REFUSALS:
            return None
        status, code, message = REFUSALS[rule.fault]
        headers = {"Retry-After": str(rule.retry_after)} if status in (429, 503) else {}
        if rule.fault == "nic-reserved":
            headers = {"Retry-After": str(math.ceil(self.cloud.seconds(180)))}  # the pace is ours: --scale
        if status == 429 and request.arm:
            self.quiet_until = time.time() + rule.retry_after - 0.05
        if not request.arm and not request.call.endswith("token"):
            xml = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
            return Reply(status, raw=xml.encode(), kind="application/xml", headers={**headers, "x-ms-error-code": code})
        return Reply(status, {"error": {"code": code, "message": message}}, headers)

    def after(self, rule, request, reply):
        """The reply as the client gets it; status 0: not at all."""
        if rule is None:
            return reply
        if rule.fault == "504-done":
            status, code, message = REFUSALS["504"]
            return Reply(status, {"error": {"code": code, "message": message}}, {
                k: v for k, v in reply.headers.items() if k.startswith("x-ms")})
        if rule.fault == "kill":
            pid = rule.pid or peer_pid(request.peer)
            if pid:
                os.kill(pid, signal.SIGKILL)
                self.cloud.counts["clients killed"] += 1
            reply.status = 0
        if rule.fault == "lost":
            reply.status = 0
        return reply


def peer_pid(peer):
    """The process on this host that holds the other end of a connection: by its port, its socket's inode and /proc."""
    want = f":{peer[1]:04X}"
    inode = None
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as file:
            for line in file.readlines()[1:]:
                words = line.split()
                if words[1].endswith(want) and words[3] == "01":
                    inode = words[9]
    for pid in filter(str.isdigit, os.listdir("/proc")) if inode else ():
        try:
            if any(os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]" for fd in os.listdir(f"/proc/{pid}/fd")):
                return int(pid) if int(pid) != os.getpid() else None
        except OSError:
            continue
    return None
