# SPDX-License-Identifier: Apache-2.0
"""Networks, interfaces, addresses, firewalls. An address is one this host can listen at: a machine's forwards do."""
import ipaddress
import random
import time

from errors import ArmError, bad
from hooks import Hooks, register

SUBNETS = "Microsoft.Network/virtualNetworks/subnets"


def child_form(cloud, parent, kind, item, extra=None):
    """How an element of an inline array is shown: with an id of its own."""
    return {"id": f"{parent.id}/{kind}/{item['name']}", "name": item["name"], "etag": f'W/"{parent.etag}"',
            "type": f"{parent.kind.type}/{kind}",
            "properties": {**item.get("properties", {}), "provisioningState": "Succeeded", **(extra or {})}}


class NetworkHooks(Hooks):
    def show(self, cloud, res, body, expand):
        body["etag"] = f'W/"{res.etag}"'


@register("Microsoft.Network/virtualNetworks")
class VirtualNetworks(NetworkHooks):
    """Subnets are resources of their own here; inside a network they are shown, and taken from its PUT."""

    def prepare(self, cloud, rid, body, old):
        ranges = [ipaddress.ip_network(p) for p in body["properties"]["addressSpace"]["addressPrefixes"]]
        for subnet in body["properties"].get("subnets", []):
            check_subnet(ranges, subnet)

    def stored(self, cloud, res):
        from table import BY_TYPE
        for item in res.properties.pop("subnets", []):
            rid = f"{res.id}/subnets/{item['name']}"
            made = cloud.find(rid) or cloud.make(rid, BY_TYPE[SUBNETS.lower()], {})
            made.body = {"properties": {**item.get("properties", {}), "provisioningState": "Succeeded"}}

    def show(self, cloud, res, body, expand):
        super().show(cloud, res, body, expand)
        body["properties"]["subnets"] = [child_form(cloud, res, "subnets", {"name": s.name, **s.body}, used_by(cloud, s))
                                         for s in cloud.of_kind(SUBNETS, res.id)]

    def deletable(self, cloud, res):
        for subnet in cloud.of_kind(SUBNETS, res.id):
            users = cloud.users(subnet.id)
            if users:
                raise ArmError(400, "InUseSubnetCannotBeDeleted", f"Subnet {subnet.name} is in use by {users[0].id} and "
                               "cannot be deleted.")


def check_subnet(ranges, subnet):
    props = subnet.get("properties", {})
    for prefix in [*props.get("addressPrefixes", []), *filter(None, [props.get("addressPrefix")])]:
        if not any(ipaddress.ip_network(prefix).subnet_of(r) for r in ranges):
            raise ArmError(400, "NetcfgInvalidSubnet", f"Subnet '{subnet.get('name')}' is not valid in virtual network.")


def used_by(cloud, subnet):
    ids = [f"{nic.id}/ipConfigurations/{c['name']}" for nic in cloud.of_kind("Microsoft.Network/networkInterfaces")
           for c in nic.properties.get("ipConfigurations", [])
           if c["properties"].get("subnet", {}).get("id", "").lower() == subnet.id.lower()]
    return {"ipConfigurations": [{"id": i} for i in ids]} if ids else {}


@register(SUBNETS)
class Subnets(NetworkHooks):
    def prepare(self, cloud, rid, body, old):
        home = cloud.get(rid.rsplit("/", 2)[0])
        ranges = [ipaddress.ip_network(p) for p in home.properties["addressSpace"]["addressPrefixes"]]
        check_subnet(ranges, body)

    def show(self, cloud, res, body, expand):
        super().show(cloud, res, body, expand)
        body["properties"].update(used_by(cloud, res))


@register("Microsoft.Network/networkSecurityGroups")
class SecurityGroups(NetworkHooks):
    def prepare(self, cloud, rid, body, old):
        rules = body["properties"].setdefault("securityRules", []) if "properties" in body else \
            body.setdefault("properties", {}).setdefault("securityRules", [])
        seen = {}
        for rule in rules:
            props = rule["properties"]
            if not 100 <= props["priority"] <= 4096:
                raise bad(f"Security rule {rule['name']} has invalid Priority. Value provided: {props['priority']}. Allowed "
                          "range: 100-4096.", code="SecurityRuleInvalidPriority")
            if seen.setdefault((props["direction"], props["priority"]), rule["name"]) != rule["name"]:
                raise bad("Security rules have the same Priority and Direction.", code="SecurityRuleConflict")

    def show(self, cloud, res, body, expand):
        super().show(cloud, res, body, expand)
        body["properties"]["securityRules"] = [child_form(cloud, res, "securityRules", r)
                                               for r in body["properties"].get("securityRules", [])]
        body["properties"]["defaultSecurityRules"] = []
        for name, kind in (("networkInterfaces", "Microsoft.Network/networkInterfaces"), ("subnets", SUBNETS)):
            users = [u for u in cloud.users(res.id) if u.kind.type == kind]
            if users:
                body["properties"][name] = [{"id": u.id} for u in users]


@register("Microsoft.Network/publicIPAddresses")
class PublicAddresses(NetworkHooks):
    def prepare(self, cloud, rid, body, old):
        props, sku = body.setdefault("properties", {}), body.setdefault("sku", {"name": "Basic"})
        if sku.setdefault("name", "Basic") == "Standard" and props.get("publicIPAllocationMethod") != "Static":
            raise ArmError(400, "PublicIPAddressVersionAndSkuMustBeStatic", "Standard sku publicIp must have AllocationMethod "
                           "set to Static.")
        if cloud.hub and sku["name"] == "Standard":
            raise bad("The sku Standard is not offered here.", "sku.name", "SkuNotSupported")
        if not cloud.hub:
            sku.setdefault("tier", "Regional")
        props.setdefault("publicIPAllocationMethod", "Dynamic")
        props.setdefault("publicIPAddressVersion", "IPv4")
        props.setdefault("idleTimeoutInMinutes", 4)
        quota = cloud.options.public_ips
        if old is None and len(cloud.of_kind("Microsoft.Network/publicIPAddresses")) >= quota:
            raise ArmError(400, "PublicIPCountLimitReached", f"Cannot create more than {quota} public IP addresses for this "
                           "subscription in this region.")
        props["ipAddress"] = old.properties["ipAddress"] if old else free_address(cloud, cloud.options.public_net)

    def show(self, cloud, res, body, expand):
        super().show(cloud, res, body, expand)
        body["properties"].pop("deleteOption", None)
        users = cloud.users(res.id)
        if users:
            name = next(c["name"] for c in users[0].properties["ipConfigurations"]
                        if c["properties"].get("publicIPAddress", {}).get("id", "").lower() == res.id.lower())
            body["properties"]["ipConfiguration"] = {"id": f"{users[0].id}/ipConfigurations/{name}"}
        elif body["properties"]["publicIPAllocationMethod"] == "Dynamic":
            body["properties"].pop("ipAddress")


def free_address(cloud, net):
    used = {r.properties.get("ipAddress") for r in cloud.of_kind("Microsoft.Network/publicIPAddresses")}
    used |= {c["properties"].get("privateIPAddress") for n in cloud.of_kind("Microsoft.Network/networkInterfaces")
             for c in n.properties.get("ipConfigurations", [])}
    for host in list(ipaddress.ip_network(net).hosts())[3:]:
        if str(host) not in used:
            return str(host)
    raise ArmError(400, "SubnetIsFull", f"{net} has no free address.")


@register("Microsoft.Network/networkInterfaces")
class Interfaces(NetworkHooks):
    def prepare(self, cloud, rid, body, old):
        props = body.setdefault("properties", {})
        if not props.get("ipConfigurations"):
            raise ArmError(400, "NetworkInterfaceMustHaveAtLeastOneIpConfiguration", f"{rid} must have at least one IP "
                           "configuration.")
        for config in props["ipConfigurations"]:
            self.give_address(cloud, rid, config, old)
        props["macAddress"] = (old.properties["macAddress"] if old else
                               "00-0D-3A-%02X-%02X-%02X" % tuple(random.randrange(256) for _ in range(3)))
        props.setdefault("primary", True)
        props.setdefault("enableIPForwarding", False)
        props.setdefault("enableAcceleratedNetworking", False)

    def give_address(self, cloud, rid, config, old):
        config.setdefault("name", "ipconfig1")
        props = config.setdefault("properties", {})
        subnet = props.get("subnet", {}).get("id")
        if not subnet:
            raise ArmError(400, "InvalidRequestFormat", "The IP configuration has no subnet.")
        public = props.get("publicIPAddress", {}).get("id")
        if public:
            self.check_public(cloud, rid, public)
        was = next((c["properties"] for c in (old.properties.get("ipConfigurations", []) if old else [])
                    if c["name"] == config["name"]), {})
        prefix = cloud.get(subnet).properties.get("addressPrefix") or cloud.get(subnet).properties["addressPrefixes"][0]
        props.setdefault("privateIPAddress", was.get("privateIPAddress") or free_address(cloud, prefix))
        props.setdefault("privateIPAllocationMethod", "Dynamic")
        props.setdefault("privateIPAddressVersion", "IPv4")
        props.setdefault("primary", True)

    def check_public(self, cloud, rid, public):
        for user in cloud.users(public):
            if user.id.lower() != rid.lower():
                raise ArmError(400, "PublicIPAddressInUse", f"Resource {public} is in use by {user.id}.")

    def show(self, cloud, res, body, expand):
        super().show(cloud, res, body, expand)
        for config in body["properties"]["ipConfigurations"]:
            config.update(id=f"{res.id}/ipConfigurations/{config['name']}", etag=f'W/"{res.etag}"',
                          type="Microsoft.Network/networkInterfaces/ipConfigurations")
            config["properties"]["provisioningState"] = "Succeeded"
        users = cloud.users(res.id)
        if users:
            body["properties"]["virtualMachine"] = {"id": users[0].id}
        body["properties"]["tapConfigurations"] = []
        body["properties"]["hostedWorkloads"] = []

    def deletable(self, cloud, res):
        refuse_reserved(cloud, res, "")


def reserve(cloud, nic, vm_id):
    """After a creation that failed, the interface stays reserved for that machine's name."""
    nic.own["reserved"] = (vm_id.lower(), time.time() + cloud.seconds(180))


def refuse_reserved(cloud, nic, vm_id):
    holder, until = nic.own.get("reserved", ("", 0))
    if time.time() < until and holder != vm_id.lower():
        raise ArmError(400, "NicReservedForAnotherVm", f"Nic(s) in request is reserved for another Virtual Machine for 180 "
                       f"seconds. Please provide another nic(s) or retry after 180 seconds. Reserved VM: {holder}",
                       headers={"Retry-After": str(int(until - time.time()) + 1)})  # the pace is ours: --scale


def reachable(cloud, vm):
    """[(address, port)] at which this machine is to be reached: what the security groups let in."""
    out = []
    for ref in vm.properties.get("networkProfile", {}).get("networkInterfaces", []):
        nic = cloud.find(ref["id"])
        for config in nic.properties.get("ipConfigurations", []) if nic else []:
            props = config["properties"]
            groups = security_groups(cloud, nic, props)
            out += [(props["privateIPAddress"], port) for port in cloud.options.ports]
            public = cloud.find(props.get("publicIPAddress", {}).get("id", ""))
            if public:
                closed = public.body["sku"]["name"] == "Standard" and not groups
                out += [(public.properties["ipAddress"], port) for port in cloud.options.ports
                        if not closed and all(lets_in(g, port) for g in groups)]
    return out


def security_groups(cloud, nic, config):
    subnet = cloud.find(config["subnet"]["id"])
    refs = [nic.properties.get("networkSecurityGroup"), subnet.properties.get("networkSecurityGroup") if subnet else None]
    return [g for g in (cloud.find(r["id"]) for r in refs if r) if g]


def lets_in(group, port):
    """From the internet: the first inbound rule that matches decides; at the end stands the default DenyAllInBound."""
    for rule in sorted(group.properties.get("securityRules", []), key=lambda r: r["properties"]["priority"]):
        props = rule["properties"]
        if props["direction"] == "Inbound" and props["protocol"].lower() in ("tcp", "*"):
            spans = [*props.get("destinationPortRanges", []), *filter(None, [props.get("destinationPortRange")])]
            if any(holds_port(span, port) for span in spans):
                return props["access"] == "Allow"
    return False


def holds_port(span, port):
    first, _, last = span.partition("-")
    return span == "*" or int(first) <= port <= int(last or first)
