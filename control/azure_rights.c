// SPDX-License-Identifier: Apache-2.0
/* What this driver may do, and what locks keep it from. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "azure.h"
#include "base/cleanup.h"
#include "base/mem.h"

/* Where an action is used: the group of workers, the group of the machine and of what is kept, that of a subnet, and what belongs to
 * no group. What only `wherry image upload` needs, in the group of workers. */
enum { W = 1, G = 2, N = 4, S = 8, I = 16 };

/* What every call of this driver needs; azure-role.json grants the same. What is made of a disk or snapshot needs access to it, too
 * (Azure: "linked access"). */
static const struct {
	const char *action;
	unsigned char source, target;
} actions[] = {
	{"Microsoft.Compute/virtualMachines/read", W | G, W | G},
	{"Microsoft.Compute/virtualMachines/write", W, W | G},
	{"Microsoft.Compute/virtualMachines/delete", W, W | G},
	{"Microsoft.Compute/virtualMachines/deallocate/action", G, 0},
	{"Microsoft.Compute/virtualMachines/start/action", 0, G},
	{"Microsoft.Compute/virtualMachines/retrieveBootDiagnosticsData/action", W, W},
	{"Microsoft.Compute/disks/read", W | G, W | G},
	{"Microsoft.Compute/disks/write", W, W | G},
	{"Microsoft.Compute/disks/delete", W, W | G},
	{"Microsoft.Compute/disks/beginGetAccess/action", W | G, W | G},
	{"Microsoft.Compute/disks/endGetAccess/action", W, W},
	{"Microsoft.Compute/snapshots/read", W | G, W | G},
	{"Microsoft.Compute/snapshots/write", W | G, G},
	{"Microsoft.Compute/snapshots/delete", W | G, G},
	{"Microsoft.Compute/snapshots/beginGetAccess/action", W | G, G},
	{"Microsoft.Compute/snapshots/endGetAccess/action", W | G, 0},
	{"Microsoft.Compute/restorePointCollections/read", W | G, 0},
	{"Microsoft.Compute/restorePointCollections/write", W | G, 0},
	{"Microsoft.Compute/restorePointCollections/delete", W | G, 0},
	{"Microsoft.Compute/restorePointCollections/restorePoints/read", W | G, 0},
	{"Microsoft.Compute/restorePointCollections/restorePoints/write", W | G, 0},
	{"Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/read", W | G, 0},
	{"Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/beginGetAccess/action", W | G, 0},
	{"Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/endGetAccess/action", W | G, 0},
	{"Microsoft.Compute/galleries/read", S, S},
	{"Microsoft.Compute/galleries/images/read", S, S},
	{"Microsoft.Compute/galleries/images/versions/read", S, S},
	{"Microsoft.Compute/galleries/write", I, I},
	{"Microsoft.Compute/galleries/images/write", I, I},
	{"Microsoft.Compute/galleries/images/versions/write", I, I},
	{"Microsoft.Compute/galleries/images/versions/delete", I, I},
	{"Microsoft.Compute/images/read", S, S},
	{"Microsoft.Compute/locations/usages/read", S, S},
	{"Microsoft.Compute/locations/vmSizes/read", S, S},
	{"Microsoft.Compute/locations/operations/read", S, S},
	{"Microsoft.Compute/locations/diskOperations/read", S, S},
	{"Microsoft.Compute/locations/capsOperations/read", S, S},
	{"Microsoft.Compute/skus/read", S, S},
	{"Microsoft.Network/networkInterfaces/read", W | G, W | G},
	{"Microsoft.Network/networkInterfaces/write", W, W | G},
	{"Microsoft.Network/networkInterfaces/delete", W, W | G},
	{"Microsoft.Network/networkInterfaces/join/action", W, W | G},
	{"Microsoft.Network/publicIPAddresses/read", W | G, W | G},
	{"Microsoft.Network/publicIPAddresses/write", W, W},
	{"Microsoft.Network/publicIPAddresses/delete", W, W},
	{"Microsoft.Network/publicIPAddresses/join/action", W, W},
	{"Microsoft.Network/networkSecurityGroups/read", W | G, W | G},
	{"Microsoft.Network/networkSecurityGroups/write", W, W},
	{"Microsoft.Network/networkSecurityGroups/delete", W, W},
	{"Microsoft.Network/networkSecurityGroups/join/action", W, W},
	{"Microsoft.Network/virtualNetworks/subnets/read", N, N},
	{"Microsoft.Network/virtualNetworks/subnets/join/action", N, N},
	{"Microsoft.Network/locations/usages/read", S, S},
	{"Microsoft.Network/locations/operations/read", S, S},
	{"Microsoft.Network/locations/operationResults/read", S, S},
	{"Microsoft.Resources/subscriptions/resourceGroups/read", W | G, W | G},
	{"Microsoft.Authorization/locks/read", W | G, W | G},
	{"Microsoft.Authorization/permissions/read", W | G | N, W | G | N},
	{"Microsoft.Storage/storageAccounts/read", G, G},
	{"Microsoft.DevTestLab/schedules/read", W, W},
	{"Microsoft.DevTestLab/schedules/write", W, W},
	{"Microsoft.DevTestLab/schedules/delete", W, W},
};
#define ACTIONS (sizeof actions / sizeof actions[0])

/* ---- Rights ---- */

static bool grants(yyjson_val *list, const char *action)
{
	yyjson_val *pattern;
	size_t i, max;

	yyjson_arr_foreach(list, i, max, pattern)
		if (yyjson_is_str(pattern) && fnmatch(yyjson_get_str(pattern), action, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

/* One role: what it takes back, another may grant. */
static int see_role(void *ctx, yyjson_val *role)
{
	bool *granted = ctx;

	for (size_t i = 0; i < ACTIONS; i++)
		granted[i] |= grants(yyjson_obj_get(role, "actions"), actions[i].action) &&
			      !grants(yyjson_obj_get(role, "notActions"), actions[i].action);
	return 0;
}

/* Elsewhere there is nothing of the kind, and nobody grants it. */
static bool is_here(const struct azure *a, const char *action)
{
	const char *const *versions = a->session.cloud->versions;

	return (strstr(action, "/restorePointCollections/") == NULL || versions[AZURE_RESTORE] != NULL) &&
	       (strstr(action, "/schedules/") == NULL || versions[AZURE_SCHEDULES] != NULL);
}

struct scope {
	char group[96];
	unsigned char uses; /* W | G | ... */
};

/* What belongs to no group is granted by a role of the whole subscription, which a group's list has, too. */
static void check_rights(struct azure *a, const struct scope *in, bool source, struct findings *out)
{
	cleanup(cleanup_free) char *path = mem_printf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Authorization/permissions",
						      a->session.subscription, in->group);
	bool granted[ACTIONS] = {false};
	struct err e = ERR_INIT;

	if (azure_list(&a->session, AZURE_PERMISSIONS, path, see_role, granted, &e) < 0) {
		findings_add(out, FINDING_NOT_CHECKED, e.kind, "which actions are allowed in %s: %s", in->group, e.msg);
		return;
	}
	for (size_t i = 0; i < ACTIONS; i++) {
		unsigned char needs = (source ? actions[i].source : actions[i].target) & in->uses;

		if (needs == 0 || granted[i] || !is_here(a, actions[i].action))
			continue;
		if (needs == I)
			findings_add(out, FINDING_NOTE, ERR_NONE, "%s may not %s in resource group %s, so that somebody else has to run `wherry image "
				     "upload`", azure_credential_who(a->session.credential), actions[i].action, in->group);
		else
			findings_add(out, FINDING_ERROR, ERR_DENIED, "%s may not %s in %s %s: give it a role that grants that "
				     "(control/azure-role.json is one)", azure_credential_who(a->session.credential), actions[i].action,
				     needs == S ? "subscription" : "resource group", needs == S ? a->session.subscription : in->group);
	}
}

static void add_scope(struct scope *scopes, const char *group, int size, unsigned char uses)
{
	struct scope *s = scopes;

	while (s->uses != 0 && ((int)strlen(s->group) != size || strncasecmp(s->group, group, (size_t)size) != 0))
		s++;
	snprintf(s->group, sizeof s->group, "%.*s", size, group);
	s->uses |= uses;
}

/* The group in an id, of which the subscription is ours. */
static void add_scope_of(struct scope *scopes, const char *id, unsigned char uses)
{
	static const char word[] = "/resourceGroups/";
	const char *at = strcasestr(id, word);

	if (at != NULL)
		add_scope(scopes, at + sizeof word - 1, (int)strcspn(at + sizeof word - 1, "/"), uses);
}

void azure_check_rights(struct azure *a, bool source, struct findings *out)
{
	const struct azure_options *o = &a->options;
	struct scope scopes[5] = {0};

	add_scope(scopes, o->worker_group, (int)strlen(o->worker_group), W | S | (a->session.cloud->versions[AZURE_GALLERIES] != NULL ? I : 0));
	add_scope(scopes, o->group, (int)strlen(o->group), G);
	add_scope_of(scopes, o->subnet, N);
	if (!source)
		add_scope_of(scopes, o->target_subnet, N);
	for (const struct scope *s = scopes; s->uses != 0; s++)
		check_rights(a, s, source, out);
}

/* ---- Locks ---- */

struct lock_check {
	struct findings *out;
	const char *group, *what;
	enum finding_level level;
	const char *advice;
	bool inherited; /* those of the subscription, too */
};

static int see_lock(void *ctx, yyjson_val *lock)
{
	const struct lock_check *c = ctx;
	bool own = strcasestr(rest_text(lock, "id"), "/resourceGroups/") != NULL;

	if (own || c->inherited)
		findings_add(c->out, c->level, ERR_DENIED, "%s%s has the lock %s (%s), under which %s can be removed again: %s",
			     own ? "resource group " : "the subscription", own ? c->group : "", rest_text(lock, "name"),
			     azure_text(lock, "/properties/level"), c->what, c->advice);
	return 0;
}

/* At a group or above it; of both groups, those of the subscription are told once. */
static void check_locks(struct azure *a, struct lock_check *c)
{
	cleanup(cleanup_free) char *path = mem_printf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Authorization/locks?"
						      "$filter=atScope()", a->session.subscription, c->group);
	struct err e = ERR_INIT;

	if (azure_list(&a->session, AZURE_LOCKS, path, see_lock, c, &e) < 0)
		findings_add(c->out, FINDING_NOT_CHECKED, e.kind, "locks of %s: %s", c->group, e.msg);
}

void azure_check_locks(struct azure *a, bool source, struct findings *out)
{
	bool one = strcasecmp(a->options.group, a->options.worker_group) == 0;
	struct lock_check workers = {out, a->options.worker_group, "nothing", FINDING_ERROR,
				     "name another group by \"worker_resource_group\", or have it taken off", true};
	/* Without baselines nothing of a source's is there to be removed. */
	struct lock_check kept = {out, a->options.group, source ? "no baseline" : "no replica or old generation",
				  source ? FINDING_WARNING : FINDING_ERROR,
				  source ? "have it taken off, or let \"hints\" be \"ignore\"" : "have it taken off", false};

	check_locks(a, &workers);
	if (!one && (!source || a->p.needs_baseline))
		check_locks(a, &kept);
}
