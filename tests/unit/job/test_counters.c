// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"
#include "job/counters.h"

/* A /proc and /sys as a kernel shows them. */
static const char tree[] =
	"mkdir -p proc/net sys/block/vda sys/block/nvme0n1 sys/block/loop0 sys/block/dm-0 && "
	"printf 'MemTotal: 1000 kB\\nMemAvailable:    250 kB\\n' >proc/meminfo && "
	"printf ' 252 0 vda 10 0 100 0 5 0 7 0 0 0 0\\n 252 1 vda1 10 0 100 0 5 0 7 0 0 0 0\\n 259 0 nvme0n1 1 2 "
	"20 3 4 5 3 6 0 0 0\\n"
	" 7 0 loop0 1 0 50 0 1 0 50 0 0 0 0\\n 253 0 dm-0 1 0 50 0 1 0 50 0 0 0 0\\nnonsense\\n' >proc/diskstats "
	"&& "
	"printf 'Inter-| Receive\\n face |bytes\\n    lo: 500 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\\n"
	"  eth0:1000 1 0 0 0 0 0 0 70 1 0 0 0 0 0 0\\n  eth1: 24 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\\n' >proc/net/dev";

static void read_tree(const char *script, struct counters *c)
{
	char root[] = "/tmp/wherry-counters-XXXXXX";

	assert_non_null(mkdtemp(root));
	char *make = mem_printf("cd %s && %s", root, script), *clear = mem_printf("rm -r %s", root);
	assert_int_equal(system(make), 0);
	counters_read(root, c);
	assert_int_equal(system(clear), 0);
	free(make);
	free(clear);
}

static void counters_read_sums_whole_disks_and_real_nics(void **state)
{
	struct counters c;

	(void)state;
	read_tree(tree, &c);
	assert_int_equal(c.memory_available, 250 * 1024);
	assert_int_equal(c.disk_read_bytes, 120 * 512);
	assert_int_equal(c.disk_written_bytes, 10 * 512);
	assert_int_equal(c.net_in_bytes, 1024);
	assert_int_equal(c.net_out_bytes, 77);
	assert_true(c.cpu_user_ns + c.cpu_system_ns > 0);
}

static void counters_read_without_proc_gives_zeros(void **state)
{
	struct counters c;

	(void)state;
	read_tree("true", &c);
	assert_int_equal(c.memory_available, 0);
	assert_int_equal(c.disk_read_bytes + c.disk_written_bytes + c.net_in_bytes + c.net_out_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_read_sums_whole_disks_and_real_nics),
		cmocka_unit_test(counters_read_without_proc_gives_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
