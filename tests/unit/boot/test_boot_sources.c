// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "boot/bootdata.h"
#include "boot/image_volume.h"

#define FW_CFG "sys/firmware/qemu_fw_cfg/by_name/opt/wherry/bootdata"
#define DRIVE(name, text) "mkdir -p sys/block/" name " dev && truncate -s 64K dev/" name " && " \
	"mkfs.vfat -F 12 -n CIDATA dev/" name " && echo -n '" text "' >f && mcopy -i dev/" name " f ::user-data"

/* A tree of /sys, /proc and /dev as a script leaves it, and what is found in it. */
static int find_in(const char *script, char text[256], char source[128], struct err *e)
{
	char root[] = "/tmp/wherry-tree-XXXXXX";
	struct buf raw = BUF_INIT;
	const char *from = "";

	assert_non_null(mkdtemp(root));
	char *run = mem_printf("cd %s && exec >log 2>&1 && %s", root, script), *clear = mem_printf("rm -r %s", root);
	assert_int_equal(system(run), 0);
	int rc = bootdata_find(root, &raw, &from, e);
	snprintf(text, 256, "%s", buf_str(&raw));
	snprintf(source, 128, "%s", from);
	assert_int_equal(system(clear), 0);
	free(run);
	free(clear);
	buf_fini(&raw);
	return rc;
}

static void bootdata_find_each_source_is_asked_in_order(void **state)
{
	static const struct {
		const char *script, *text, *source;
	} cases[] = {
		{"mkdir -p " FW_CFG " && echo -n '{1}' >" FW_CFG "/raw", "{1}", "fw_cfg"},
		{"mkdir proc && echo 'console=ttyS0 wherry.bootdata=ezJ9 quiet' >proc/cmdline", "{2}",
		 "command line"},
		{"mkdir proc && echo 'wherry.bootdata=ezJ9' >proc/cmdline && mkdir -p " FW_CFG " && echo -n '{1}' "
											       ">" FW_CFG "/raw",
		 "{1}", "fw_cfg"},
		{DRIVE("vdb", "{3}"), "{3}", "config drive"},
		{DRIVE("vdb", "{3}") " && mkdir -p sys/block/sda && truncate -s 1M dev/sda && mkdir sys/block/sr0",
		 "{3}", "config drive"},
		{"mkdir proc && echo 'wherry.bootdata=ezJ9' >proc/cmdline && " DRIVE("vdb", "{3}"), "{2}",
		 "command line"},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		char text[256], source[128];
		struct err e = ERR_INIT;

		assert_int_equal(find_in(cases[c].script, text, source, &e), 0);
		assert_string_equal(text, cases[c].text);
		assert_non_null(strstr(source, cases[c].source));
	}
}

static void bootdata_find_nothing_says_where_it_looked(void **state)
{
	static const char *const scripts[] = {
		"true",
		"mkdir proc && echo 'quiet xwherry.bootdata=ezJ9' >proc/cmdline",
		DRIVE("vdb", "#cloud-config"),
		DRIVE("loop0", "{3}"),
	};

	(void)state;
	for (size_t c = 0; c < sizeof scripts / sizeof scripts[0]; c++) {
		char text[256], source[128];
		struct err e = ERR_INIT;

		assert_int_equal(find_in(scripts[c], text, source, &e), -1);
		assert_int_equal(e.kind, ERR_NOT_FOUND);
		assert_non_null(strstr(e.msg, "fw_cfg"));
		assert_non_null(strstr(e.msg, "config-2"));
	}
}

static void bootdata_find_unusable_source_is_an_error(void **state)
{
	static const struct {
		const char *script;
		enum err_kind kind;
		const char *says;
	} cases[] = {
		{"mkdir proc && echo 'wherry.bootdata=ez' >proc/cmdline", ERR_CONFIG, "base64"},
		{"mkdir -p " FW_CFG " && head -c 16385 /dev/zero >" FW_CFG "/raw", ERR_CONFIG, "longer"},
		{"mkdir -p " FW_CFG "/raw", ERR_IO, "read"},
		{DRIVE("vdb", "{3}") " && " DRIVE("vdc", "{4}"), ERR_REFUSED, "vdc"},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		char text[256], source[128];
		struct err e = ERR_INIT;

		assert_int_equal(find_in(cases[c].script, text, source, &e), -1);
		assert_int_equal(e.kind, cases[c].kind);
		assert_non_null(strstr(e.msg, cases[c].says));
	}
}

static void bootdata_find_two_equal_drives_are_one(void **state)
{
	char text[256], source[128];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(find_in(DRIVE("vdb", "{3}") " && " DRIVE("vdc", "{3}"), text, source, &e), 0);
	assert_string_equal(text, "{3}");
}

/* What is on Azure is told by its chassis; there the network comes before what stands on a disk. */
static void bootdata_find_on_azure_needs_the_network(void **state)
{
#define CHASSIS(tag) "mkdir -p sys/class/dmi/id && echo " tag " >sys/class/dmi/id/chassis_asset_tag"
	char text[256], source[128];
	struct err e = ERR_INIT;

	(void)state;
	unsetenv("WHERRY_NETWORK");
	assert_int_equal(find_in(DRIVE("vdb", "{3}") " && " CHASSIS("7783-7084-3265-9085-8269-3286-77"), text, source, &e),
			 BOOT_NEEDS_NETWORK);
	assert_int_equal(find_in(DRIVE("vdb", "{3}") " && " CHASSIS("none"), text, source, &e), 0);
	assert_string_equal(text, "{3}");
}

static void imds_take_each_reply(void **state)
{
	static const struct {
		const char *reply;
		enum err_kind kind;
		const char *data; /* NULL: none found */
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\neyJhIjoxfQ==", ERR_NONE, "{\"a\":1}"},
		{"HTTP/1.1 200 OK\r\n\r\n", ERR_NONE, NULL},
		{"HTTP/1.1 404 Not Found\r\n\r\n{}", ERR_NONE, NULL},
		{"HTTP/1.1 400 Bad Request\r\n\r\nno such version", ERR_NONE, NULL},
		{"HTTP/1.1 503 Busy\r\n\r\n", ERR_NETWORK, NULL},
		{"HTTP/1.1 429 Slow\r\n\r\n", ERR_NETWORK, NULL},
		{"HTTP/1.1 200 OK\r\n\r\n*", ERR_CONFIG, NULL},
		{"SSH-2.0", ERR_PROTOCOL, NULL},
		{"", ERR_PROTOCOL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cleanup(buf_fini) struct buf out = BUF_INIT;
		struct err e = ERR_INIT;
		bool found;

		assert_int_equal(imds_take(cases[i].reply, &out, &found, &e), cases[i].kind == ERR_NONE ? 0 : -1);
		assert_int_equal(e.kind, cases[i].kind);
		if (cases[i].data != NULL)
			assert_string_equal(buf_str(&out), cases[i].data);
		else
			assert_true(!found || e.kind != ERR_NONE);
	}
}

int main(void)
{
	static const char *const tools[] = {"mkfs.vfat", "mcopy", NULL};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bootdata_find_each_source_is_asked_in_order),
		cmocka_unit_test(bootdata_find_nothing_says_where_it_looked),
		cmocka_unit_test(bootdata_find_unusable_source_is_an_error),
		cmocka_unit_test(bootdata_find_two_equal_drives_are_one),
		cmocka_unit_test(bootdata_find_on_azure_needs_the_network),
		cmocka_unit_test(imds_take_each_reply),
	};

	image_need_tools(tools);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
