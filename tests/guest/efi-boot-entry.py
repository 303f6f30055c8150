#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# efi-boot-entry.py VARS DISK PROGRAM: writes a boot entry into an empty UEFI variable store, as the installer of a
# system does through its running firmware: PROGRAM (as EFI names it, with backslashes) on the first partition of the
# GPT disk image DISK. VARS is a copy of OVMF's variable template.
#
# Formats: edk2 MdeModulePkg/Include/Guid/VariableFormat.h (authenticated variables), UEFI 2.10 3.1.3 (load options),
# 5.3 (GPT) and 10.3.5 (device paths of media).
import struct
import sys
import uuid

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c").bytes_le
AUTHENTICATED = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792").bytes_le
NV_BOOT_RUNTIME = 7
STORE_HEADER = 28


def utf16(text):
    return (text + "\0").encode("utf-16-le")


def variable(name, data):
    text = utf16(name)
    header = struct.pack("<HBBIQ16sIII", 0x55AA, 0x3F, 0, NV_BOOT_RUNTIME, 0, bytes(16), 0, len(text), len(data))
    whole = header + GLOBAL + text + data
    return whole + b"\xff" * (-len(whole) % 4)


def device_path(disk, program):
    with open(disk, "rb") as image:
        image.seek(512)
        entries = struct.unpack("<Q", image.read(92)[72:80])[0]
        image.seek(entries * 512)
        entry = image.read(128)
    first, last = struct.unpack("<QQ", entry[32:48])
    drive = struct.pack("<BBHIQQ16sBB", 4, 1, 42, 1, first, last - first + 1, entry[16:32], 2, 2)
    path = utf16(program)
    return drive + struct.pack("<BBH", 4, 4, 4 + len(path)) + path + struct.pack("<BBH", 0x7F, 0xFF, 4)


def main():
    store, disk, program = sys.argv[1:]
    with open(store, "r+b") as flash:
        data = flash.read()
        at = struct.unpack("<H", data[48:50])[0]
        if data[at:at + 16] != AUTHENTICATED or data[at + STORE_HEADER:at + STORE_HEADER + 2] != b"\xff\xff":
            sys.exit(f"{store} is no empty store of authenticated variables")
        path = device_path(disk, program)
        option = struct.pack("<IH", 1, len(path)) + utf16("guest") + path
        flash.seek(at + STORE_HEADER)
        flash.write(variable("Boot0007", option) + variable("BootOrder", struct.pack("<H", 7)))


main()
