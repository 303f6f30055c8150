// SPDX-License-Identifier: Apache-2.0
/*
 * The feed of a hostile worker: its codec and the pump that acts on it, with two small manifests. The first byte
 * chooses between storing and comparing. RUNS: 5000
 */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "feed_pump.h"
#include "net/feed.h"

#define CHUNK 4096u
#define PAGES 3 /* of disk 0; disk 1 has one */

/* In the place of the real one: what the input says, and nothing comes back. */
struct worker_client {
	const uint8_t *says;
	size_t size;
};

int worker_client_feed(struct worker_client *w, uint64_t ack, unsigned wait_ms, struct buf *out, struct err *e)
{
	(void)ack;
	(void)wait_ms;
	(void)e;
	buf_add(out, w->says, w->size);
	w->size = 0;
	return 0;
}

int worker_client_put_pages(struct worker_client *w, unsigned disk, uint64_t first, const void *hashes, size_t len,
			    struct err *e)
{
	(void)w;
	(void)hashes;
	(void)e;
	fuzz_check(disk < 2 && len % FEED_PAGE_BYTES == 0);
	fuzz_check(first + len / FEED_PAGE_BYTES <= (disk == 0 ? PAGES : 1));
	return 0;
}

/* Durability is not at stake, and the disk would be the bottleneck. */
int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static struct manifest *make(uint64_t pages)
{
	const struct manifest_info info = {.size = pages * MANIFEST_PAGE_CHUNKS * CHUNK - CHUNK, .chunk_size = CHUNK,
					   .sector_size = 512, .job = "web1"};
	static const uint8_t secret[32] = {1};
	char folder[] = "/tmp/wherry-fuzz-XXXXXX";
	struct manifest_keys keys;
	struct err e = ERR_INIT;

	fuzz_check(mkdtemp(folder) != NULL);
	char *path = mem_printf("%s/manifest", folder);
	manifest_keys_derive(secret, &keys);
	struct manifest *m = manifest_create(path, &info, &keys, &e);
	fuzz_check(m != NULL);
	unlink(path); /* it lives as long as it is open */
	rmdir(folder);
	free(path);
	return m;
}

static void decode(const uint8_t *at, size_t left)
{
	struct feed_record r, again;
	struct err e = ERR_INIT;

	while (feed_decode(&at, &left, &r, &e) > 0) {
		struct buf b = BUF_INIT;

		feed_encode(&r, &b);
		const uint8_t *p = (const uint8_t *)b.data;
		size_t n = b.len;
		fuzz_check(feed_decode(&p, &n, &again, &e) == 1 && n == 0);
		fuzz_check(again.seq == r.seq && again.type == r.type && again.disk == r.disk && again.page == r.page);
		fuzz_check(again.count == r.count && again.kind == r.kind && strcmp(again.message, r.message) == 0);
		buf_fini(&b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct manifest *m[4]; /* made once: a file each */

	if (size == 0)
		return 0;
	for (unsigned i = 0; i < 4; i++)
		if (m[i] == NULL)
			m[i] = make(i % 2 == 0 ? PAGES : 1);
	struct worker_client w = {.says = data + 1, .size = size - 1};
	struct pump_disk disks[2] = {{.manifest = m[0], .repair = m[2]}, {.manifest = m[1], .repair = m[3]}};
	struct pump p = {.worker = &w, .pages = data[0] % 2 == 0 ? PUMP_STORE : PUMP_COMPARE, .disks = disks,
			 .disk_count = 2};
	struct err e = ERR_INIT;

	decode(data + 1, size - 1);
	if (pump_step(&p, 0, &e) < 0)
		fuzz_check(p.acked == 0 && e.kind != ERR_NONE);
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	static const uint8_t page[FEED_PAGE_BYTES] = {1, 2, 3}, root[32] = {9};
	const struct feed_record records[] = {
		{.seq = 1, .type = API_FEED_WANT, .disk = 0, .page = 1, .count = 2},
		{.seq = 2, .type = API_FEED_INTENT, .disk = 1, .page = 0},
		{.seq = 3, .type = API_FEED_PAGE, .disk = 0, .page = 2, .payload = page, .payload_len = sizeof page},
		{.seq = 4, .type = API_FEED_DISK, .disk = 1, .payload = root, .payload_len = sizeof root},
		{.seq = 5, .type = API_FEED_FINISHED},
		{.seq = 6, .type = API_FEED_FAILED, .kind = ERR_NO_SPACE, .message = "the target is full"},
	};
	struct buf all = BUF_INIT;

	for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
		struct feed_record alone = records[i];
		struct buf one = BUF_INIT;

		alone.seq = 1;
		feed_encode(&alone, &one);
		fuzz_seed_choice(to, (uint8_t)i, one.data, one.len);
		feed_encode(&records[i], &all);
		buf_fini(&one);
	}
	fuzz_seed_choice(to, 0, all.data, all.len);
	fuzz_seed_choice(to, 1, all.data, all.len);
	buf_fini(&all);
}
