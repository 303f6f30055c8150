# SPDX-License-Identifier: Apache-2.0
"""The resource types, as data: what each is called, which API versions it has in the public cloud and on Azure Stack
Hub, how its calls answer, what it refers to, and what refuses its removal. arm_api.py works by this table alone; what a
type does besides (files, machines, addresses) is in its hooks (hooks.py)."""
import threading
from dataclasses import dataclass, field
from typing import Optional

import shapes_compute as compute
import shapes_other as other
from shapes import Shape


@dataclass(frozen=True)
class Style:
    """How a call is answered: the status of one that makes something and of one that changes it, which headers lead to
    the operation, and whether a body comes with it."""
    made: int
    changed: int
    headers: tuple = ()
    seconds: float = 0.0  # of work, before the scale (arm.py --scale)


BOTH, AZURE, LOCATION = ("Azure-AsyncOperation", "Location"), ("Azure-AsyncOperation",), ("Location",)
SYNC = Style(201, 200)
ACCEPTED = Style(202, 202, BOTH, 1)     # disks, snapshots: nothing is known but that it was accepted
CREATED = Style(201, 200, AZURE, 1)     # 201, and still provisioning
REPLICATED = Style(201, 200, AZURE, 3)  # longer
LOCATION_ONLY = Style(202, 202, LOCATION, 1)
GONE_BOTH, GONE_LOCATION = Style(202, 202, BOTH, 1), Style(202, 202, LOCATION, 1)


@dataclass(frozen=True)
class InUse:
    """What a delete is refused with while another resource refers to this one."""
    status: int
    code: str
    message: str  # {name}, {user}: the names of both


@dataclass(frozen=True)
class Kind:
    type: str
    public: str                  # API version, as AZURE.md has it
    hub: Optional[str]           # None: not on Azure Stack Hub
    shape: Shape
    put: Optional[Style] = CREATED
    delete: Optional[Style] = GONE_BOTH
    also: tuple = ()             # older or newer versions that foreign clients use
    refs: tuple = ()             # where ids of others stand
    holds: tuple = ()            # those refs that forbid the other's removal while this one lives
    in_use: Optional[InUse] = None
    immutable: tuple = ()        # properties a second PUT may not change
    patch: tuple = ("tags",)     # what PATCH may change besides tags
    extension: bool = False      # lives below any scope (locks)
    creating: str = "Creating"   # provisioningState while it is made

    @property
    def name(self):
        return self.type.split("/")[-1]

    def versions(self, hub):
        own = self.hub if hub else self.public
        return tuple(v for v in (own, *self.also) if v)


DISK_IDS = ("properties.storageProfile.osDisk.managedDisk.id", "properties.storageProfile.dataDisks[].managedDisk.id")
NIC_IDS = ("properties.networkProfile.networkInterfaces[].id",)
ADDRESS_IDS = ("properties.ipConfigurations[].properties.publicIPAddress.id",
               "properties.ipConfigurations[].properties.subnet.id")
NSG_ID = "properties.networkSecurityGroup.id"
AZ_GALLERIES = ("2021-10-01", "2022-03-03")  # of Debian's azure-cli
IMAGE_IDS = tuple(f"properties.storageProfile.osDisk.{k}.id" for k in ("snapshot", "managedDisk"))
DATA_REFS = tuple("properties.creationData." + name for name in
                  ("sourceResourceId", "imageReference.id", "galleryImageReference.id"))

KINDS = [
    Kind("Microsoft.Resources/resourceGroups", "2021-04-01", "2018-05-01", other.GROUP, SYNC, GONE_LOCATION,
         also=("2019-10-01", "2022-09-01", "2020-06-01", "2019-07-01")),
    Kind("Microsoft.Compute/virtualMachines", "2024-07-01", "2020-06-01", compute.VM, CREATED, GONE_BOTH,
         refs=DISK_IDS + NIC_IDS, holds=DISK_IDS + NIC_IDS,
         patch=("tags", "identity", "properties.hardwareProfile", "properties.storageProfile", "properties.userData"),
         immutable=("location", "zones", "properties.storageProfile.osDisk.osType")),
    Kind("Microsoft.Compute/disks", "2024-03-02", "2019-07-01", compute.DISK, ACCEPTED, GONE_BOTH, refs=DATA_REFS,
         in_use=InUse(409, "OperationNotAllowed", "Disk {name} is attached to VM {user}."),
         patch=("tags", "sku", "properties.diskSizeGB", "properties.networkAccessPolicy"), creating="Updating",
         immutable=("location", "zones", "properties.creationData")),
    Kind("Microsoft.Compute/snapshots", "2024-03-02", "2019-07-01", compute.SNAPSHOT, ACCEPTED, GONE_BOTH,
         refs=DATA_REFS, creating="Updating", patch=("tags", "sku", "properties.networkAccessPolicy"),
         immutable=("location", "properties.creationData", "properties.incremental")),
    Kind("Microsoft.Compute/images", "2024-07-01", "2020-06-01", compute.IMAGE, CREATED, GONE_BOTH, refs=IMAGE_IDS,
         immutable=("location", "properties.storageProfile")),
    Kind("Microsoft.Compute/galleries", "2024-03-03", None, compute.GALLERY, CREATED, GONE_BOTH,
         also=AZ_GALLERIES),
    Kind("Microsoft.Compute/galleries/images", "2024-03-03", None, compute.GALLERY_IMAGE, CREATED, GONE_BOTH,
         also=AZ_GALLERIES, immutable=("properties.identifier", "properties.hyperVGeneration", "properties.osState")),
    Kind("Microsoft.Compute/galleries/images/versions", "2024-03-03", None, compute.GALLERY_VERSION,
         REPLICATED, GONE_BOTH, also=AZ_GALLERIES, refs=("properties.storageProfile.source.id", "properties.storageProfile.osDiskImage.source.id"),
         immutable=("properties.storageProfile",)),
    Kind("Microsoft.Compute/restorePointCollections", "2024-07-01", None, compute.RESTORE_COLLECTION, SYNC, GONE_BOTH,
         refs=("properties.source.id",)),
    Kind("Microsoft.Compute/restorePointCollections/restorePoints", "2024-07-01", None, compute.RESTORE_POINT,
         CREATED, GONE_BOTH),
    Kind("Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints", "2024-03-02", None,
         compute.DISK_RESTORE_POINT, None, None),
    Kind("Microsoft.Network/networkInterfaces", "2024-05-01", "2018-11-01", other.NIC, CREATED, GONE_BOTH,
         refs=ADDRESS_IDS + (NSG_ID,), holds=ADDRESS_IDS + (NSG_ID,), creating="Updating",
         in_use=InUse(400, "NicInUse", "Network Interface {name} is used by existing resource {user}. In order to delete "
                      "the network interface, it must be dissociated from the resource.")),
    Kind("Microsoft.Network/publicIPAddresses", "2024-05-01", "2018-11-01", other.PUBLIC_IP, CREATED, GONE_BOTH,
         in_use=InUse(400, "PublicIPAddressCannotBeDeleted", "Public IP address {name} can not be deleted since it is "
                      "still allocated to resource {user}."), creating="Updating", immutable=("sku.name", "zones")),
    Kind("Microsoft.Network/networkSecurityGroups", "2024-05-01", "2018-11-01", other.NSG, CREATED, GONE_BOTH,
         in_use=InUse(400, "InUseNetworkSecurityGroupCannotBeDeleted", "Network security group {name} cannot be deleted "
                      "because it is in use by the following resources: {user}."), creating="Updating"),
    Kind("Microsoft.Network/virtualNetworks", "2024-05-01", "2018-11-01", other.VNET, CREATED, GONE_BOTH,
         creating="Updating"),
    Kind("Microsoft.Network/virtualNetworks/subnets", "2024-05-01", "2018-11-01", other.SUBNET, CREATED, GONE_BOTH,
         refs=(NSG_ID,), holds=(NSG_ID,), creating="Updating",
         in_use=InUse(400, "InUseSubnetCannotBeDeleted", "Subnet {name} is in use by {user} and cannot be deleted.")),
    Kind("Microsoft.Storage/storageAccounts", "2024-01-01", "2019-06-01", other.STORAGE, LOCATION_ONLY, SYNC),
    Kind("Microsoft.Authorization/locks", "2016-09-01", "2016-09-01", other.LOCK, SYNC, SYNC, extension=True,
         also=("2020-05-01",)),
    Kind("Microsoft.DevTestLab/schedules", "2018-09-15", None, other.SCHEDULE, SYNC, SYNC),
]
BY_TYPE = {kind.type.lower(): kind for kind in KINDS}

# Collections that are read only, at a location or a scope, and no resources: type -> (public, hub) versions.
READ_ONLY = {
    "microsoft.compute/locations/usages": (("2024-07-01",), ("2020-06-01",)),
    "microsoft.network/locations/usages": (("2024-05-01",), ("2018-11-01",)),
    "microsoft.compute/locations/vmsizes": (("2024-07-01",), ("2020-06-01",)),
    "microsoft.compute/skus": (("2021-07-01",), ()),
    "microsoft.authorization/permissions": (("2022-04-01", "2018-07-01"), ("2015-07-01", "2016-09-01")),
    "subscriptions": (("2021-04-01", "2021-01-01", "2022-12-01", "2019-11-01"), ("2019-10-01", "2019-06-01", "2016-06-01")),
    "tenants": (("2021-04-01", "2019-11-01"), ("2019-10-01", "2019-06-01", "2016-06-01")),
    "locations": (("2021-04-01", "2022-12-01", "2019-11-01"), ("2019-10-01", "2019-06-01", "2016-06-01")),
    "resources": (("2021-04-01",), ("2018-05-01", "2019-10-01")),
    "providers": (("2021-04-01",), ("2018-05-01", "2019-10-01")),
}


@dataclass
class Resource:
    id: str
    kind: Kind
    body: dict                   # as the newest version would show it
    etag: int = 1
    made: float = 0.0
    hidden_reads: int = 0        # how many reads still say it is not there
    deleting: bool = False
    busy: threading.RLock = field(default_factory=threading.RLock)  # one operation at a time; taken before the cloud's lock
    own: dict = field(default_factory=dict)  # what only the hooks know: data file, process, ...

    @property
    def name(self):
        return self.id.rsplit("/", 1)[1]

    @property
    def group(self):
        words = self.id.split("/")
        return words[4] if len(words) > 4 else ""

    @property
    def properties(self):
        return self.body.setdefault("properties", {})

    @property
    def state(self):
        return self.properties.get("provisioningState", "Succeeded")

    def parent_id(self):
        return self.id.rsplit("/", 2)[0]
