// SPDX-License-Identifier: Apache-2.0
/* The order for a run (POST /v1/run). RUNS: 20000 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "job/run_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_spec s;
	struct err e = ERR_INIT;

	if (run_spec_parse((const char *)data, size, &s, &e) < 0) {
		fuzz_check(e.kind == ERR_CONFIG && e.msg[0] != '\0');
		run_spec_fini(&s);
		return 0;
	}
	fuzz_check(run_attempt_is_valid(s.attempt, strlen(s.attempt)));
	fuzz_check(s.disk_count >= 1 && s.disk_count <= WIRE_MAX_DISKS);
	fuzz_check(s.chunk_size >= WIRE_MIN_CHUNK && s.chunk_size <= WIRE_MAX_CHUNK);
	fuzz_check((s.chunk_size & (s.chunk_size - 1)) == 0 && s.checkpoint_ns > 0);
	fuzz_check(s.kind == RUN_SCAN || (s.connections >= 1 && s.connections <= WIRE_MAX_CHANNELS));
	fuzz_check((s.kind == RUN_SCAN) == (!s.listen && s.dial[0] == '\0'));
	for (unsigned i = 0; i < s.disk_count; i++) {
		fuzz_check(s.disks[i].size > 0 && s.disks[i].serial[0] != '\0');
		fuzz_check(i == 0 || s.disks[i].index > s.disks[i - 1].index);
		if (s.disks[i].changed != NULL)
			fuzz_check(extents_bytes(&s.disks[i].changed->ranges) <= s.disks[i].size && s.kind == RUN_EXPORT);
	}
	run_spec_fini(&s);
	return 0;
}

#define BEGIN "{\"attempt\":\"0123456789abcdef\",\"key\":\"" \
	      "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\",\"chunk_size\":65536,"

void fuzz_seeds(struct fuzz_corpus *to)
{
	fuzz_seed_text(to, BEGIN "\"kind\":\"export\",\"checkpoint_bytes\":1048576,\"checkpoint_ms\":1500,"
				 "\"compression\":\"none\",\"level\":-3,\"read_back\":false,\"disks\":["
				 "{\"index\":0,\"serial\":\"a-1\",\"size\":512},{\"index\":2,\"serial\":\"@vdb\",\"size\":1024}],"
				 "\"peer\":{\"dial\":\"10.0.0.1:4433\",\"session\":\"00000000000000ff\",\"connections\":8}}");
	fuzz_seed_text(to, BEGIN "\"kind\":\"import\",\"compression\":\"zstd\",\"level\":19,"
				 "\"limits\":{\"bandwidth\":256000,\"disk_iops\":1},\"disks\":["
				 "{\"index\":1,\"serial\":\"lun:*:*:*:3\",\"size\":4096}],"
				 "\"peer\":{\"listen\":true,\"session\":\"00000000000000ff\",\"connections\":1}}");
	fuzz_seed_text(to, BEGIN "\"kind\":\"export\",\"disks\":[{\"index\":0,\"serial\":\"a\",\"size\":10000000,"
				 "\"changed\":[0,1,5,20]}],"
				 "\"peer\":{\"listen\":true,\"session\":\"00000000000000ff\",\"connections\":1}}");
	fuzz_seed_text(to, BEGIN "\"kind\":\"scan\",\"read_only\":true,"
				 "\"disks\":[{\"index\":7,\"serial\":\"x\",\"size\":1}]}");
}
