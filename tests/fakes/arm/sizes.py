# SPDX-License-Identifier: Apache-2.0
"""Sizes of machines: what `skus` and `vmSizes` list, and what a VM is held to."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    name: str
    family: str
    cores: int
    memory_mib: int
    data_disks: int
    premium: bool = False
    generations: str = "V1,V2"
    accelerated: bool = False
    controllers: str = "SCSI"
    hub: bool = True
    restricted: str = ""         # a reason code: listed, but not to be had


SIZES = [
    Size("Standard_A1", "standardA0_A7Family", 1, 1792, 2, generations="V1"),
    Size("Standard_A2", "standardA0_A7Family", 2, 3584, 4, generations="V1"),
    Size("Standard_A1_v2", "standardAv2Family", 1, 2048, 2, generations="V1"),
    Size("Standard_A2_v2", "standardAv2Family", 2, 4096, 4, generations="V1"),
    Size("Standard_B1s", "standardBSFamily", 1, 1024, 2, True, hub=False),
    Size("Standard_B2s", "standardBSFamily", 2, 4096, 4, True, hub=False),
    Size("Standard_DS1_v2", "standardDSv2Family", 1, 3584, 4, True),
    Size("Standard_DS2_v2", "standardDSv2Family", 2, 7168, 8, True),
    Size("Standard_F2s_v2", "standardFSv2Family", 2, 4096, 4, True, accelerated=True),
    Size("Standard_F4s_v2", "standardFSv2Family", 4, 8192, 8, True, accelerated=True),
    Size("Standard_D2s_v3", "standardDSv3Family", 2, 8192, 4, True, hub=False),
    Size("Standard_D4s_v3", "standardDSv3Family", 4, 16384, 8, True, hub=False, accelerated=True),
    Size("Standard_D8s_v3", "standardDSv3Family", 8, 32768, 16, True, hub=False, accelerated=True),
    Size("Standard_D2s_v5", "standardDSv5Family", 2, 8192, 4, True, hub=False, accelerated=True),
    Size("Standard_D4s_v5", "standardDSv5Family", 4, 16384, 8, True, hub=False, accelerated=True),
    Size("Standard_E2bds_v5", "standardEBDSv5Family", 2, 16384, 4, True, "V2", True, "SCSI, NVMe", hub=False),
    Size("Standard_L8s_v3", "standardLSv3Family", 8, 65536, 16, True, hub=False, restricted="NotAvailableForSubscription"),
]
BY_NAME = {size.name.lower(): size for size in SIZES}


def offered(hub):
    return [s for s in SIZES if s.hub or not hub]
