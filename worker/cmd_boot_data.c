// SPDX-License-Identifier: Apache-2.0
/* `wherry-worker boot-data`: what PID 1 asks before there is a network; the contract is in initramfs/broker.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "boot/bootdata.h"
#include "cmd.h"

#define NEEDS_NETWORK 75 /* broker.h: ask again with the network up */

static void print_lines(const struct bootdata *b)
{
	if (b->nics_auto)
		puts("nic=auto");
	for (unsigned i = 0; i < b->nic_count; i++)
		printf("nic=%s\n", b->nics[i]);
	printf("debug=%d\n", b->debug);
}

int cmd_boot_data(int argc, char **argv, struct err *e)
{
	cleanup(buf_fini) struct buf raw = BUF_INIT;
	bool whole = argc == 2 && strcmp(argv[1], "--raw") == 0;
	const char *source = "";
	struct bootdata b;

	if (argc > 1 && !whole)
		return err_set(e, ERR_USAGE, 0, "boot-data knows no argument but --raw, not \"%s\"", argv[argc - 1]);
	int rc = bootdata_find("", &raw, &source, e);
	if (rc < 0)
		return -1;
	if (rc == BOOT_NEEDS_NETWORK)
		exit(NEEDS_NETWORK);
	/* Even --raw: what the worker would refuse must not become /run/bootdata. */
	if (bootdata_parse(raw.data, raw.len, &b, e) < 0)
		return err_wrap(e, "from %s", source);
	if (whole)
		fwrite(raw.data, 1, raw.len, stdout);
	else
		print_lines(&b);
	if (fflush(stdout) != 0)
		return err_set(e, ERR_IO, errno, "the bootstrap data cannot be written to stdout");
	return 0;
}
