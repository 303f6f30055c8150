# SPDX-License-Identifier: Apache-2.0
"""The properties of a resource type as data: which there are, since which API version, which a request may set.

A shape is text, one object per line, `path: tokens`; the resource itself is `.`, the elements of an array end in `[]`:

    .: location! tags:map sku properties
    sku: name=Premium_LRS|Standard_LRS -tier
    properties.dataDisks[]: lun!:int caching=None|ReadOnly

A token is [-]name[!][:kind][=values][@version]: `-` read-only, `!` required, the kind (str, int, bool, map, list,
strings; a name with a line of its own is an object or an array of objects), the values there are, the first API
version that knows it. check() refuses what a request may not say; render() leaves out what a version does not know.
"""
import re

from errors import bad

TOKEN = re.compile(r"^(-?)([A-Za-z]\w*)(!?)(?::(\w+))?(?:=([^@]+))?(?:@([\d-]+))?$")
KINDS = {"str": str, "int": int, "bool": bool, "map": dict, "list": list, "strings": list}


class Property:
    def __init__(self, token):
        match = TOKEN.match(token)
        if not match:
            raise ValueError(f"not a property: {token}")
        self.read_only, self.name, self.required = bool(match[1]), match[2], bool(match[3])
        self.kind, self.values, self.since = match[4] or "str", match[5] and match[5].split("|"), match[6] or ""


class Shape:
    def __init__(self, *texts):
        """Of a property that is there twice, the last holds."""
        self.objects = {}
        for line in filter(str.strip, "\n".join(texts).splitlines()):
            path, tokens = line.strip().split(":", 1)
            path = "" if path == "." else path
            self.objects.setdefault(path, {}).update((p.name, p) for p in map(Property, tokens.split()))

    def inner(self, path, name):
        """The path of the object or array of objects `name` below path, or None for a plain value."""
        below = f"{path}.{name}" if path else name
        return next((p for p in (below, below + "[]") if p in self.objects), None)

    def check(self, body, version, path="", patch=False):
        """Raises what the cloud answers to a body with unknown, read-only, missing or mistyped properties."""
        known = self.objects[path]
        if not isinstance(body, dict):
            raise bad(f"The value of '{path or 'body'}' must be an object.", path, "InvalidRequestContent")
        for name, value in body.items():
            prop = known.get(name)
            if prop is None or prop.since > version:
                raise bad(f"Could not find member '{name}' on object of type '{path or 'ResourceDefinition'}'. "
                          f"Path '{path + '.' if path else ''}{name}'.", name, "InvalidRequestContent")
            if prop.read_only:
                raise bad(f"The property '{name}' of '{path or 'the resource'}' is read-only.", name)
            if value is not None:
                self.check_value(prop, value, version, path, patch)
        for prop in known.values():
            if prop.required and not patch and body.get(prop.name) is None:
                raise bad(f"Required parameter '{path + '.' if path else ''}{prop.name}' is missing (null).", prop.name)

    def check_value(self, prop, value, version, path, patch):
        inner = self.inner(path, prop.name)
        if inner and inner.endswith("[]"):
            if not isinstance(value, list):
                raise bad(f"The value of '{prop.name}' must be an array.", prop.name, "InvalidRequestContent")
            for element in value:
                self.check(element, version, inner)
        elif inner:
            self.check(value, version, inner, patch)
        elif not isinstance(value, KINDS[prop.kind]) or (prop.kind == "int" and isinstance(value, bool)):
            raise bad(f"Error converting the value of '{prop.name}' to type '{prop.kind}'.", prop.name,
                      "InvalidRequestContent")
        elif prop.values and value not in prop.values:
            raise bad(f"The value '{value}' of parameter '{prop.name}' is invalid. Allowed: {', '.join(prop.values)}.",
                      prop.name)

    def render(self, body, version, path=""):
        """A copy of body with what this API version knows."""
        known, out = self.objects[path], {}
        for name, value in body.items():
            prop = known.get(name)
            if prop is None or prop.since > version or value is None:
                continue
            inner = self.inner(path, name)
            if inner and inner.endswith("[]"):
                out[name] = [self.render(v, version, inner) for v in value]
            else:
                out[name] = self.render(value, version, inner) if inner else value
        return out


def values_at(body, path):
    """Every value at `a.b[].c` in body."""
    head, _, rest = path.partition(".")
    name, many = head.removesuffix("[]"), head.endswith("[]")
    value = body.get(name) if isinstance(body, dict) else None
    if value is None:
        return []
    found = value if many else [value]
    return [v for f in found for v in values_at(f, rest)] if rest else list(found)
