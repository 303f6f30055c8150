# SPDX-License-Identifier: Apache-2.0
"""Shapes (shapes.py) of Microsoft.Compute: Microsoft's OpenAPI documents, as far as a replication tool can meet them."""
from shapes import Shape

TRACKED = ".: -id -name -type location! tags:map properties!\n"
CREATION = """
properties.creationData: createOption!=Empty|Attach|FromImage|Import|Copy|Restore|Upload|CopyStart storageAccountId sourceUri
properties.creationData: sourceResourceId -sourceUniqueId uploadSizeBytes:int imageReference
properties.creationData: galleryImageReference@2019-11-01 logicalSectorSize:int@2020-05-01 performancePlus:bool@2023-01-02
properties.creationData.imageReference: id lun:int
properties.creationData.galleryImageReference: id lun:int
properties.encryption: diskEncryptionSetId type
properties.supportedCapabilities: acceleratedNetwork:bool architecture diskControllerTypes@2022-07-02
properties.securityProfile: securityType secureVMDiskEncryptionSetId
"""
DATA_PROPERTIES = """
properties: -timeCreated osType=Windows|Linux hyperVGeneration=V1|V2 creationData! diskSizeGB:int -diskSizeBytes:int
properties: -uniqueId -provisioningState encryption encryptionSettingsCollection:map
properties: -diskState@2019-07-01 networkAccessPolicy=AllowAll|AllowPrivate|DenyAll@2020-05-01 diskAccessId@2020-05-01
properties: publicNetworkAccess=Enabled|Disabled@2020-12-01 supportsHibernation:bool@2020-12-01 dataAccessAuthMode@2021-12-01
properties: securityProfile@2020-12-01 supportedCapabilities@2020-12-01 purchasePlan:map@2020-06-30
"""
DISK = Shape(TRACKED, CREATION, DATA_PROPERTIES, """
.: -managedBy -managedByExtended:list@2019-11-01 sku zones:strings extendedLocation:map@2020-06-30
sku: name=Standard_LRS|Premium_LRS|StandardSSD_LRS|UltraSSD_LRS|PremiumV2_LRS|Premium_ZRS|StandardSSD_ZRS -tier
properties: diskIOPSReadWrite:int diskMBpsReadWrite:int maxShares:int@2019-11-01 tier@2020-05-01
properties: burstingEnabled:bool@2020-09-30 optimizedForFrequentAttach:bool@2022-03-02 -lastOwnershipUpdateTime@2023-04-02
""")
# The 2019-07-01 document has no diskState for snapshots; later ones do.
SNAPSHOT = Shape(TRACKED, CREATION, DATA_PROPERTIES, """
.: -managedBy sku extendedLocation:map@2020-06-30
sku: name=Standard_LRS|Premium_LRS|Standard_ZRS -tier
properties: incremental:bool completionPercent:int@2021-04-01 -incrementalSnapshotFamilyId@2021-12-01
properties: -diskState@2020-05-01
""")
ACCESS = Shape(""".: access!=None|Read|Write durationInSeconds!:int getSecureVMGuestStateSAS:bool@2022-03-02
.: fileFormat=VHD|VHDX@2023-10-02""")

MANAGED_DISK = "id storageAccountType diskEncryptionSet:map securityProfile:map@2021-07-01"
VM = Shape(TRACKED, f"""
.: zones:strings plan:map identity -resources:list -etag@2024-03-01 extendedLocation:map@2021-03-01 -managedBy@2021-03-01
identity: type userAssignedIdentities:map -principalId -tenantId
properties: hardwareProfile storageProfile osProfile networkProfile securityProfile diagnosticsProfile availabilitySet:map
properties: additionalCapabilities:map -provisioningState -instanceView:map -vmId licenseType priority evictionPolicy
properties: userData@2021-03-01 -timeCreated@2021-11-01 extensionsTimeBudget proximityPlacementGroup:map host:map
properties: applicationProfile:map@2021-07-01 scheduledEventsProfile:map@2021-03-01 billingProfile:map
properties.hardwareProfile: vmSize vmSizeProperties:map@2021-07-01
properties.storageProfile: imageReference osDisk dataDisks diskControllerType@2022-08-01
properties.storageProfile.imageReference: id publisher offer sku version -exactVersion sharedGalleryImageId@2021-03-01
properties.storageProfile.osDisk: osType=Windows|Linux name caching=None|ReadOnly|ReadWrite diskSizeGB:int vhd:map image:map
properties.storageProfile.osDisk: createOption!=Attach|FromImage|Empty managedDisk writeAcceleratorEnabled:bool
properties.storageProfile.osDisk: deleteOption=Delete|Detach@2021-03-01 encryptionSettings:map diffDiskSettings:map
properties.storageProfile.osDisk.managedDisk: {MANAGED_DISK}
properties.storageProfile.dataDisks[]: lun!:int name caching=None|ReadOnly|ReadWrite diskSizeGB:int toBeDetached:bool
properties.storageProfile.dataDisks[]: createOption!=Attach|FromImage|Empty|Copy|Restore managedDisk vhd:map image:map
properties.storageProfile.dataDisks[]: deleteOption=Delete|Detach@2021-03-01 detachOption@2021-03-01
properties.storageProfile.dataDisks[]: writeAcceleratorEnabled:bool -diskIOPSReadWrite:int -diskMBpsReadWrite:int
properties.storageProfile.dataDisks[].managedDisk: {MANAGED_DISK}
properties.osProfile: computerName adminUsername adminPassword customData linuxConfiguration:map windowsConfiguration:map
properties.osProfile: secrets:list allowExtensionOperations:bool requireGuestProvisionSignal:bool
properties.networkProfile: networkInterfaces networkApiVersion@2020-12-01 networkInterfaceConfigurations:list@2020-12-01
properties.networkProfile.networkInterfaces[]: id properties
properties.networkProfile.networkInterfaces[].properties: primary:bool deleteOption=Delete|Detach@2021-03-01
properties.securityProfile: encryptionAtHost:bool securityType@2020-12-01 uefiSettings@2020-12-01
properties.securityProfile.uefiSettings: secureBootEnabled:bool vTpmEnabled:bool
properties.diagnosticsProfile: bootDiagnostics
properties.diagnosticsProfile.bootDiagnostics: enabled:bool storageUri
""")

IMAGE_DISK = "snapshot:map managedDisk:map blobUri caching diskSizeGB:int storageAccountType diskEncryptionSet:map"
IMAGE = Shape(TRACKED, f"""
.: extendedLocation:map@2021-03-01
properties: sourceVirtualMachine:map storageProfile -provisioningState hyperVGeneration=V1|V2
properties.storageProfile: osDisk dataDisks zoneResilient:bool
properties.storageProfile.osDisk: osType!=Windows|Linux osState!=Generalized|Specialized {IMAGE_DISK}
properties.storageProfile.dataDisks[]: lun!:int {IMAGE_DISK}
""")

GALLERY = Shape(TRACKED, """
.: properties
properties: description identifier:map -provisioningState sharingProfile:map softDeletePolicy:map -sharingStatus:map
""")
GALLERY_IMAGE = Shape(TRACKED, """
properties: description eula osType!=Windows|Linux osState!=Generalized|Specialized identifier! -provisioningState
properties: hyperVGeneration=V1|V2 features:list architecture=x64|Arm64 recommended:map disallowed:map endOfLifeDate
properties: privacyStatementUri purchasePlan:map releaseNoteUri allowUpdateImage:bool
properties.identifier: publisher! offer! sku!
""")
GALLERY_VERSION = Shape(TRACKED, """
properties: publishingProfile storageProfile! safetyProfile:map securityProfile:map restore:bool -provisioningState
properties: -replicationStatus:map
properties.publishingProfile: targetRegions replicaCount:int excludeFromLatest:bool -publishedDate endOfLifeDate
properties.publishingProfile: storageAccountType replicationMode=Full|Shallow targetExtendedLocations:list
properties.publishingProfile.targetRegions[]: name! regionalReplicaCount:int storageAccountType encryption:map
properties.publishingProfile.targetRegions[]: excludeFromLatest:bool
properties.storageProfile: source osDiskImage dataDiskImages:list
properties.storageProfile.source: id communityGalleryImageId virtualMachineId
properties.storageProfile.osDiskImage: -sizeInGB:int hostCaching source
properties.storageProfile.osDiskImage.source: id uri storageAccountId communityGalleryImageId
""")

RESTORE_COLLECTION = Shape(TRACKED, """
properties: source -provisioningState -restorePointCollectionId -restorePoints:list
properties.source: id! -location
""")
RESTORE_POINT = Shape("""
.: -id -name -type properties
properties: excludeDisks:list -sourceMetadata:map -provisioningState timeCreated sourceRestorePoint:map -instanceView:map
properties: consistencyMode=CrashConsistent|FileSystemConsistent|ApplicationConsistent
""")
DISK_RESTORE_POINT = Shape("""
.: -id -name -type properties
properties: -timeCreated -sourceResourceId -sourceUniqueId -osType -hyperVGeneration -familyId -sourceResourceLocation
properties: networkAccessPolicy -replicationState -completionPercent:int encryption:map
""")
