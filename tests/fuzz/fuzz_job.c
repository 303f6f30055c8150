// SPDX-License-Identifier: Apache-2.0
/* Job files. Those that name the folder CLOUD find an empty cloud there. RUNS: 4000 */
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#define CLOUD    "/proc/self/fd/100" /* a name that seeds can know */
#define CLOUD_FD 100

static void remove_cloud(void)
{
	char folder[64] = "";

	fuzz_check(readlink(CLOUD, folder, sizeof folder - 1) > 0);
	unlinkat(CLOUD_FD, "cloud.json", 0);
	unlinkat(CLOUD_FD, "lock", 0);
	rmdir(folder);
}

static void make_cloud(void)
{
	static const char mark[] = "{\"wherry_cloud\":1}\n";
	char folder[] = "/tmp/wherry-fuzz-XXXXXX";

	fuzz_check(mkdtemp(folder) != NULL && dup2(open(folder, O_PATH | O_DIRECTORY), CLOUD_FD) == CLOUD_FD);
	int fd = openat(CLOUD_FD, "cloud.json", O_WRONLY | O_CREAT, 0600);
	fuzz_check(fd >= 0 && write(fd, mark, sizeof mark - 1) == sizeof mark - 1);
	close(fd);
	atexit(remove_cloud);
}

static void check_job(const struct job *j)
{
	fuzz_check(j->name[0] != '\0' && strchr(j->name, '/') == NULL && j->name[0] != '.');
	fuzz_check(j->machine[0] != '\0' && j->target_machine[0] != '\0');
	fuzz_check(j->source_json != NULL && j->target_json != NULL && j->findings == NULL);
	fuzz_check(j->chunk_size >= 65536 && j->chunk_size <= 4u << 20 && (j->chunk_size & (j->chunk_size - 1)) == 0);
	fuzz_check(j->checkpoint_bytes >= j->chunk_size && j->level >= -50 && j->level <= 19 &&
		   j->level != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct provider *source, *target;
	struct err e = ERR_INIT;
	struct job job;
	char path[64], name[64];

	if (access(CLOUD, F_OK) < 0)
		make_cloud();
	fuzz_file(data, size, path);
	if (job_load(path, &job, &source, &target, NULL, &e) == 0) {
		check_job(&job);
		provider_close(source);
		provider_close(target);
	} else {
		fuzz_check(e.kind != ERR_NONE && job.findings != NULL && job.findings[0] != '\0');
		fuzz_check(source == NULL && target == NULL);
	}
	job_fini(&job);
	if (job_peek_name(path, name, &e) == 0)
		fuzz_check(name[0] != '\0' && strlen(name) <= 32);
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	fuzz_seed_text(to,
		"{ \"job\": \"web1\",\n"
		"  \"source\":  {\"provider\": \"qemu\", \"cloud\": \"" CLOUD "\", \"machine\": \"web1\"},\n"
		"  \"target\":  {\"provider\": \"qemu\", \"cloud\": \"" CLOUD "\", \"machine\": \"web2\"},\n"
		"  \"options\": {\"chunk_size\": \"256K\", \"checkpoint_size\": \"1G\", \"checkpoint_seconds\": 10,\n"
		"    \"compression\": \"zstd:-5\", \"read_back\": true, \"control_path\": \"dial-in\",\n"
		"    \"data_path\": \"auto\", \"worker_timeout_seconds\": 300, \"resource_timeout_seconds\": 3600,\n"
		"    \"lease_seconds\": 300},\n"
		"  \"limits\": {\"bandwidth\": \"100MB/s\", \"disk_iops\": 500} }\n");
	fuzz_seed_text(to, "{\"job\":\"-\",\"source\":{\"provider\":\"qem\"},\"target\":[],\"options\":{\"chunk_siez\":3}}");
	fuzz_seed_text(to, "{\"job\":\"w\",\n \"source\": oops}");
	fuzz_seed_text(to, "");
}
