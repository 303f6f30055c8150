// SPDX-License-Identifier: Apache-2.0
/* What the Azure driver says beforehand of rights, locks, sizes and quotas. */
#include "azure_driver_fixture.h"

static void validate_each_lack_is_a_finding(void **state)
{
	static const struct {
		const char *part, *reply, *words;
	} cases[] = {
		{"/permissions", "{\"value\":[{\"actions\":[\"*\"],\"notActions\":[\"Microsoft.Compute/*/delete\"]}]}",
		 "may not Microsoft.Compute/snapshots/delete in resource group g: give it a role"},
		{"/locks?$filter=atScope()", "{\"value\":[{\"name\":\"keep\",\"properties\":{\"level\":\"CanNotDelete\"}}]}", "has the lock keep (CanNotDelete)"},
		{"Microsoft.Compute/skus", "{\"value\":[{\"resourceType\":\"virtualMachines\",\"name\":\"Small\",\"restrictions\":[{\"type\":\"Location\","
		 "\"reasonCode\":\"NotAvailableForSubscription\"}]}]}", "size Small is not to be had in here (NotAvailableForSubscription)"},
		{"/vmSizes", "{\"value\":[{\"name\":\"Small\",\"numberOfCores\":2,\"memoryInMB\":1,\"maxDataDiskCount\":0}]}", "size Small takes no disk of "
		 "a machine"},
		{"virtualMachines/web1", "{\"location\":\"there\",\"properties\":{}}", "is in there, and \"location\" says here"},
		{"Microsoft.Compute/skus", "{\"value\":[{\"resourceType\":\"virtualMachines\",\"name\":\"Small\",\"capabilities\":[{\"name\":"
		 "\"HyperVGenerations\",\"value\":\"V2\"}]}]}", "run `wherry image upload --firmware uefi`"},
	};
	struct world *t = opened(state, false);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct machine m = {.id = COMPUTE "virtualMachines/web1", .name = "web1"};
		struct findings f = {0};
		bool found = false;

		vec_push(&m.disks);
		vec_push(&m.disks);
		says(t, cases[i].part, 200, cases[i].reply);
		rest_replay_fault(t->w->cloud, "/permissions", 200, "{\"value\":[{\"actions\":[\"*\"],\"notActions\":[]}]}", 0, i != 0);
		rest_replay_fault(t->w->cloud, "/vmSizes", 200, SIZES, 0, i != 3);
		rest_replay_fault(t->w->cloud, "disks/img", 200, "{}", 0, i == 0);
		rest_replay_fault(t->w->cloud, "virtualMachines/web1", 200, "{\"location\":\"HERE\"}", 0, i != 4);
		rest_replay_fault(t->w->cloud, "skus", 200, "{\"value\":[]}", 0, i != 2 && i != 3 && i != 5);
		rest_replay_fault(t->w->cloud, "locks", 200, "{\"value\":[]}", 0, i != 1);
		ok(t->p->ops->validate(t->p, true, &m, &f, e));
		for (size_t k = 0; k < f.list.len; k++) {
			found |= strstr(f.list.at[k].text, cases[i].words) != NULL;
			if (f.list.at[k].level == FINDING_ERROR && strstr(f.list.at[k].text, cases[i].words) == NULL && i != 0)
				fail_msg("case %zu: %s", i, f.list.at[k].text);
		}
		if (!found)
			fail_msg("case %zu: nothing with \"%s\"", i, cases[i].words);
		findings_fini(&f);
		machine_fini(&m);
	}
}

static void quota_has_a_row_for_each_usage_that_a_sync_adds_to(void **state)
{
	struct world *t = opened(state, false);
	struct place_needs needs = {.workers = 2, .disks = 3, .snapshots = 3};
	struct quotas q = {{0}};

	says(t, "/vmSizes", 200, SIZES);
	says(t, "Microsoft.Compute/locations/here/usages", 200, "{\"value\":[{\"name\":{\"value\":\"cores\"},\"currentValue\":9,\"limit\":10},"
	     "{\"name\":{\"value\":\"PremiumDiskCount\"},\"currentValue\":1,\"limit\":50000},{\"name\":{\"value\":\"availabilitySets\"},"
	     "\"currentValue\":1,\"limit\":1}]}");
	says(t, "Microsoft.Network/locations/here/usages", 200, "{\"value\":[{\"name\":{\"value\":\"PublicIPAddresses\"},\"currentValue\":0,"
	     "\"limit\":10}]}");
	ok(t->p->ops->quota(t->p, &needs, &q, e));
	assert_int_equal(q.list.len, 3);
	assert_string_equal(q.list.at[0].what, "cores");
	assert_int_equal(q.list.at[0].need, 4);
	assert_int_equal(q.list.at[0].used, 9);
	assert_int_equal(q.list.at[1].need, 3);
	assert_int_equal(q.list.at[2].need, 2);
	vec_fini(&q.list);
}

/* Who has that role misses nothing, and who has nothing is told all of it: in both ends together, every action once. */
static void validate_misses_what_the_role_grants(void **state)
{
	struct world *t = opened(state, false);
	struct findings f = {0};
	struct machine m = {.id = COMPUTE "virtualMachines/web1"};
	char exe[4096];
	size_t i, max, in_role = 0;
	yyjson_val *action;

	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 100);
	assert_true(n > 0);
	exe[n] = '\0';
	*strstr(exe, "/build/") = '\0';
	strcat(exe, "/control/azure-role.json");
	yyjson_doc *role = yyjson_read_file(exe, 0, NULL, NULL);
	assert_non_null(role);
	for (int source = 0; source < 2; source++) {
		rest_replay_fault(t->w->cloud, "/permissions", 200, "{\"value\":[]}", 0, 2);
		ok(t->p->ops->validate(t->p, source, &m, &f, e));
	}
	yyjson_arr_foreach(yyjson_ptr_get(yyjson_doc_get_root(role), "/Actions"), i, max, action) {
		const char *name = yyjson_get_str(action);
		assert_non_null(name);
		char *words = mem_printf(" may not %s in ", name);
		bool found = false;

		for (size_t k = 0; k < f.list.len; k++)
			found |= strstr(f.list.at[k].text, words) != NULL;
		if (!found)
			fail_msg("the driver never asks for %s", name);
		free(words);
		in_role++;
	}
	char *text = yyjson_write(role, 0, NULL);
	for (size_t k = 0; k < f.list.len; k++) {
		const char *at = strstr(f.list.at[k].text, " may not ");
		char quoted[200];

		if (at == NULL)
			continue;
		snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)strcspn(at + 9, " "), at + 9);
		assert_has(text, quoted);
	}
	assert_true(in_role > 40);
	free(text);
	yyjson_doc_free(role);
	findings_fini(&f);
}

static bool tells(const struct findings *f, enum finding_level level, const char *words)
{
	for (size_t i = 0; i < f->list.len; i++)
		if (f->list.at[i].level == level && strstr(f->list.at[i].text, words) != NULL)
			return true;
	return false;
}

/* Of three groups each is asked for what is done there; a list goes on behind its first page. */
static void validate_asks_for_rights_where_they_are_used(void **state)
{
	static const struct {
		bool source, told;
		const char *words;
	} cases[] = {
		{true, true, "may not Microsoft.Compute/virtualMachines/deallocate/action in resource group g"},
		{true, false, "may not Microsoft.Compute/virtualMachines/write in resource group g"},
		{true, true, "may not Microsoft.Compute/virtualMachines/write in resource group w"},
		{true, true, "may not Microsoft.Compute/skus/read in subscription sub-1"},
		{true, true, "may not Microsoft.Network/virtualNetworks/subnets/join/action in resource group n"},
		{true, false, "subnets/join/action in resource group g"},
		{true, false, "Microsoft.Compute/snapshots/write in resource group g"},
		{true, false, "Microsoft.DevTestLab"},
		{false, true, "may not Microsoft.Compute/virtualMachines/write in resource group g"},
		{false, false, "virtualMachines/deallocate/action"},
	};
	struct world *t = *state;
	struct machine m = {.id = COMPUTE "virtualMachines/web1", .name = "web1"};
	struct findings ends[2] = {{{0}}};

	t->p = open_more(t, false, ",\"worker_resource_group\":\"w\"");
	char *first = mem_printf("{\"value\":[],\"nextLink\":\"%s/more\"}", t->w->url);
	for (int source = 0; source < 2; source++) {
		says(t, "resourceGroups/w/providers/Microsoft.Authorization/permissions", 200, first);
		says(t, "GET /more", 200, "{\"value\":[{\"actions\":[\"Microsoft.DevTestLab/*\"],\"notActions\":[]}]}");
		says(t, "resourceGroups/g/providers/Microsoft.Authorization/permissions", 200,
		     "{\"value\":[{\"actions\":[\"Microsoft.Compute/snapshots/*\"],\"notActions\":[]}]}");
		says(t, "resourceGroups/n/providers/Microsoft.Authorization/permissions", 200, "{\"value\":[]}");
		ok(t->p->ops->validate(t->p, source, &m, &ends[source], e));
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (tells(&ends[cases[i].source], FINDING_ERROR, cases[i].words) != cases[i].told)
			fail_msg("case %zu: %s%s", i, cases[i].told ? "nothing with " : "there is ", cases[i].words);
	findings_fini(&ends[0]);
	findings_fini(&ends[1]);
	free(first);
}

/* Nothing may be removed where it is made: an error; the baselines of a source can be done without. */
static void validate_of_locked_groups_says_what_stays(void **state)
{
#define LOCK(at, name) "{\"value\":[{\"id\":\"/subscriptions/sub-1" at "/providers/Microsoft.Authorization/locks/" name "\",\"name\":\"" name \
	"\",\"properties\":{\"level\":\"CanNotDelete\"}}"
	static const struct {
		bool source;
		enum finding_level level;
		const char *words;
	} cases[] = {
		{true, FINDING_ERROR, "the subscription has the lock all (CanNotDelete), under which nothing can be removed again"},
		{false, FINDING_ERROR, "the subscription has the lock all"},
		{true, FINDING_WARNING, "resource group g has the lock keep (CanNotDelete), under which no baseline can be removed again: have it "
		 "taken off, or let \"hints\" be \"ignore\""},
		{false, FINDING_ERROR, "resource group g has the lock keep (CanNotDelete), under which no replica"},
	};
	struct world *t = *state;
	struct machine m = {.id = COMPUTE "virtualMachines/web1", .name = "web1"};
	struct findings ends[2] = {{{0}}};
	unsigned told = 0;

	t->p = open_more(t, false, ",\"worker_resource_group\":\"w\"");
	for (int source = 0; source < 2; source++) {
		says(t, "resourceGroups/w/providers/Microsoft.Authorization/locks?$filter=atScope()", 200, LOCK("", "all") "]}");
		says(t, "resourceGroups/g/providers/Microsoft.Authorization/locks?$filter=atScope()", 200,
		     LOCK("/resourceGroups/g", "keep") ",{\"id\":\"/subscriptions/sub-1/providers/Microsoft.Authorization/locks/all\",\"name\":\"all\"}]}");
		ok(t->p->ops->validate(t->p, source, &m, &ends[source], e));
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (!tells(&ends[cases[i].source], cases[i].level, cases[i].words))
			fail_msg("case %zu: nothing with %s", i, cases[i].words);
	for (size_t i = 0; i < ends[0].list.len; i++)
		told += strstr(ends[0].list.at[i].text, "has the lock all") != NULL;
	assert_int_equal(told, 1);
	findings_fini(&ends[0]);
	findings_fini(&ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(validate_each_lack_is_a_finding, set_up, tear_down),
		cmocka_unit_test_setup_teardown(quota_has_a_row_for_each_usage_that_a_sync_adds_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(validate_misses_what_the_role_grants, set_up, tear_down),
		cmocka_unit_test_setup_teardown(validate_asks_for_rights_where_they_are_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(validate_of_locked_groups_says_what_stays, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
