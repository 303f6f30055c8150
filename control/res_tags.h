// SPDX-License-Identifier: Apache-2.0
/*
 * Tags as one line of text, for clouds that keep a text with what they have (a metadata value, a description):
 *
 *   wherry1 o=OWNER j=JOB r=RUN e=EPOCH p=PURPOSE x=EXPIRES g=GENERATION d=DIRTY n=NAME
 *
 * and whom they say a resource belongs to (provider.h: what is another's is never adopted and never removed).
 */
#ifndef WHERRY_CONTROL_RES_TAGS_H
#define WHERRY_CONTROL_RES_TAGS_H

#include "provider.h"

#define RES_TAGS_SIZE 256

/* The name comes last: where it is too long its end is missing, which only counts where nothing else holds the name. */
void res_tags_write(const struct res_ref *ref, char out[RES_TAGS_SIZE]);
/* Fills tags and name; false: not ours. */
bool res_tags_read(const char *text, struct res_ref *ref);

/* Of the same owner, job and run; a replica goes from run to run. */
bool res_same_owner(const struct res_tags *want, const struct res_tags *there);
/* BUSY: what is there under that name or id is not `want`. Returns -1. */
int res_is_anothers(const struct res_ref *want, const struct res_ref *there, struct err *e);
/* A claim that expects `expect`; BUSY names who holds the replica disk. */
int res_check_claim(const struct res_ref *there, const struct res_tags *expect, struct err *e);

#endif
