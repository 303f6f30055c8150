# SPDX-License-Identifier: Apache-2.0
"""Shapes (shapes.py) of Microsoft.Network, Storage, Authorization, DevTestLab and Resources."""
from shapes import Shape

NETWORK = ".: id name -type location tags:map etag properties\n"
NIC = Shape(NETWORK, """
.: extendedLocation:map@2020-07-01
properties: -virtualMachine:map networkSecurityGroup:map ipConfigurations -tapConfigurations:list dnsSettings:map macAddress
properties: primary:bool enableAcceleratedNetworking:bool enableIPForwarding:bool -hostedWorkloads:strings resourceGuid
properties: -provisioningState -vnetEncryptionSupported:bool@2022-01-01 auxiliaryMode@2022-05-01 auxiliarySku@2023-02-01
properties: nicType@2019-12-01 disableTcpStateTracking:bool@2022-09-01 -allowPort25Out:bool@2023-02-01
properties.ipConfigurations[]: id name etag -type@2019-12-01 properties
properties.ipConfigurations[].properties: privateIPAddress privateIPAllocationMethod=Static|Dynamic -provisioningState
properties.ipConfigurations[].properties: privateIPAddressVersion=IPv4|IPv6 subnet:map primary:bool publicIPAddress
properties.ipConfigurations[].properties: applicationSecurityGroups:list loadBalancerBackendAddressPools:list
properties.ipConfigurations[].properties.publicIPAddress: id name etag location tags:map sku:map zones:strings -type properties
properties.ipConfigurations[].properties.publicIPAddress.properties: deleteOption=Delete|Detach@2021-03-01
""")
PUBLIC_IP = Shape(NETWORK, """
.: sku zones:strings extendedLocation:map@2020-07-01
sku: name=Basic|Standard tier=Regional|Global@2020-07-01
properties: publicIPAllocationMethod=Static|Dynamic publicIPAddressVersion=IPv4|IPv6 -ipConfiguration:map dnsSettings:map
properties: -ipAddress idleTimeoutInMinutes:int resourceGuid -provisioningState ipTags:list ddosSettings:map
properties: publicIPPrefix:map deleteOption=Delete|Detach@2021-03-01 -migrationPhase@2021-03-01
""")
RULE = """
{0}: description protocol! sourcePortRange destinationPortRange sourceAddressPrefix destinationAddressPrefix access!=Allow|Deny
{0}: sourcePortRanges:strings destinationPortRanges:strings sourceAddressPrefixes:strings destinationAddressPrefixes:strings
{0}: priority!:int direction!=Inbound|Outbound -provisioningState
"""
NSG = Shape(NETWORK, """
properties: securityRules -defaultSecurityRules:list -networkInterfaces:list -subnets:list resourceGuid -provisioningState
properties: flushConnection:bool@2022-01-01
properties.securityRules[]: id name! etag -type@2019-12-01 properties
""", RULE.format("properties.securityRules[].properties"))
SUBNET_PROPERTIES = """
{0}: addressPrefix addressPrefixes:strings networkSecurityGroup:map routeTable:map serviceEndpoints:list
{0}: -ipConfigurations:list delegations:list -provisioningState privateEndpointNetworkPolicies@2019-04-01
{0}: privateLinkServiceNetworkPolicies@2019-04-01 natGateway:map@2019-02-01 defaultOutboundAccess:bool@2023-05-01
"""
VNET = Shape(NETWORK, """
.: extendedLocation:map@2020-07-01
properties: addressSpace! dhcpOptions:map subnets virtualNetworkPeerings:list resourceGuid -provisioningState
properties: enableDdosProtection:bool enableVmProtection:bool privateEndpointVNetPolicies@2023-11-01
properties.addressSpace: addressPrefixes!:strings
properties.subnets[]: id name! etag -type@2019-12-01 properties
""", SUBNET_PROPERTIES.format("properties.subnets[].properties"))
SUBNET = Shape(""".: id name -type@2019-12-01 etag properties
""", SUBNET_PROPERTIES.format("properties"))

STORAGE = Shape(""".: -id -name -type location! tags:map sku! kind! identity:map properties
sku: name! -tier
properties: -provisioningState -primaryEndpoints:map -creationTime -primaryLocation -statusOfPrimary accessTier
properties: supportsHttpsTrafficOnly:bool networkAcls:map encryption:map allowBlobPublicAccess:bool
properties: minimumTlsVersion allowSharedKeyAccess:bool publicNetworkAccess
""")
LOCK = Shape(""".: -id -name -type properties!
properties: level!=CanNotDelete|ReadOnly|NotSpecified notes owners:list
""")
SCHEDULE = Shape(""".: -id -name -type location tags:map properties!
properties: status=Enabled|Disabled taskType dailyRecurrence:map weeklyRecurrence:map hourlyRecurrence:map timeZoneId
properties: targetResourceId notificationSettings:map -createdDate -provisioningState -uniqueIdentifier
""")
GROUP = Shape(""".: id name type location! tags:map managedBy properties
properties: -provisioningState
""")
