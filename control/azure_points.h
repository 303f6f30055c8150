// SPDX-License-Identifier: Apache-2.0
/*
 * Restore points: all disks of a machine at one instant (crash-consistent), where Azure has them; an Azure Stack Hub has none.
 *
 *   restorePointCollections/NAME        of one machine; it has tags, and is made for one run
 *     restorePoints/point               has no tags
 *       diskRestorePoints/DISK_GUID     of each disk: disks are made of it (createOption Restore)
 *
 * The references of a run's snapshots share one collection, which has the name and tags of the first. Their ids are those of the
 * disk restore points; as they came to be together they go together: removing one removes the collection, and `find` names the
 * first alone. A baseline for hints is a kept collection.
 *
 * A disk restore point is an incremental snapshot with an address for reading (beginGetAccess) and says of which family of them it is
 * (familyId); "Get Page Ranges" compares incremental snapshots of one family. That those two may be disk restore points, of two
 * collections, is not said in as many words anywhere: where it is refused, or they are of two families, everything is read.
 *
 * Not supported by Azure: Ultra and Premium v2 disks, write accelerators, more than 500 points of a machine, two being made at
 * once, and moving a machine that has some to another resource group. What is refused falls back to single snapshots, with a
 * warning; a collection that is seen late and another point being made are asked again for about a minute before. Sources: learn.microsoft.com "Support matrix for VM restore points", "Manage VM restore points"; azure-rest-api-specs,
 * restorePoint.json and diskRestorePoint.json.
 */
#ifndef WHERRY_CONTROL_AZURE_POINTS_H
#define WHERRY_CONTROL_AZURE_POINTS_H

#include "azure.h"

/* The id is of a collection, or of something in it. */
bool azure_in_points(const char *id);
/* The collection that a reference with such an id is in. */
struct res_ref azure_points_of(const struct res_ref *ref);
/* One point of all disks of m, for refs as snapshot_machine has it. 0: refs have their ids; 1: no restore point for this machine, and
 * none is there; -1, retryable while it is being made. */
int azure_points_make(struct azure *a, const struct machine *m, struct res_ref *refs, unsigned n, struct err *e);
/* As azure_remove, of a collection. */
int azure_points_remove(struct azure *a, const struct res_ref *set, bool *gone, struct err *e);
/* ref is a collection that was found: its id becomes that of the first disk's point, which the journal knows it by. */
int azure_points_first(struct azure *a, struct res_ref *ref, struct err *e);

#endif
