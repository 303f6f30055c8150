// SPDX-License-Identifier: Apache-2.0
/*
 * What the fuzz targets share. A target is a file fuzz_<thing>.c with the two functions below; libFuzzer brings main().
 * Its sentence "RUNS: n" is how many inputs `make test` tries. A target's own findings end it by fuzz_check().
 *
 *   fuzz_<thing> --seeds FOLDER   writes the target's seeds there and ends
 *
 * Seeds are made by the encoders of the program, so that they follow the formats. An input that once broke something is
 * a seed, too, with a comment that says what broke.
 */
#ifndef WHERRY_TESTS_FUZZ_H
#define WHERRY_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/stream.h"

struct fuzz_corpus;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(struct fuzz_corpus *to);

void fuzz_seed(struct fuzz_corpus *to, const void *p, size_t n);
void fuzz_seed_text(struct fuzz_corpus *to, const char *text);
/* The seed `choice` (a target's first byte), then p. */
void fuzz_seed_choice(struct fuzz_corpus *to, uint8_t choice, const void *p, size_t n);

#define fuzz_check(holds)                                                                                    \
	do {                                                                                                 \
		if (!(holds))                                                                                \
			fuzz_fail(#holds, __FILE__, __LINE__);                                               \
	} while (0)
_Noreturn void fuzz_fail(const char *what, const char *file, int line);

/* The input as an open file of the name `path` ("/proc/self/fd/..."), the same file each time. */
const char *fuzz_file(const void *p, size_t n, char path[64]);

/* A peer that says `p` in pieces of at most `piece` bytes, then hangs up; what is said to it goes to `heard` (may be
 * NULL; not while another thread reads it). `p` is borrowed. */
struct stream *fuzz_stream(const void *p, size_t n, size_t piece, struct buf *heard);
/* The peer says its last `n` bytes, and hangs up, only after it was told END_OK or ERROR of wherry/1 (net/wire.h), or the
 * stream was aborted. Once, before the first read. */
void fuzz_stream_hold(struct stream *s, size_t n);

/* Bytes of an input, taken one after another; past its end they are 0. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};
uint8_t fuzz_byte(struct fuzz_input *in);
uint32_t fuzz_number(struct fuzz_input *in, unsigned bytes); /* little-endian */
/* At most n bytes, in place; *got says how many there were. */
const uint8_t *fuzz_take(struct fuzz_input *in, size_t n, size_t *got);

#endif
