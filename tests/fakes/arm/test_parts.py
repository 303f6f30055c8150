# SPDX-License-Identifier: Apache-2.0
"""The parts of the test cloud that are easy to get wrong, each by itself: `python3 -m unittest` in this folder."""
import os
import random
import subprocess
import tempfile
import types
import unittest

import access
import config_disk
import pages
import refusals
from errors import ArmError
from faults import Faults, Rule, seeded
from paths import parse
from shapes import Shape, values_at
from table import BY_TYPE, KINDS, Resource
from web import Request

MIB = 1 << 20


class Rights(unittest.TestCase):
    ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"

    def refused(self, denied, method, path):
        cloud = types.SimpleNamespace(options=types.SimpleNamespace(denied=denied, client_id="me"))
        request, parsed = Request(method, path, {}, b"", ("", 0)), parse(path.split("?")[0])
        try:
            refusals.check_rights(cloud, request, parsed, BY_TYPE[parsed.type])
        except ArmError as refusal:
            return refusal.message.split("'")[5]
        return ""

    def test_an_action_is_named_as_azure_does(self):
        for method, tail, action in (("GET", "", "read"), ("PUT", "", "write"), ("PATCH", "", "write"), ("DELETE", "", "delete"),
                                     ("POST", "/listKeys", "listKeys/action")):
            want = f"Microsoft.Storage/storageAccounts/{action}"
            self.assertEqual(self.refused([want.upper()], method, self.ACCOUNT + tail), want)
            self.assertEqual(self.refused(["Microsoft.Storage/storageAccounts/other"], method, self.ACCOUNT + tail), "")
        self.assertEqual(self.refused(["Microsoft.Storage/*"], "POST", self.ACCOUNT + "/listKeys"),
                         "Microsoft.Storage/storageAccounts/listKeys/action")


class PageRanges(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def disk(self, name, size, writes):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as file:
            file.truncate(size)
            for at, data in writes:
                file.seek(at)
                file.write(data)
        return path

    def test_used_of_a_hole_is_nothing(self):
        self.assertEqual(pages.used(self.disk("a", MIB, []), MIB), [])

    def test_used_leaves_out_written_zeros(self):
        path = self.disk("a", MIB, [(0, bytes(131072)), (131072, b"x")])
        self.assertEqual(pages.used(path, MIB), [(131072, 196607)])

    def test_used_ends_with_an_odd_disk(self):
        size = 65536 + 512
        self.assertEqual(pages.used(self.disk("a", size, [(65536, b"x" * 512)]), size), [(65536, 66047)])

    def test_changed_tells_written_from_cleared(self):
        old = self.disk("old", MIB, [(0, b"a" * 65536), (262144, b"b")])
        new = self.disk("new", MIB, [(262144, b"c"), (524288, b"d")])
        self.assertEqual(pages.changed(new, old, MIB, MIB), ([(262144, 327679), (524288, 589823)], [(0, 65535)]))

    def test_changed_of_a_grown_disk_has_what_is_new(self):
        old, new = self.disk("old", MIB, [(0, b"a")]), self.disk("new", 2 * MIB, [(0, b"a"), (MIB + 65536, b"b")])
        self.assertEqual(pages.changed(new, old, 2 * MIB, MIB), ([(MIB + 65536, MIB + 131071)], []))

    def test_changed_equals_a_plain_compare(self):
        dice = random.Random(7)
        writes = [[(dice.randrange(MIB - 4096), dice.choice([b"x", bytes(4096)]) * dice.randrange(1, 4)) for _ in range(6)]
                  for _ in range(2)]
        old, new = self.disk("old", MIB, writes[0]), self.disk("new", MIB, writes[1])
        with open(old, "rb") as a, open(new, "rb") as b:
            before, after = a.read(), b.read()
        differ = {n for n in range(16) if before[n << 16:(n + 1) << 16] != after[n << 16:(n + 1) << 16]}
        written, cleared = pages.changed(new, old, MIB, MIB)
        self.assertEqual({n for s, e in written + cleared for n in range(s >> 16, (e >> 16) + 1)}, differ)

    def test_page_hands_out_all_ranges_once_in_order(self):
        written, cleared = [(0, 511), (2048, 2559), (9000, 9511)], [(1024, 1535)]
        got, marker = [], ""
        while True:
            part, marker = pages.page(written, cleared, marker, 1)
            got += part
            if not marker:
                break
        self.assertEqual([r[1] for r in got], [0, 1024, 2048, 9000])
        self.assertEqual(got[1][0], "ClearRange")


class ConfigDisks(unittest.TestCase):
    def made(self, label, name, *command):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path, tree = os.path.join(folder.name, "disk"), os.path.join(folder.name, "tree")
        os.makedirs(os.path.dirname(os.path.join(tree, name)))
        with open(os.path.join(tree, name), "w", encoding="ascii") as file:
            file.write("the data")
        subprocess.run([*command, "-V", label, "-o", path, tree], check=True, capture_output=True)
        return config_disk.read(path)

    def test_read_of_an_iso_finds_the_file_of_its_label(self):
        xorriso = ("xorriso", "-as", "mkisofs", "-R")
        self.assertEqual(self.made("cidata", "user-data", *xorriso), b"the data")
        self.assertEqual(self.made("config-2", "openstack/latest/user_data", *xorriso), b"the data")
        self.assertIsNone(self.made("other", "user-data", *xorriso))


class FakeCloud:
    hub = False

    def __init__(self):
        import collections
        import threading
        self.lock, self.resources, self.counts = threading.RLock(), {}, collections.Counter()

    def find(self, rid):
        return self.resources.get(rid.lower())


class SignedUrls(unittest.TestCase):
    def setUp(self):
        self.cloud = FakeCloud()
        kind = next(k for k in KINDS if k.name == "snapshots")
        self.res = Resource("/s", kind, {"properties": {"uniqueId": "u1"}})
        self.cloud.resources["/s"] = self.res
        self.grant = access.Grant("/s", "u1", "Read", 1e12)
        access.grants(self.cloud)["k"] = self.grant

    def refused(self, path="/md-u1/abcd", write=False):
        with self.assertRaises(ArmError) as caught:
            access.admit(self.cloud, {"sig": "k"}, path, write)
        return caught.exception.status

    def test_admit_with_a_live_grant_gives_the_disk(self):
        self.assertIs(access.admit(self.cloud, {"sig": "k"}, "/md-u1/abcd"), self.res)

    def test_admit_after_the_end_is_refused(self):
        self.grant.expires = 1
        self.assertEqual(self.refused(), 403)
        self.assertFalse(access.live(self.cloud, self.res))

    def test_admit_after_revocation_is_refused(self):
        self.grant.revoked = True
        self.assertEqual(self.refused(), 403)

    def test_admit_of_another_disk_of_that_name_is_refused(self):
        self.res.properties["uniqueId"] = "u2"
        self.assertEqual(self.refused(), 404)

    def test_admit_to_write_with_a_grant_to_read_is_refused(self):
        self.assertEqual(self.refused(write=True), 403)


class Schedules(unittest.TestCase):
    def calls(self, faults, names):
        out = []
        for name in names:
            request = Request(name.split()[0], "/", {}, b"", ("", 0))
            request.call = name
            rule = faults.take(request)
            out.append(rule.fault if rule else None)
        return out

    def test_a_seed_gives_the_same_schedule(self):
        forms = [[vars(r) for r in seeded(41, 5, False)] for _ in range(2)]
        self.assertEqual(*forms)
        self.assertNotEqual(forms[0], [vars(r) for r in seeded(42, 5, False)])

    def test_a_seed_draws_from_the_calls_that_were_made(self):
        rules = [r for n in range(50) for r in seeded(n, 3, True, ["PUT disks", "PUT disks", "GET disks"])]
        self.assertEqual({r.call for r in rules}, {"PUT disks", "GET disks"})
        self.assertLessEqual(max(r.nth for r in rules), 2)

    def test_transient_seeds_hold_no_lasting_fault(self):
        self.assertEqual({r.fault for n in range(300) for r in seeded(n, 3, True)} & {"failed", "failed-delete", "scope-locked", "404"},
                         set())

    def test_the_nth_calls_and_no_others_are_hit(self):
        faults = Faults(FakeCloud(), None, [Rule("PUT disks", "500", nth=2, times=2)])
        self.assertEqual(self.calls(faults, ["PUT disks", "GET disks"] + ["PUT disks"] * 3), [None, None, "500", "500", None])

    def test_mutating_counts_changes_only(self):
        faults = Faults(FakeCloud(), None, [Rule("*", "kill", nth=2, mutating=True)])
        self.assertEqual(self.calls(faults, ["PUT disks", "GET disks", "DELETE disks"]), [None, None, "kill"])


class Words(unittest.TestCase):
    SHAPE = Shape(".: name! -id properties", "properties: size:int kind=A|B new@2020-01-01 parts", "properties.parts[]: n!:int")

    def refused(self, body, version="2019-01-01"):
        with self.assertRaises(ArmError) as caught:
            self.SHAPE.check(body, version)
        return caught.exception.target

    def test_check_names_what_is_wrong(self):
        for body, wrong in [({}, "name"), ({"name": "a", "foo": 1}, "foo"), ({"name": "a", "id": "x"}, "id"),
                            ({"name": "a", "properties": {"size": "1"}}, "size"), ({"name": "a", "properties": {"kind": "C"}}, "kind"),
                            ({"name": "a", "properties": {"new": "1"}}, "new"), ({"name": "a", "properties": {"parts": [{}]}}, "n")]:
            self.assertEqual(self.refused(body), wrong)

    def test_check_takes_what_the_version_knows(self):
        self.SHAPE.check({"name": "a", "properties": {"new": "1", "size": 3, "parts": [{"n": 1}]}}, "2020-01-01")

    def test_render_leaves_out_what_the_version_does_not_know(self):
        body = {"name": "a", "properties": {"new": "1", "size": 2, "own": 1}}
        self.assertEqual(self.SHAPE.render(body, "2019-01-01"), {"name": "a", "properties": {"size": 2}})

    def test_values_at_walks_arrays(self):
        self.assertEqual(values_at({"a": [{"b": {"c": 1}}, {"b": {}}, {"b": {"c": 2}}]}, "a[].b.c"), [1, 2])

    def test_parse_tells_resources_lists_actions_and_locks_apart(self):
        group = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks"
        self.assertEqual(parse(group).id, "")
        self.assertEqual(parse(group.replace("resourceGroups", "resourcegroups") + "/d").id, group + "/d")
        self.assertEqual(parse(group + "/d/beginGetAccess").last, "begingetaccess")
        self.assertEqual(parse(group + "/d/providers/Microsoft.Authorization/locks/l").scope, group + "/d")
        self.assertIsNone(parse("/nonsense"))


if __name__ == "__main__":
    unittest.main()
