// SPDX-License-Identifier: Apache-2.0
/* Who holds the disk of an overlay snapshot: a machine's record, or a disk's (qemu_chain.h; nobody else includes it). */
#ifndef WHERRY_CONTROL_QEMU_CHAIN_HOLDER_H
#define WHERRY_CONTROL_QEMU_CHAIN_HOLDER_H

#include "qemu_live.h"
#include "qemu_record.h"

/* The image it names now. there false: the record, or the disk in it, is gone. */
int qemu_holder_get(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct qemu_image *out, bool *there,
		    struct err *e);
/* Every holder of the set to its `over`, or back to its base; one atomic change per machine. Gone holders are passed. */
int qemu_holder_set_all(const struct qemu_cloud *c, struct qemu_snapshot *set, unsigned n, bool over, struct err *e);
/* The run directory of the machine that runs on that disk, and the disk's index in it; NULL: none. Caller frees. BUSY
 * when a worker has it. */
int qemu_holder_running(const struct qemu_cloud *c, const struct qemu_snapshot *s, char **run_dir, unsigned *disk,
			struct err *e);

#endif
