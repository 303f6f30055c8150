// SPDX-License-Identifier: Apache-2.0
/*
 * What tests do with a ledger_mem: look into it, lose what was not durable, let a call fail. An intent is durable once
 * it was waited for, a record once it was synced; until then a crash undoes it.
 */
#ifndef WHERRY_COPY_LEDGER_MEM_H
#define WHERRY_COPY_LEDGER_MEM_H

#include <stdbool.h>

#include "copy/ledger.h"

/* Durable hashes of a page; borrowed. */
const uint8_t *ledger_mem_page(struct ledger *l, unsigned disk, uint64_t page);
/* Root of a disk; false: the disk was never done. */
bool ledger_mem_root(struct ledger *l, unsigned disk, uint8_t root[MANIFEST_HASH]);
/* Pages read, since it was made; a read that nobody expected fails. */
uint64_t ledger_mem_reads(const struct ledger *l, unsigned disk);
bool ledger_mem_refuted(const struct ledger *l, unsigned disk);
uint64_t ledger_mem_intents(const struct ledger *l);
uint64_t ledger_mem_records(const struct ledger *l);

/* The nth call from now on of intend, wait, record or sync fails, and all after it: 1 is the next. 0: none. */
void ledger_mem_fail_at(struct ledger *l, uint64_t n);
/* Everything not durable is lost; faults and cancels are forgotten. */
void ledger_mem_crash(struct ledger *l);

#endif
