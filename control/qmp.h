// SPDX-License-Identifier: Apache-2.0
/*
 * A client of QEMU's monitor protocol (qemu: docs/interop/qmp-spec.txt) on the unix socket `qmp.sock` in a run
 * directory. A monitor serves one client at a time: open late, close soon. Blocking with deadlines; one thread.
 *
 * Errors: a command QEMU refuses gives QEMU's own sentence; the kind is NOT_FOUND for the class DeviceNotFound and for
 * sentences that say something does not exist, NO_SPACE and BUSY where the sentence says so, else IO. A monitor that
 * is gone is NETWORK, one that does not answer TIMEOUT.
 */
#ifndef WHERRY_CONTROL_QMP_H
#define WHERRY_CONTROL_QMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct qmp;
struct yyjson_doc;
struct yyjson_val;

/* Connects, reads the greeting, leaves capability negotiation. timeout_ns: of this and of every later call. */
struct qmp *qmp_open(const char *run_dir, int64_t timeout_ns, struct err *e);
void qmp_close(struct qmp *q); /* NULL is fine */
void qmp_cleanup(struct qmp **q);

/* One command and its answer. args: a JSON object or NULL. */
int qmp_do(struct qmp *q, const char *command, const char *args, struct err *e);
/* The answer's "return" value in *value; it lives in *doc, which the caller frees with qmp_doc_cleanup. */
int qmp_ask(struct qmp *q, const char *command, const char *args, struct yyjson_doc **doc, struct yyjson_val **value,
	    struct err *e);
void qmp_doc_cleanup(struct yyjson_doc **doc);

/* Waits for an event whose data.<key> is `value` (key NULL: any). Events that came during earlier calls count; each
 * is given once. False after the timeout or when the monitor is gone. */
bool qmp_wait_event(struct qmp *q, const char *event, const char *key, const char *value, int64_t timeout_ns);

#endif
