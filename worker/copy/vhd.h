// SPDX-License-Identifier: Apache-2.0
/*
 * The footer that makes a plain image a fixed VHD, as clouds import it (Microsoft, "Virtual Hard Disk Image Format
 * Specification" 1.0): the last 512 bytes. It is the same bytes for the same size and id, so that a reader can tell
 * whether it is the right one.
 */
#ifndef WHERRY_COPY_VHD_H
#define WHERRY_COPY_VHD_H

#include <stdint.h>

#define VHD_FOOTER 512
#define VHD_ALIGN  (UINT64_C(1) << 20) /* Azure wants the disk in it to be whole MiB */

/* size: of the disk, without the footer; a multiple of 512. */
void vhd_footer(uint64_t size, const uint8_t id[16], uint8_t out[VHD_FOOTER]);

#endif
