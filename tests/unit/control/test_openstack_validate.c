// SPDX-License-Identifier: Apache-2.0
/* What validate finds before a run stumbles over it. */
#include "openstack_fixture.h"
#include "quota.h"

#define VOLUME_LIMITS "GET /8776/v3/8d1aff806790464497953ef6d5914827/limits"
#define ABOUT         "wherry1 v=0.1.0 w=2 s=5cb1 f=any n=0"

static int set_up(void **state)
{
	return set_up_with(state, "read.txt");
}

/* The worker's image and flavor, zones and types, as often as they are asked for. */
static void cloud_has(struct world *w, const char *status, const char *image_bytes, unsigned ram, unsigned disk)
{
	const struct {
		const char *call;
		char *reply;
	} replies[] = {
		{"GET /9292/v2/images?", mem_printf("{\"images\":[{\"id\":\"i1\",\"name\":\"ours\",\"status\":\"%s\",\"wherry_image\":\"" ABOUT
						    "\",\"owner\":\"8d1aff806790464497953ef6d5914827\"}]}", status)},
		{"GET /9292/v2/images/i1", mem_printf("{\"id\":\"i1\",\"name\":\"ours\",\"min_ram\":256,\"virtual_size\":%s}", image_bytes)},
		{"/flavors/detail", mem_strdup("{\"flavors\":[{\"id\":\"f1\",\"name\":\"worker\",\"ram\":512,\"vcpus\":2}]}")},
		{"/flavors/f1", mem_printf("{\"flavor\":{\"id\":\"f1\",\"ram\":%u,\"disk\":%u,\"vcpus\":2}}", ram, disk)},
		{"/os-availability-zone", mem_strdup("{\"availabilityZoneInfo\":[{\"zoneName\":\"nova\",\"zoneState\":{\"available\":true}},"
						     "{\"zoneName\":\"dark\",\"zoneState\":{\"available\":false}}]}")},
		{"/types", mem_strdup("{\"volume_types\":[{\"id\":\"t1\",\"name\":\"files\"}]}")},
	};

	for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		rest_replay_fault(w->cloud, replies[i].call, 200, replies[i].reply, 0, 9);
		free(replies[i].reply);
	}
}

/* words NULL: no error is there. */
static void assert_found(const struct findings *f, size_t n, enum finding_level level, const char *words)
{
	struct buf all = BUF_INIT;
	bool found = words == NULL;

	for (size_t k = 0; k < f->list.len; k++) {
		const struct finding *it = &f->list.at[k];

		if (words != NULL)
			found |= it->level == level && strstr(it->text, words) != NULL;
		else
			found &= it->level != FINDING_ERROR;
		buf_addf(&all, "\n%d %s", (int)it->level, it->text);
	}
	if (!found)
		fail_msg("case %zu, wanted \"%s\":%s", n, words != NULL ? words : "no error", buf_str(&all));
	buf_fini(&all);
}

static void validate_each_lack_is_a_finding(void **state)
{
	static const struct {
		const char *more, *status, *bytes;
		unsigned ram, disk;
		bool target, uefi;
		enum finding_level level;
		const char *words;
	} cases[] = {
		{"", "active", "67108864", 512, 1, false, false, FINDING_ERROR, NULL},
		{"", "active", "67108864", 256, 0, true, false, FINDING_ERROR, NULL},
		{"", "queued", "67108864", 512, 1, false, false, FINDING_ERROR, "\"image\": openstack project lab"},
		{"", "queued", "67108864", 512, 1, false, false, FINDING_ERROR, "run `wherry image upload` with this job file"},
		{",\"image\":\"nix\"", "active", "67108864", 512, 1, false, false, FINDING_ERROR, "has no image \"nix\": it has ours"},
		{"", "active", "67108864", 128, 1, false, false, FINDING_ERROR, "has 128 MiB of memory and a worker needs 256: name a larger one"},
		{"", "active", "5000000000", 512, 1, false, false, FINDING_ERROR, "has 1 GiB of disk and a worker needs 5"},
		{",\"floating_network\":\"out\"", "active", "9", 512, 1, false, false, FINDING_ERROR, "has no network \"out\": it has net1, ext"},
		{",\"target_network\":\"out\"", "active", "9", 512, 1, true, false, FINDING_ERROR, "\"target_network\": "},
		{",\"availability_zone\":\"nova\"", "active", "9", 512, 1, true, false, FINDING_ERROR, NULL},
		{",\"availability_zone\":\"dark\"", "active", "9", 512, 1, false, false, FINDING_ERROR, "has no zone of servers \"dark\": it has nova"},
		{",\"availability_zone\":\"dark\"", "active", "9", 512, 1, true, false, FINDING_ERROR, "has no zone of volumes \"dark\": it has nova"},
		{",\"volume_type\":\"gold\"", "active", "9", 512, 1, true, false, FINDING_ERROR, "has no volume_type \"gold\": it has files"},
		{",\"target_flavor\":\"big\"", "active", "9", 512, 1, true, false, FINDING_WARNING, "has no flavor \"big\": it has worker"},
		{"", "active", "9", 512, 1, true, true, FINDING_NOT_CHECKED, "boot by UEFI"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct findings f = {0};
		struct machine m;

		set_up(state);
		struct world *w = *state;
		cloud_has(w, cases[i].status, cases[i].bytes, cases[i].ram, cases[i].disk);
		ok(open_with(w, MOVER, cases[i].more, e));
		ok(w->p->ops->machine_get(w->p, "web1", &m, e));
		m.firmware = cases[i].uefi ? FIRMWARE_UEFI : FIRMWARE_BIOS;
		ok(w->p->ops->validate(w->p, !cases[i].target, &m, &f, e));
		assert_found(&f, i, cases[i].level, cases[i].words);
		findings_fini(&f);
		machine_fini(&m);
		tear_down(state);
	}
}

/* What a real cloud says where nothing stands against a sync. */
static void validate_of_a_real_cloud_finds_nothing(void **state)
{
	struct findings f = {0}, none = {0};
	struct machine m;

	set_up_with(state, "validate.txt");
	struct world *w = *state;
	ok(open_with(w, MOVER, ",\"availability_zone\":\"nova\",\"volume_type\":\"files\"", e));
	ok(w->p->ops->machine_get(w->p, "web1", &m, e));
	ok(w->p->ops->validate(w->p, true, &m, &f, e));
	ok(w->p->ops->validate(w->p, false, &m, &f, e));
	quota_check(&(struct quota_check){.source = w->p, .target = w->p, .m = &m}, &f, &none);
	assert_int_equal(f.list.len, 0);
	assert_int_equal(rest_replay_seen(w->cloud, "/details"), 1);
	machine_fini(&m);
	tear_down(state);
}

static void validate_an_image_that_goes_away_meanwhile_is_named(void **state)
{
	struct machine m = {.name = "web1"};
	struct findings f = {0};

	set_up(state);
	struct world *w = *state;
	rest_replay_fault(w->cloud, "GET /9292/v2/images/i1", 404, "{}", 0, 1);
	cloud_has(w, "active", "9", 512, 1);
	ok(open_with(w, MOVER, "", e));
	ok(w->p->ops->validate(w->p, true, &m, &f, e));
	assert_found(&f, 0, FINDING_ERROR, "image i1 was just removed");
	findings_fini(&f);
	tear_down(state);
}

static void worker_size_follows_from_the_bus_that_the_image_asks_for(void **state)
{
	static const struct {
		const char *bus;
		unsigned disks, takes;
	} cases[] = {{"", 24, 24}, {"", 30, 24}, {",\"hw_disk_bus\":\"virtio\"", 30, 24}, {",\"hw_disk_bus\":\"scsi\"", 30, 30}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *image = mem_printf("{\"id\":\"i1\",\"name\":\"ours\"%s}", cases[i].bus);
		struct worker_size size;

		set_up(state);
		struct world *w = *state;
		rest_replay_fault(w->cloud, "GET /9292/v2/images/i1", 200, image, 0, 9);
		cloud_has(w, "active", "9", 512, 1);
		ok(open_with(w, MOVER, "", e));
		ok(w->p->ops->worker_size(w->p, cases[i].disks, &size, e));
		assert_int_equal(size.disks, cases[i].takes);
		tear_down(state);
		free(image);
	}
}

static void validate_a_reader_is_warned(void **state)
{
#define ENDPOINT "\"endpoints\":[{\"interface\":\"public\",\"region_id\":\"regionOne\",\"url\":\"http://127.0.0.1:1\"}]}"
	static const char token[] = "{\"token\":{\"roles\":[{\"name\":\"reader\"}],\"project\":{\"id\":\"p\",\"name\":\"lab\"},\"catalog\":["
				    "{\"type\":\"compute\"," ENDPOINT ",{\"type\":\"volumev3\"," ENDPOINT ",{\"type\":\"image\"," ENDPOINT
				    ",{\"type\":\"network\"," ENDPOINT "]}}";
	struct machine m = {.name = "web1"};
	struct findings f = {0};

	set_up(state);
	struct world *w = *state;
	rest_replay_fault(w->cloud, "/auth/tokens", 201, token, 0, 1);
	ok(open_with(w, MOVER, "", e));
	ok(w->p->ops->validate(w->p, true, &m, &f, e));
	assert_found(&f, 0, FINDING_WARNING, "have only the role \"reader\"");
	findings_fini(&f);
	tear_down(state);
}

/* ---- Quotas ---- */

#define COMPUTE(servers, cores, ram) "{\"limits\":{\"absolute\":{\"maxTotalInstances\":" servers ",\"totalInstancesUsed\":1,\"maxTotalCores\":" \
				     cores ",\"totalCoresUsed\":1,\"maxTotalRAMSize\":" ram ",\"totalRAMUsed\":256}}}"
#define VOLUMES(n, snaps, gib) "{\"limits\":{\"absolute\":{\"maxTotalVolumes\":" n ",\"totalVolumesUsed\":2,\"maxTotalSnapshots\":" snaps \
			       ",\"totalSnapshotsUsed\":0,\"maxTotalVolumeGigabytes\":" gib ",\"totalGigabytesUsed\":2}}}"
#define NETWORK(ports, groups, rules, ips) "{\"quota\":{\"port\":{\"limit\":" ports ",\"used\":3,\"reserved\":1},\"security_group\":{\"limit\":" \
					   groups ",\"used\":1,\"reserved\":0},\"security_group_rule\":{\"limit\":" rules \
					   ",\"used\":4,\"reserved\":0},\"floatingip\":{\"limit\":" ips ",\"used\":0,\"reserved\":0}}}"
#define ENOUGH_COMPUTE COMPUTE("10", "20", "51200")
#define ENOUGH_VOLUMES VOLUMES("10", "10", "1000")
#define ENOUGH_NETWORK NETWORK("50", "10", "100", "50")

/* A sync inside one project: two workers of 2 cores and 512 MiB, two disks of 1 GiB cloned and replicated, two snapshots. */
static void quota_each_shortage_has_its_numbers(void **state)
{
	static const struct {
		const char *compute, *volumes, *network;
		unsigned replica;
		const char *words; /* NULL: it fits */
	} cases[] = {
		{COMPUTE("3", "5", "1280"), VOLUMES("6", "2", "8"), NETWORK("6", "3", "10", "2"), 0, NULL},
		{COMPUTE("-1", "-1", "-1"), VOLUMES("-1", "-1", "-1"), NETWORK("-1", "-1", "-1", "-1"), 0, NULL},
		{COMPUTE("2", "20", "51200"), ENOUGH_VOLUMES, ENOUGH_NETWORK, 0,
		 "allows 2 servers; 1 are used and a sync needs 2: have it raised to 3, or remove something"},
		{COMPUTE("10", "4", "51200"), ENOUGH_VOLUMES, ENOUGH_NETWORK, 0, "allows 4 cores; 1 are used and a sync needs 4"},
		{COMPUTE("10", "20", "1000"), ENOUGH_VOLUMES, ENOUGH_NETWORK, 0, "allows 1000 MiB of memory; 256 are used and a sync needs 1024"},
		{ENOUGH_COMPUTE, VOLUMES("5", "10", "1000"), ENOUGH_NETWORK, 0, "allows 5 volumes; 2 are used and a sync needs 4"},
		{ENOUGH_COMPUTE, VOLUMES("5", "10", "1000"), ENOUGH_NETWORK, 2, NULL},
		{ENOUGH_COMPUTE, VOLUMES("10", "1", "1000"), ENOUGH_NETWORK, 0, "allows 1 snapshots; 0 are used and a sync needs 2"},
		{ENOUGH_COMPUTE, VOLUMES("10", "3", "1000"), ENOUGH_NETWORK, 2, "allows 3 snapshots; 0 are used and a sync needs 4"},
		{ENOUGH_COMPUTE, VOLUMES("10", "10", "7"), ENOUGH_NETWORK, 0,
		 "allows 7 GiB of volumes and snapshots; 2 are used and a sync needs 6"},
		{ENOUGH_COMPUTE, ENOUGH_VOLUMES, NETWORK("5", "10", "100", "50"), 0, "allows 5 ports; 4 are used and a sync needs 2"},
		{ENOUGH_COMPUTE, ENOUGH_VOLUMES, NETWORK("50", "2", "100", "50"), 0, "allows 2 security groups; 1 are used"},
		{ENOUGH_COMPUTE, ENOUGH_VOLUMES, NETWORK("50", "10", "9", "50"), 0, "allows 9 security group rules; 4 are used and a sync needs 6"},
		{ENOUGH_COMPUTE, ENOUGH_VOLUMES, NETWORK("50", "10", "100", "1"), 0, "allows 1 floating IPs; 0 are used and a sync needs 2"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct findings f = {0}, none = {0};
		struct machine m = {.name = "web1"};

		set_up(state);
		struct world *w = *state;
		vec_push(&m.disks)->size = (UINT64_C(1) << 30) - 5;
		vec_push(&m.disks)->size = UINT64_C(1) << 30;
		cloud_has(w, "active", "9", 512, 1);
		rest_replay_fault(w->cloud, "/v2.1/limits", 200, cases[i].compute, 0, 1);
		rest_replay_fault(w->cloud, VOLUME_LIMITS, 200, cases[i].volumes, 0, 1);
		rest_replay_fault(w->cloud, "/details", 200, cases[i].network, 0, 1);
		ok(open_with(w, MOVER, ",\"floating_network\":\"ext\"", e));
		const struct quota_check check = {.source = w->p, .target = w->p, .m = &m, .replica = cases[i].replica};
		quota_check(&check, &f, &none);
		assert_int_equal(none.list.len, 0);
		assert_int_equal(f.list.len, cases[i].words != NULL);
		assert_found(&f, i, FINDING_ERROR, cases[i].words);
		findings_fini(&f);
		machine_fini(&m);
		tear_down(state);
	}
}

static void quota_that_is_not_told_is_not_checked(void **state)
{
	struct machine m = {.name = "web1"};
	struct findings f = {0}, none = {0};

	set_up(state);
	struct world *w = *state;
	cloud_has(w, "active", "9", 512, 1);
	rest_replay_fault(w->cloud, "/v2.1/limits", 200, COMPUTE("1", "1", "1"), 0, 1);
	rest_replay_fault(w->cloud, "/details", 404, "{\"NeutronError\":{\"message\":\"The resource could not be found.\"}}", 0, 1);
	ok(open_with(w, MOVER, "", e));
	quota_check(&(struct quota_check){.source = w->p, .target = w->p, .m = &m}, &f, &none);
	assert_found(&f, 0, FINDING_NOT_CHECKED, "could not be found");
	assert_found(&f, 0, FINDING_ERROR, "allows 1 servers");
	findings_fini(&f);
	tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(validate_each_lack_is_a_finding),
		cmocka_unit_test(validate_of_a_real_cloud_finds_nothing),
		cmocka_unit_test(validate_an_image_that_goes_away_meanwhile_is_named),
		cmocka_unit_test(worker_size_follows_from_the_bus_that_the_image_asks_for),
		cmocka_unit_test(validate_a_reader_is_warned),
		cmocka_unit_test(quota_each_shortage_has_its_numbers),
		cmocka_unit_test(quota_that_is_not_told_is_not_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
