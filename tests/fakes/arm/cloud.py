# SPDX-License-Identifier: Apache-2.0
"""The state of the cloud: resources by id, operations, counters. `lock` guards all of it; work that takes time (copying
disks, starting machines) is done by an operation's thread without the lock."""
import collections
import json
import os
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from errors import ArmError, not_found
from shapes import values_at
from table import BY_TYPE, KINDS, Resource


def utc(at=None):
    return datetime.fromtimestamp(time.time() if at is None else at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


@dataclass
class Operation:
    """What Azure-AsyncOperation and Location lead to."""
    id: str
    location: str
    begun: float
    status: str = "InProgress"
    error: dict = None
    output: dict = None          # of actions that return something
    deletes: bool = False
    ended: float = 0.0
    not_before: float = 0.0      # a poll before this ignores Retry-After
    done: threading.Event = field(default_factory=threading.Event)


class Cloud:
    def __init__(self, options):
        self.options = options
        self.hub = options.hub
        self.folder = os.path.abspath(options.folder)
        self.lock = threading.RLock()
        self.resources = {}
        self.operations = {}
        self.counts = collections.Counter()
        self.cold = False        # a machine that is made now is made switched off (seed.py)
        self.planting = False    # what is made now is there from the start, however it came there (seed.py)
        self.closing = threading.Event()
        self.data = os.path.join(self.folder, "data")
        os.makedirs(self.data, exist_ok=True)

    # ---- resources

    def find(self, rid):
        return self.resources.get(rid.lower())

    def get(self, rid):
        res = self.find(rid)
        if res is None:
            words = rid.split("/")
            kind = "/".join(words[7:-1:2]) if len(words) > 7 else "resource"
            raise not_found(f"{words[6] if len(words) > 6 else ''}/{kind}", words[-1], words[4] if len(words) > 4 else "")
        return res

    def put(self, res):
        self.resources[res.id.lower()] = res

    def of_kind(self, type_name, below=""):
        """Resources of a type below a scope, in the order of their ids."""
        want, below = BY_TYPE[type_name.lower()], below.lower().rstrip("/") + "/"
        return sorted((r for r in self.resources.values() if r.kind is want and r.id.lower().startswith(below)),
                      key=lambda r: r.id.lower())

    def children(self, res):
        below = res.id.lower() + "/"
        return [r for r in self.resources.values() if r.id.lower().startswith(below)]

    def make(self, rid, kind, body):
        res = Resource(rid, kind, body, made=time.time())
        res.properties.setdefault("provisioningState", kind.creating)
        self.put(res)
        return res

    def refs(self, res, held_only=False):
        paths = res.kind.holds if held_only else res.kind.refs
        return [v for path in paths for v in values_at(res.body, path) if isinstance(v, str)]

    def users(self, rid):
        """Resources that hold this one."""
        rid = rid.lower()
        return [r for r in self.resources.values()
                if r.kind.holds and any(v.lower() == rid for v in self.refs(r, held_only=True))]

    # ---- operations

    def seconds(self, nominal):
        return nominal * self.options.scale

    def begin(self, location, seconds, work, deletes=False, fail=None):
        """Starts an operation: after its seconds, work() runs; what it returns is the output. `fail`: an ArmError it ends
        with instead, the work done or not."""
        op = Operation(str(uuid.uuid4()), location, time.time(), deletes=deletes)
        self.operations[op.id] = op
        threading.Thread(target=self.run, args=(op, self.seconds(seconds), work, fail), daemon=True).start()
        return op

    def run(self, op, seconds, work, fail):
        if self.closing.wait(seconds):
            return
        status = "Failed"
        try:
            op.output = work(fail)
            if fail:
                raise fail
            status = "Succeeded"
        except ArmError as refusal:
            op.error = refusal.body()["error"]
        except Exception as problem:  # a defect of this program, told as what it is
            self.counts["defects"] += 1
            op.error = {"code": "InternalExecutionError", "message": f"test cloud: {problem!r}"}
            if self.options.verbose:
                raise
        finally:
            with self.lock:
                op.ended = time.time()
                op.status = status
                op.done.set()

    # ---- the leak oracle

    def inventory(self):
        """One line per resource, sorted: type, group/name, tags; foreign eyes compare it before and after. What can have no
        tags and goes with what it is in (a restore point) has the tags of that."""
        with self.lock:
            return sorted(f"{r.kind.type} {r.id} {json.dumps(self.tags_of(r), sort_keys=True)}" for r in self.resources.values())

    def tags_of(self, res):
        while not res.body.get("tags") and "tags" not in res.kind.shape.objects[""] and self.find(res.parent_id()):
            res = self.find(res.parent_id())
        return res.body.get("tags") or {}


def iso_later(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


__all__ = ["Cloud", "Operation", "KINDS", "iso_later", "utc"]
