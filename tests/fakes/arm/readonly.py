# SPDX-License-Identifier: Apache-2.0
"""What can only be read: subscriptions, locations, sizes, quotas, permissions, lists of everything."""
import re

import sizes
from errors import ArmError
from table import KINDS
from web import Reply


def serve(cloud, request, path):
    if request.method != "GET":
        raise ArmError(405, "MethodNotAllowed", f"The method {request.method} is not allowed on this resource.")
    if path.location and path.location.lower() not in cloud.options.locations:
        raise ArmError(400, "NoRegisteredProviderFound", f"No registered resource provider found for location "
                       f"'{path.location}'.")
    return Reply(200, TABLE[path.type](cloud, request, path))


def subscriptions(cloud, request, path):
    one = {"id": f"/subscriptions/{cloud.options.subscription}", "subscriptionId": cloud.options.subscription,
           "tenantId": cloud.options.tenant, "displayName": "test", "state": "Enabled",
           "authorizationSource": "RoleBased", "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01",
                                                                        "quotaId": "PayAsYouGo_2014-09-01"}}
    return one if path.id else {"value": [one]}


def tenants(cloud, request, path):
    return {"value": [{"id": f"/tenants/{cloud.options.tenant}", "tenantId": cloud.options.tenant}]}


def locations(cloud, request, path):
    return {"value": [{"id": f"/subscriptions/{cloud.options.subscription}/locations/{name}", "name": name,
                       "displayName": name.title()} for name in cloud.options.locations]}


def vm_sizes(cloud, request, path):
    return {"value": [size_form(s) for s in sizes.offered(cloud.hub)]}


def size_form(size):
    return {"name": size.name, "numberOfCores": size.cores, "osDiskSizeInMB": 1047552, "resourceDiskSizeInMB": 10240,
            "memoryInMB": size.memory_mib, "maxDataDiskCount": size.data_disks}


def skus(cloud, request, path):
    match = re.search(r"location eq '([^']*)'", request.query.get("$filter", ""))
    places = [match[1].lower()] if match else list(cloud.options.locations)
    out = [sku(cloud, "virtualMachines", s.name, place, {
        "MaxDataDiskCount": s.data_disks, "vCPUs": s.cores, "MemoryGB": s.memory_mib / 1024, "PremiumIO": s.premium,
        "HyperVGenerations": s.generations, "AcceleratedNetworkingEnabled": s.accelerated,
        "DiskControllerTypes": s.controllers, "CpuArchitectureType": "x64"}, s.family, s.restricted)
        for s in sizes.offered(False) for place in places if place in cloud.options.locations]
    out += [sku(cloud, "disks", n, place, {"MaxSizeGiB": 32767}, "") for n in
            ("Standard_LRS", "StandardSSD_LRS", "Premium_LRS") for place in places if place in cloud.options.locations]
    return {"value": out}


def sku(cloud, kind, name, place, abilities, family, restricted=""):
    restrictions = [{"type": "Location", "values": [place], "restrictionInfo": {"locations": [place]},
                     "reasonCode": restricted}] if restricted else []
    return {"resourceType": kind, "name": name, "tier": name.split("_")[0], "size": name.split("_", 1)[1], "family": family,
            "locations": [place], "locationInfo": [{"location": place, "zones": cloud.options.zones, "zoneDetails": []}],
            "capabilities": [{"name": k, "value": str(v)} for k, v in abilities.items()], "restrictions": restrictions}


def usage(name, label, value, limit):
    return {"unit": "Count", "currentValue": value, "limit": limit, "name": {"value": name, "localizedValue": label}}


def compute_usages(cloud, request, path):
    vms = cloud.of_kind("Microsoft.Compute/virtualMachines")
    held = [sizes.BY_NAME[v.properties["hardwareProfile"]["vmSize"].lower()] for v in vms
            if v.own.get("power") != "deallocated"]
    out = [usage("cores", "Total Regional vCPUs", sum(s.cores for s in held), cloud.options.cores),
           usage("virtualMachines", "Virtual Machines", len(vms), 25000)]
    for family in sorted({s.family for s in sizes.offered(cloud.hub)}):
        out.append(usage(family, f"{family} vCPUs", sum(s.cores for s in held if s.family == family), cloud.options.cores))
    for name, kind in (("Disks", "disks"), ("Snapshots", "snapshots")):
        found = cloud.of_kind(f"Microsoft.Compute/{kind}")
        for tier in ("Standard", "Premium"):
            out.append(usage(f"{tier}{name}", f"{tier} {name}",
                             sum(1 for r in found if r.body["sku"]["name"].startswith(tier)), 50000))
    return {"value": out}


def network_usages(cloud, request, path):
    base = f"/subscriptions/{cloud.options.subscription}/providers/Microsoft.Network/locations/{path.location}/usages"
    rows = [("VirtualNetworks", "virtualNetworks", 1000), ("NetworkSecurityGroups", "networkSecurityGroups", 5000),
            ("NetworkInterfaces", "networkInterfaces", 65536), ("PublicIPAddresses", "publicIPAddresses", cloud.options.public_ips)]
    return {"value": [{"id": f"{base}/{name}", **usage(name, name, len(cloud.of_kind(f"Microsoft.Network/{kind}")), limit)}
                      for name, kind, limit in rows]}


def permissions(cloud, request, path):
    denied = cloud.options.denied
    return {"value": [{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Delete", *denied],
                       "dataActions": [], "notDataActions": []}]}


def resources(cloud, request, path):
    """All resources below a scope; $filter by tag as the real one has it."""
    text = request.query.get("$filter", "")
    name = re.search(r"tagName eq '([^']*)'", text)
    value = re.search(r"tagValue eq '([^']*)'", text)
    kind = re.search(r"resourceType eq '([^']*)'", text)
    out = []
    for res in sorted(cloud.resources.values(), key=lambda r: r.id.lower()):
        tags = res.body.get("tags") or {}
        if not res.id.lower().startswith(path.scope.lower() + "/") or res.kind.extension or res.hidden_reads or \
                res.kind.name == "resourceGroups" or len(res.id.split("/")) > 9:
            continue
        if (name and name[1] not in tags) or (value and tags.get(name[1]) != value[1]) or \
                (kind and kind[1].lower() != res.kind.type.lower()):
            continue
        out.append({"id": res.id, "name": res.name, "type": res.kind.type, "location": res.body.get("location", ""),
                    **({"tags": tags} if tags else {})})
    return {"value": out}


def providers(cloud, request, path):
    spaces = sorted({k.type.split("/")[0] for k in KINDS})
    def form(space):
        return {"id": f"{path.scope}/providers/{space}", "namespace": space, "registrationState": "Registered",
                "resourceTypes": [{"resourceType": k.type.split("/", 1)[1], "locations": list(cloud.options.locations),
                                   "apiVersions": list(k.versions(cloud.hub))}
                                  for k in KINDS if k.type.startswith(space + "/") and k.versions(cloud.hub)]}
    if path.tail:
        match = [s for s in spaces if s.lower() == path.tail[0].lower()]
        if not match:
            raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{path.tail[0]}' is invalid.")
        return form(match[0])
    return {"value": [form(s) for s in spaces]}


TABLE = {
    "subscriptions": subscriptions, "tenants": tenants, "locations": locations, "resources": resources, "providers": providers,
    "microsoft.compute/locations/usages": compute_usages, "microsoft.network/locations/usages": network_usages,
    "microsoft.compute/locations/vmsizes": vm_sizes, "microsoft.compute/skus": skus,
    "microsoft.authorization/permissions": permissions,
}
