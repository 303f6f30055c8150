// SPDX-License-Identifier: Apache-2.0
/* The lines that PID 1 gets from its helper, which has read hostile disks. RUNS: 10000 */
#include "fuzz/fuzz.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bootdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bootdata b;
	char *text = mem_alloc(size + 1);

	memcpy(text, data, size);
	bootdata_parse(&b, text);
	fuzz_check(b.nnics >= 0 && b.nnics <= BOOTDATA_NICS_MAX && (b.nnics > 0 || b.all_nics));
	fuzz_check(memchr(b.dns, '\0', sizeof b.dns) != NULL && memchr(b.hostname, '\0', sizeof b.hostname) != NULL);
	for (int i = 0; i < b.nnics; i++) {
		fuzz_check(strlen(b.nics[i].mac) == MAC_TEXT - 1);
		fuzz_check(!b.nics[i].fixed || (b.nics[i].prefix > 0 && b.nics[i].prefix <= 128));
	}
	free(text);
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	fuzz_seed_text(to, "nic=auto\nhostname=web1\ndebug=1\n");
	fuzz_seed_text(to, "nic=52:54:00:12:34:56\naddr=52:54:00:12:34:57 10.0.0.5/24 10.0.0.1\ndns=10.0.0.1\n");
	fuzz_seed_text(to, "addr=52:54:00:12:34:57 fd00::5/64 fe80::1\ndns=fd00::1\ndns=fd00::2\n");
}
