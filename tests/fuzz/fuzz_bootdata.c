// SPDX-License-Identifier: Apache-2.0
/* Bootstrap data, as anybody who may edit a machine's user data can write it, and its base64. RUNS: 20000 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "base/base64.h"
#include "boot/bootdata.h"

static void base64(const char *text, size_t size)
{
	struct buf bytes = BUF_INIT, again = BUF_INIT;

	if (base64_decode(text, size, &bytes) == 0) {
		base64_encode(bytes.data, bytes.len, &again);
		fuzz_check(again.len == size && (size == 0 || memcmp(again.data, text, size) == 0));
	}
	buf_fini(&bytes);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bootdata b;
	struct err e = ERR_INIT;

	base64((const char *)data, size);
	if (bootdata_parse((const char *)data, size, &b, &e) < 0) {
		fuzz_check(e.kind == ERR_CONFIG && e.msg[0] != '\0');
		return 0;
	}
	fuzz_check(b.job[0] != '\0' && memchr(b.job, '\0', sizeof b.job) != NULL);
	fuzz_check(b.run[0] != '\0' && memchr(b.run, '\0', sizeof b.run) != NULL);
	fuzz_check(b.epoch > 0 && b.lease_seconds > 0 && b.nic_count <= BOOTDATA_MAX_NICS);
	fuzz_check(b.nics_auto == (b.nic_count == 0));
	fuzz_check((b.control == BOOT_DIAL_OUT) == (strchr(b.controller_address, ':') != NULL));
	return 0;
}

#define BEGIN "{\"wherry\":1,\"job\":\"web1\",\"run\":\"r-1\",\"epoch\":7,\"controller\":\"" \
	      "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","

void fuzz_seeds(struct fuzz_corpus *to)
{
	fuzz_seed_text(to, BEGIN "\"role\":\"export\",\"control\":{\"path\":\"dial-in\"},\"nics\":\"auto\","
				 "\"lease_seconds\":300,\"debug\":false}");
	fuzz_seed_text(to, BEGIN "\"role\":\"import\",\"control\":{\"path\":\"dial-out\",\"address\":\"[::1]:4433\"},"
				 "\"nics\":[\"52:54:00:12:34:56\"],\"lease_seconds\":2,\"debug\":true}");
	fuzz_seed_text(to, "eyJ3aGVycnkiOjF9Cg==");
}
