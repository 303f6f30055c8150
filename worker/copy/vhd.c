// SPDX-License-Identifier: Apache-2.0
#include "copy/vhd.h"

#include <string.h>

#define FEATURES     2          /* "reserved", always set */
#define VERSION      0x00010000
#define NO_OFFSET    UINT64_MAX /* of a dynamic header: there is none */
#define TYPE_FIXED   2
#define MAX_SECTORS  (UINT64_C(65535) * 16 * 255)
#define CHECKSUM_AT  64

static uint8_t *put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
	return at + bytes;
}

static uint8_t *put_text(uint8_t *at, const char *four)
{
	memcpy(at, four, 4);
	return at + 4;
}

/* "Appendix: CHS Calculation" of the specification, number for number. */
static uint32_t geometry(uint64_t size)
{
	uint64_t total = size / 512 < MAX_SECTORS ? size / 512 : MAX_SECTORS;
	uint64_t sectors = 255, heads = 16, tracks = total / sectors;

	if (total < UINT64_C(65535) * 16 * 63) {
		sectors = 17;
		tracks = total / sectors;
		heads = (tracks + 1023) / 1024;
		if (heads < 4)
			heads = 4;
		if (tracks >= heads * 1024 || heads > 16) {
			sectors = 31;
			heads = 16;
			tracks = total / sectors;
		}
		if (tracks >= heads * 1024) {
			sectors = 63;
			tracks = total / sectors;
		}
	}
	return (uint32_t)(tracks / heads << 16 | heads << 8 | sectors);
}

void vhd_footer(uint64_t size, const uint8_t id[16], uint8_t out[VHD_FOOTER])
{
	uint8_t *at = out;
	uint32_t sum = 0;

	memset(out, 0, VHD_FOOTER);
	at = put_text(put_text(at, "cone"), "ctix");
	at = put(at, FEATURES, 4);
	at = put(at, VERSION, 4);
	at = put(at, NO_OFFSET, 8);
	at = put(at, 0, 4); /* when it was made: not told, so that the footer is reproducible */
	at = put_text(at, "win "); /* of what others write, some readers believe the geometry instead of the size */
	at = put(at, VERSION, 4);
	at = put_text(at, "Wi2k");
	at = put(at, size, 8);
	at = put(at, size, 8);
	at = put(at, geometry(size), 4);
	at = put(at, TYPE_FIXED, 4);
	memcpy(at + 4, id, 16); /* behind the checksum */
	for (unsigned i = 0; i < VHD_FOOTER; i++)
		sum += out[i];
	put(out + CHECKSUM_AT, ~sum, 4);
}
