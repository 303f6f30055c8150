# SPDX-License-Identifier: Apache-2.0
"""The bootstrap data on a config disk, as cloud-init's data sources describe them: ISO 9660 (ECMA-119)
or FAT, with OpenStack's file or NoCloud's."""
import os
import struct
import subprocess

FILES = {"config-2": "openstack/latest/user_data", "cidata": "user-data"}
SECTOR = 2048


def read(path):
    """The data, or None when this is no config disk."""
    with open(path, "rb") as disk:
        volume = os.pread(disk.fileno(), SECTOR, 16 * SECTOR)
        if volume[1:6] == b"CD001":
            return read_iso(disk, volume)
    for name in FILES.values():
        done = subprocess.run(["mtype", "-i", path, f"::/{name}"], capture_output=True, check=False,
                              env={**os.environ, "MTOOLS_SKIP_CHECK": "1"})
        if done.returncode == 0:
            return done.stdout
    return None


def read_iso(disk, volume):
    name = FILES.get(volume[40:72].decode("ascii", "replace").strip().lower())
    place = extent(volume[156:190])
    for part in name.split("/") if name else ():
        place = entries(os.pread(disk.fileno(), place[1], place[0])).get(part)
        if place is None:
            return None
    return os.pread(disk.fileno(), place[1], place[0]) if name else None


def extent(record):
    """(offset, bytes) of what a directory record tells of."""
    return struct.unpack_from("<I", record, 2)[0] * SECTOR, struct.unpack_from("<I", record, 10)[0]


def entries(directory):
    """{lower-case name without its version: (offset, bytes)}; a record does not cross a sector."""
    found, at = {}, 0
    while at < len(directory):
        length = directory[at]
        if length == 0:
            at = (at // SECTOR + 1) * SECTOR
            continue
        record = directory[at:at + length]
        found[name_of(record)] = extent(record)
        at += length
    return found


def name_of(record):
    """Rock Ridge's name (IEEE P1282, "NM") where there is one."""
    end = 33 + record[32]
    at = end + end % 2     # what follows begins at an even place
    while at + 4 <= len(record) and record[at + 2] >= 4:
        if record[at:at + 2] == b"NM":
            return record[at + 5:at + record[at + 2]].decode("ascii", "replace").lower()
        at += record[at + 2]
    return record[33:end].decode("ascii", "replace").lower().split(";")[0].rstrip(".")
