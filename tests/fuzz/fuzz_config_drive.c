// SPDX-License-Identifier: Apache-2.0
/*
 * FAT and ISO 9660 on a disk that says it is a config drive. An input is the volume without its empty sectors: its
 * size in sectors, then sectors, each with its number. RUNS: 5000
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "boot/config_drive.h"
#include "unit/boot/image_volume.h"

#define SECTOR      512
#define SECTORS_MAX 8192
#define FILE_MAX    4096

static struct image image_of(struct fuzz_input in)
{
	struct image i = {.size = (size_t)fuzz_number(&in, 2) % SECTORS_MAX * SECTOR + fuzz_number(&in, 2) % SECTOR};
	size_t got;

	i.bytes = mem_alloc(i.size + 1);
	while (in.left > 0) {
		size_t at = (size_t)fuzz_number(&in, 2) * SECTOR;
		const uint8_t *from = fuzz_take(&in, SECTOR, &got);

		if (at + got <= i.size)
			memcpy(i.bytes + at, from, got);
	}
	return i;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image i = image_of((struct fuzz_input){.at = data, .left = size});
	struct volume v = image_volume(&i); /* ends the program after too many reads */
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	bool found = false;

	if (config_drive_read(&v, FILE_MAX, &out, &found, &e) < 0)
		fuzz_check(e.kind == ERR_CORRUPT);
	else
		fuzz_check(found ? out.len <= FILE_MAX : out.len == 0);
	buf_fini(&out);
	image_free(&i);
	return 0;
}

static void add(struct buf *b, size_t number)
{
	const uint8_t two[2] = {(uint8_t)number, (uint8_t)(number >> 8)};

	buf_add(b, two, sizeof two);
}

static void seed(struct fuzz_corpus *to, const char *script)
{
	static const uint8_t empty[SECTOR];
	struct image i = image_make(script);
	struct buf b = BUF_INIT;

	add(&b, i.size / SECTOR);
	add(&b, i.size % SECTOR);
	for (size_t at = 0; at + SECTOR <= i.size; at += SECTOR) {
		if (memcmp(i.bytes + at, empty, SECTOR) == 0)
			continue;
		add(&b, at / SECTOR);
		buf_add(&b, i.bytes + at, SECTOR);
	}
	fuzz_seed(to, b.data, b.len);
	buf_fini(&b);
	image_free(&i);
}

void fuzz_seeds(struct fuzz_corpus *to)
{
#define FAT_FILL " && mmd -i image ::openstack ::openstack/latest && echo '{}' >data && " \
		 "mcopy -i image data ::openstack/latest/user_data && mcopy -i image data ::user-data"
#define ISO_FILL "mkdir -p d/openstack/latest && echo '{}' >d/user-data && " \
		 "cp d/user-data d/openstack/latest/user_data && xorriso -as mkisofs -quiet -no-pad "
	seed(to, "truncate -s 160K image && mkfs.vfat -F 12 -n CONFIG-2 image" FAT_FILL);
	seed(to, "truncate -s 3000K image && mkfs.vfat -F 16 -s 1 -n CIDATA image" FAT_FILL);
	seed(to, ISO_FILL "-V config-2 -o image d");
	seed(to, ISO_FILL "-V cidata -r -o image d");
	seed(to, ISO_FILL "-V config-2 -J -joliet-long -o image d");
	/* Folders of more than a sector: records up to its very end. */
	seed(to, "mkdir d && touch d/$(seq -s ' d/' 10 70) && " ISO_FILL "-V cidata -o image d");
	seed(to, "mkdir d && touch d/$(seq -s ' d/' 10 70) && " ISO_FILL "-V cidata -J -o image d");
}
