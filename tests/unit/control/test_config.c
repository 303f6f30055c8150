// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "config.h"
#include "fakes/provider_mem.h"

const struct provider_ops *const provider_table[] = {&provider_mem_ops, NULL};

#define SOURCE "\"source\":{\"provider\":\"mem\",\"cloud\":\"a\",\"machine\":\"web1\"}"
#define TARGET "\"target\":{\"provider\":\"mem\",\"cloud\":\"b\"}"
#define GOOD   "{\"job\":\"web1\"," SOURCE "," TARGET "}"
#define WITH(options) "{\"job\":\"web1\"," SOURCE "," TARGET ",\"options\":{" options "}}"

#define LIMITED(limits) "{\"job\":\"web1\"," SOURCE "," TARGET ",\"limits\":{" limits "}}"

static int load(const char *text, struct job *job, struct err *e)
{
	char *dir = temp_make(), *file = mem_printf("%s/job.json", dir);
	struct provider *source, *target;

	*e = (struct err)ERR_INIT;
	temp_write(file, text, strlen(text));
	int rc = job_load(file, job, &source, &target, NULL, e);
	if (rc == 0) {
		assert_non_null(source);
		assert_non_null(target);
	} else {
		assert_null(source);
		assert_null(target);
		assert_non_null(job->findings);
	}
	provider_close(source);
	provider_close(target);
	free(file);
	temp_remove(dir);
	return rc;
}

static void job_load_defaults_are_documented_ones(void **state)
{
	struct job job;
	struct err e;

	(void)state;
	assert_int_equal(load(GOOD, &job, &e), 0);
	assert_string_equal(job.name, "web1");
	assert_string_equal(job.machine, "web1");
	assert_string_equal(job.target_machine, "web1");
	assert_string_equal(job.source_json, "{\"provider\":\"mem\",\"cloud\":\"a\",\"machine\":\"web1\"}");
	assert_int_equal(job.chunk_size, 256 << 10);
	assert_int_equal(job.checkpoint_bytes, 1 << 30);
	assert_int_equal(job.checkpoint_seconds, 10);
	assert_int_equal(job.compression, COMPRESSION_AUTO);
	assert_int_equal(job.level, 1);
	assert_true(job.read_back);
	assert_int_equal(job.control_path, CONTROL_DIAL_IN);
	assert_int_equal(job.data_path, DATA_AUTO);
	assert_int_equal(job.worker_timeout_seconds, 300);
	assert_int_equal(job.resource_timeout_seconds, 3600);
	assert_int_equal(job.lease_seconds, 300);
	assert_int_equal(job.connections, 1);
	assert_int_equal(job.reconnect_seconds, 300);
	assert_true(job.use_hints);
	assert_int_equal(job.copy, COPY_BY_WORKER);
	assert_int_equal(job.full_scan_every, 10);
	job_fini(&job);
}

static void job_load_paths_for_the_journal_are_absolute(void **state)
{
	struct job job;
	struct err e;

	(void)state;
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(load("{\"job\":\"a\",\"source\":{\"provider\":\"mem\",\"cloud\":\"tmp\",\"machine\":\"m\",\"folder\":"
			      "\"tmp\"},\"target\":{\"provider\":\"mem\",\"cloud\":\"b\",\"folder\":\"/tmp\"}}", &job, &e), 0);
	assert_string_equal(job.source_json,
			    "{\"provider\":\"mem\",\"cloud\":\"tmp\",\"machine\":\"m\",\"folder\":\"/tmp\"}");
	assert_string_equal(job.target_json, "{\"provider\":\"mem\",\"cloud\":\"b\",\"folder\":\"/tmp\"}");
	job_fini(&job);
}

static void job_load_every_option_is_taken(void **state)
{
	struct job job;
	struct err e;

	(void)state;
	assert_int_equal(load("{\"job\":\"Web-1\"," SOURCE ",\"target\":{\"provider\":\"mem\",\"cloud\":\"b\",\"machine\":"
			      "\"web1-copy\"},\"options\":{\"chunk_size\":\"1M\",\"checkpoint_size\":16777216,"
			      "\"checkpoint_seconds\":3,\"compression\":\"zstd:3\",\"read_back\":false,"
			      "\"control_path\":\"dial-out\",\"data_path\":\"relay\",\"worker_timeout_seconds\":600,"
			      "\"resource_timeout_seconds\":86400,\"lease_seconds\":60,\"connections\":8,\"reconnect_seconds\":20,\"hints\":\"ignore\","
			      "\"full_scan_every\":3,\"copy\":\"cloud\"},\"limits\":{\"bandwidth\":\"1Gbit/s\",\"disk_throughput\":256000,"
			      "\"disk_iops\":500}}", &job, &e), 0);
	assert_int_equal(job.limits.of[LIMIT_BANDWIDTH], 125000000);
	assert_int_equal(job.limits.of[LIMIT_DISK_THROUGHPUT], 256000);
	assert_int_equal(job.limits.of[LIMIT_DISK_IOPS], 500);
	assert_int_equal(job.limits.of[LIMIT_WORKER_IOPS], 0);
	assert_string_equal(job.target_machine, "web1-copy");
	assert_int_equal(job.chunk_size, 1 << 20);
	assert_int_equal(job.checkpoint_bytes, 16 << 20);
	assert_int_equal(job.checkpoint_seconds, 3);
	assert_int_equal(job.compression, COMPRESSION_ZSTD);
	assert_int_equal(job.level, 3);
	assert_false(job.read_back);
	assert_int_equal(job.control_path, CONTROL_DIAL_OUT);
	assert_int_equal(job.data_path, DATA_RELAY);
	assert_false(job.use_hints);
	assert_int_equal(job.full_scan_every, 3);
	assert_int_equal(job.copy, COPY_BY_CLOUD);
	assert_string_equal(data_path_name(job.data_path), "relay");
	assert_int_equal(job.worker_timeout_seconds, 600);
	assert_int_equal(job.resource_timeout_seconds, 86400);
	assert_int_equal(job.lease_seconds, 60);
	assert_int_equal(job.connections, 8);
	assert_int_equal(job.reconnect_seconds, 20);
	job_fini(&job);
}

static const struct {
	const char *text, *part;
	enum err_kind kind;
} wrong[] = {
	{"{" SOURCE "," TARGET "}", "job: is missing: expected a text", ERR_CONFIG},
	{"{\"job\":\"a b\"," SOURCE "," TARGET "}", "job: expected at most 32 letters, digits", ERR_CONFIG},
	{"{\"job\":\"../x\"," SOURCE "," TARGET "}", "job: expected at most 32 letters, digits", ERR_CONFIG},
	{"{\"job\":\"-x\"," SOURCE "," TARGET "}", "job: expected at most 32 letters, digits", ERR_CONFIG},
	{"{\"job\":\"\"," SOURCE "," TARGET "}", "job: expected at most 32 letters, digits", ERR_CONFIG},
	{"{\"job\":\"aaaaaaaaaabbbbbbbbbbccccccccccddd\"," SOURCE "," TARGET "}", "job: expected at most 32", ERR_CONFIG},
	{"{\"job\":\"a\"," TARGET "}", "source: is missing: expected an object", ERR_CONFIG},
	{"{\"job\":\"a\"," SOURCE "}", "target: is missing: expected an object", ERR_CONFIG},
	{"{\"job\":\"a\"," TARGET ",\"source\":{\"cloud\":\"a\",\"machine\":\"m\"}}", "source.provider: is missing", ERR_CONFIG},
	{"{\"job\":\"a\"," TARGET ",\"source\":{\"provider\":\"mum\",\"cloud\":\"a\",\"machine\":\"m\"}}",
	 "source.provider: there is no provider \"mum\": expected one of \"mem\"", ERR_CONFIG},
	{"{\"job\":\"a\"," TARGET ",\"source\":{\"provider\":\"mem\",\"cloud\":\"a\"}}", "source.machine: is missing", ERR_CONFIG},
	{"{\"job\":\"a\"," TARGET ",\"source\":{\"provider\":\"mem\",\"cloud\":\"a\",\"machine\":\"\"}}",
	 "source.machine: expected the name of a machine", ERR_CONFIG},
	{"{\"job\":\"a\"," SOURCE ",\"target\":{\"provider\":\"mem\",\"clod\":\"b\"}}",
	 "target: unknown key \"clod\": did you mean \"cloud\"?", ERR_CONFIG},
	{"{\"job\":\"a\"," SOURCE ",\"target\":{\"provider\":\"mem\",\"cloud\":\"gone\"}}",
	 "target: there is no memory cloud \"gone\"", ERR_NOT_FOUND},
	{"{\"job\":\"a\"," SOURCE "," TARGET ",\"option\":{}}", "unknown key \"option\": did you mean \"options\"?", ERR_CONFIG},
	{WITH("\"chunk_size\":\"100K\""), "options.chunk_size: expected a power of two", ERR_CONFIG},
	{WITH("\"chunk_size\":\"32K\""), "options.chunk_size: expected a size from 64.0 KiB", ERR_CONFIG},
	{WITH("\"chunk_size\":\"8M\""), "options.chunk_size: expected a size from 64.0 KiB", ERR_CONFIG},
	{WITH("\"checkpoint_size\":\"1K\""), "options.checkpoint_size: expected a size from 1.0 MiB", ERR_CONFIG},
	{WITH("\"chunk_size\":\"4M\",\"checkpoint_size\":\"1M\""), "options.checkpoint_size: expected at least one chunk",
	 ERR_CONFIG},
	{WITH("\"checkpoint_seconds\":0"), "options.checkpoint_seconds: expected a whole number from 1 to 3600", ERR_CONFIG},
	{WITH("\"compression\":\"gzip\""), "options.compression: expected \"auto\", \"none\", \"zstd\" or", ERR_CONFIG},
	{WITH("\"compression\":\"zstd:\""), "options.compression: expected", ERR_CONFIG},
	{WITH("\"compression\":\"zstd:0\""), "options.compression: expected", ERR_CONFIG},
	{WITH("\"compression\":\"zstd:20\""), "from -50 to 19", ERR_CONFIG},
	{WITH("\"compression\":\"zstd:-51\""), "from -50 to 19", ERR_CONFIG},
	{WITH("\"compression\":\"zstd:1-\""), "options.compression: expected", ERR_CONFIG},
	{WITH("\"compression\":\"zstd: 1\""), "options.compression: expected", ERR_CONFIG},
	{WITH("\"compression\":\"none:1\""), "options.compression: expected", ERR_CONFIG},
	{WITH("\"compression_level\":1"), "options: unknown key \"compression_level\": did you mean", ERR_CONFIG},
	{WITH("\"read_back\":1"), "options.read_back: expected true or false", ERR_CONFIG},
	{WITH("\"control_path\":\"dialin\""), "did you mean \"dial-in\"?", ERR_CONFIG},
	{WITH("\"data_path\":\"direct\""), "options.data_path: expected one of \"auto\", \"source-dials\"", ERR_CONFIG},
	{WITH("\"worker_timeout_seconds\":1"), "options.worker_timeout_seconds: expected a whole number from 10", ERR_CONFIG},
	{WITH("\"resource_timeout_seconds\":9"), "options.resource_timeout_seconds: expected a whole number from 10", ERR_CONFIG},
	{WITH("\"connections\":9"), "options.connections: expected a whole number from 1 to 8", ERR_CONFIG},
	{WITH("\"reconnect_seconds\":0"), "options.reconnect_seconds: expected a whole number from 1", ERR_CONFIG},
	{WITH("\"lease_seconds\":\"5m\""), "options.lease_seconds: expected a whole number from 10", ERR_CONFIG},
	{WITH("\"hints\":true"), "options.hints: expected", ERR_CONFIG},
	{WITH("\"copy\":\"me\""), "options.copy: expected", ERR_CONFIG},
	{WITH("\"full_scan_every\":0"), "options.full_scan_every: expected a whole number from 1", ERR_CONFIG},
	{LIMITED("\"bandwidth\":\"100\""), "limits: bandwidth: expected a rate from 256 kB/s", ERR_CONFIG},
	{LIMITED("\"bandwidth\":true"), "limits.bandwidth: expected a whole number from 256000", ERR_CONFIG},
	{LIMITED("\"disk_iops\":\"500\""), "limits.disk_iops: expected a whole number from 1", ERR_CONFIG},
	{LIMITED("\"disk_iop\":500"), "limits: unknown key \"disk_iop\": did you mean \"disk_iops\"?", ERR_CONFIG},
	{WITH("\"chunksize\":1"), "options: unknown key \"chunksize\": did you mean \"chunk_size\"?", ERR_CONFIG},
	{"{\"job\":", "job.json:1:8: this is not JSON", ERR_CONFIG},
	{"[]", "job.json: expected an object, found a list", ERR_CONFIG},
};

static void job_load_each_mistake_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct job job;
		struct err e;

		if (load(wrong[i].text, &job, &e) != -1)
			fail_msg("accepted: %s", wrong[i].text);
		assert_int_equal(e.kind, wrong[i].kind);
		assert_has(e.msg, wrong[i].part);
		assert_has(job.findings, wrong[i].part);
		job_fini(&job);
	}
}

static void job_load_all_findings_are_given_at_once(void **state)
{
	static const char *const parts[] = {
		"job: is missing", "source.machine: is missing", "source: unknown key \"machin\"", "there is no memory cloud",
		"options.chunk_size", "options.checkpoint_seconds", "options.compression:", "options: unknown key \"level\"", "options.read_back",
		"options.data_path", "unknown key \"extra\"",
	};
	struct job job;
	struct err e;

	(void)state;
	assert_int_equal(load("{\"source\":{\"provider\":\"mem\",\"cloud\":\"a\",\"machin\":\"m\"},\"target\":{\"provider\":"
			      "\"mem\",\"cloud\":\"gone\"},\"options\":{\"chunk_size\":1,\"checkpoint_seconds\":0,"
			      "\"compression\":1,\"level\":1,\"read_back\":0,\"data_path\":\"x\"},\"extra\":1}", &job, &e), -1);
	assert_int_equal(e.kind, ERR_CONFIG);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		assert_has(job.findings, parts[i]);
	job_fini(&job);
}

static void job_load_missing_file_is_not_found(void **state)
{
	struct provider *source, *target;
	struct err e = ERR_INIT;
	struct job job;

	(void)state;
	assert_int_equal(job_load("/nonexistent/job.json", &job, &source, &target, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_has(e.msg, "/nonexistent/job.json");
	job_fini(&job);
}

static void job_peek_name_needs_only_the_name(void **state)
{
	char *dir = temp_make(), *file = mem_printf("%s/job.json", dir), name[64];
	struct err e = ERR_INIT;

	(void)state;
	temp_write(file, "{\"job\":\"web1\",\"zzz\":1}", 22);
	assert_int_equal(job_peek_name(file, name, &e), 0);
	assert_string_equal(name, "web1");
	temp_write(file, "{\"jub\":\"web1\"}", 14);
	assert_int_equal(job_peek_name(file, name, &e), -1);
	assert_int_equal(e.kind, ERR_CONFIG);
	free(file);
	temp_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(job_load_defaults_are_documented_ones),
		cmocka_unit_test(job_load_paths_for_the_journal_are_absolute),
		cmocka_unit_test(job_load_every_option_is_taken),
		cmocka_unit_test(job_load_each_mistake_is_named),
		cmocka_unit_test(job_load_all_findings_are_given_at_once),
		cmocka_unit_test(job_load_missing_file_is_not_found),
		cmocka_unit_test(job_peek_name_needs_only_the_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
