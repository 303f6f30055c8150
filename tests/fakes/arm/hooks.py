# SPDX-License-Identifier: Apache-2.0
"""What a type does besides the rules that all types share. prepare, stored, show, deletable and actions are called under
the cloud's lock; work and erase by an operation's thread without it."""
from cloud import utc


class Hooks:
    """`actions`: {(method, lower-case name): f(cloud, res, request, rule)}; it returns a Reply, or work for an operation
    whose result is the operation's output."""
    actions = {}

    def prepare(self, cloud, rid, body, old):
        """Before a PUT or PATCH is taken: refuses it, or fills in what the cloud chooses."""

    def stored(self, cloud, res):
        """The resource is there, its work not yet done."""

    def work(self, cloud, res, new):
        """What takes time; an ArmError makes the operation fail."""

    def failed(self, cloud, res):
        """A PUT's work came to nothing; under the lock."""

    def show(self, cloud, res, body, expand):
        """Adds to a copy of the body what is computed at every reading."""

    def deletable(self, cloud, res):
        """Refuses a delete."""

    def erase(self, cloud, res):
        """The work of a delete."""


REGISTRY = {}
PLAIN = Hooks()


def register(type_name):
    def keep(cls):
        REGISTRY[type_name.lower()] = cls()
        return cls
    return keep


def of(kind):
    return REGISTRY.get(kind.type.lower(), PLAIN)


__all__ = ["Hooks", "register", "of", "utc"]
