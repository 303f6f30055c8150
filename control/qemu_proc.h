// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU processes. One run directory belongs to at most one QEMU, which outlives the program that started it. Who it is
 * stands in run_dir/process.json, written by the child itself before it becomes QEMU, so there is no moment with a
 * process and no record:
 *
 *   {"pid":123,"start":456789,"boot":"<boot id>"}      start: field 22 of /proc/PID/stat, in clock ticks
 *
 * A process is ours when boot id, pid and start time agree and its command line names run_dir/qemu.pid. Nothing else
 * is ever signalled; signals go through a pidfd taken before the check, so the pid cannot change owner in between.
 */
#ifndef WHERRY_CONTROL_QEMU_PROC_H
#define WHERRY_CONTROL_QEMU_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct qemu_proc {
	int pid;
	uint64_t start;
	char boot[40];
};

/* Runs a tool (qemu-img) to its end in directory cwd; its stdout goes to out (may be NULL). A failure is an error with
 * the tool's own words; kind NO_SPACE, BUSY (image locks) or NOT_FOUND (tool missing, file missing) where they say so. */
int qemu_tool(const char *const argv[], const char *cwd, struct buf *out, struct err *e);

/* Runs a program until its stdout said `marker`, it ended, or the time is over; then it is killed. */
int qemu_tool_watch(const char *const argv[], const char *marker, int64_t timeout_ns, bool *seen, struct err *e);
/* The kind an error of QEMU or qemu-img means, by its words. */
enum err_kind qemu_words_kind(const char *words);
/* What to do about it, as the end of a sentence: "; free space ..."; "" where the words do not tell. */
const char *qemu_words_advice(const char *words);

/* Starts argv in run_dir (its cwd), detached, stdout and stderr to run_dir/qemu.log. Returns when it has become QEMU. */
int qemu_proc_start(char *const argv[], const char *run_dir, struct err *e);
/* Is the process of this run directory there, if only to die? It may still hold files and their locks. *id (may be NULL)
 * is filled when it is. */
bool qemu_proc_alive(const char *run_dir, struct qemu_proc *id);
/* SIGTERM or such, after the identity check. Absent is success. */
int qemu_proc_signal(const char *run_dir, int sig, struct err *e);
bool qemu_proc_wait_gone(const char *run_dir, int64_t timeout_ns);
/* QMP quit, SIGTERM, SIGKILL, each with its time. On return it is gone; its socket and record files, too. */
int qemu_proc_end(const char *run_dir, struct err *e);
/* Last words of a text file, as one line of at most `size`-1 printable characters; "" when there are none. */
char *qemu_tail(const char *path, char *out, size_t size);
/* Until the QEMU just started serves its monitor. It ended instead: its own last words. */
int qemu_proc_wait_monitor(const char *run_dir, int64_t timeout_ns, struct err *e);
void qemu_boot_id(char out[40]);

#endif
