# SPDX-License-Identifier: Apache-2.0
"""What an Azure Resource Manager path means."""
from dataclasses import dataclass
from typing import Optional
from urllib.parse import unquote

from table import BY_TYPE


@dataclass
class Path:
    scope: str = ""              # what stands before the last /providers/: "", a subscription, a group, a resource
    type: str = ""               # full type in lower case: "microsoft.compute/disks"
    id: str = ""                 # of the resource itself; "" for a collection
    last: str = ""               # name of an action or of a read-only child: "begingetaccess", "instanceview"
    location: Optional[str] = None
    tail: tuple = ()             # what follows a location's collection: an operation's id

    @property
    def subscription(self):
        words = self.scope.split("/")
        return words[2] if len(words) > 2 else ""


GROUPS = "microsoft.resources/resourcegroups"


def parse(text):
    """A Path; None when it is none of Resource Manager's."""
    words = [unquote(w) for w in text.strip("/").split("/")]
    low = [w.lower() for w in words]
    if "providers" in low:
        at = len(low) - 1 - low[::-1].index("providers")
        return of_provider(words[:at], words[at + 1:])
    if low[0] != "subscriptions":
        return Path(type="tenants") if low == ["tenants"] else None
    scope = "/" + "/".join(words[:2]) if len(words) > 1 else ""
    if len(words) <= 2:
        return Path(scope, "subscriptions", id=scope)
    if low[2] in ("locations", "resources", "tagnames") and len(words) == 3:
        return Path(scope, low[2])
    if low[2] != "resourcegroups":
        return None
    if len(words) == 3:
        return Path(scope, GROUPS)
    group = f"{scope}/resourceGroups/{words[3]}"
    if len(words) == 5 and low[4] == "resources":
        return Path(group, "resources")
    return Path(scope, GROUPS, group) if len(words) == 4 else None


def canonical(words):
    """The spelling of a scope that ids are built from: resourceGroups whatever the client wrote."""
    return "".join("/" + ("resourceGroups" if i == 2 and w.lower() == "resourcegroups" else w)
                   for i, w in enumerate(words))


def of_provider(before, after):
    scope = canonical(before)
    if not after:
        return Path(scope, "providers")
    space, rest = after[0], after[1:]
    if not rest:
        return Path(scope, "providers", tail=(space,))
    if rest[0].lower() == "locations" and len(rest) >= 3:
        return Path(scope, f"{space}/locations/{rest[2]}".lower(), location=rest[1], tail=tuple(rest[3:]))
    type_name, rid, names = space, f"{scope}/providers/{space}", []
    while rest:
        deeper = f"{type_name}/{rest[0]}"
        if names and deeper.lower() not in BY_TYPE:
            return Path(scope, type_name.lower(), rid, last="/".join(rest).lower())
        type_name = deeper
        rid += "/" + rest[0]
        if len(rest) == 1:
            return Path(scope, type_name.lower(), "", tail=(rid,))
        names.append(rest[1])
        rid += "/" + rest[1]
        rest = rest[2:]
    return Path(scope, type_name.lower(), rid)
