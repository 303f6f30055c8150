// SPDX-License-Identifier: Apache-2.0
/*
 * A cloud in a folder, layer 1: the folder, its lock, and records as directories that appear and vanish whole.
 * The layout is described in provider_qemu.h.
 *
 * A record lives in <folder>/<name>/<folder's record file>. It is published by renaming a finished `.new-<name>` and
 * retired by renaming to `.old-<name>` before anything in it is deleted; qemu_cloud_sweep() deletes such leftovers.
 * All changes are made with the cloud's lock held.
 */
#ifndef WHERRY_CONTROL_QEMU_CLOUD_H
#define WHERRY_CONTROL_QEMU_CLOUD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/vec.h"
#include "provider.h"

#define QEMU_PATH_SIZE 1024
#define QEMU_UID_SIZE  17

struct qemu_cloud {
	char *dir; /* absolute, without symbolic links */
};

enum qemu_folder { QEMU_MACHINES, QEMU_DISKS, QEMU_SNAPSHOTS, QEMU_RUN };

struct qemu_names {
	VEC(char *) list; /* sorted, owned */
};

/* NOT_FOUND when the directory is not there or is no cloud. */
int qemu_cloud_open(const char *dir, struct qemu_cloud *c, struct err *e);
void qemu_cloud_fini(struct qemu_cloud *c);
int qemu_cloud_init(const char *dir, struct err *e); /* makes one; one that is there is fine */

/* The lock's descriptor; close it to let go. Waits up to a minute, then BUSY with the holder. */
int qemu_cloud_lock(const struct qemu_cloud *c, const char *what, struct err *e);
int qemu_cloud_try_lock(const struct qemu_cloud *c); /* -1: held, or not ours to take */

/* "<cloud>/<formatted>"; caller frees. */
char *qemu_cloud_path(const struct qemu_cloud *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A path out of a record: relative to the cloud, or absolute. Caller frees. */
char *qemu_cloud_resolve(const struct qemu_cloud *c, const char *file);
const char *qemu_folder_name(enum qemu_folder f);
/* Letters, digits, '.', '_', '-', not first a '.', at most 79: CONFIG otherwise. */
int qemu_name_check(const char *name, struct err *e);
void qemu_uid_make(char uid[QEMU_UID_SIZE]); /* random */

/* Directory of a record. Caller frees. */
char *qemu_record_dir(const struct qemu_cloud *c, enum qemu_folder f, const char *name);
bool qemu_record_exists(const struct qemu_cloud *c, enum qemu_folder f, const char *name);
/* Path of the record's JSON file, which for machines is <name>.json itself. Caller frees. */
char *qemu_record_file(const struct qemu_cloud *c, enum qemu_folder f, const char *name);
int qemu_record_publish(const struct qemu_cloud *c, enum qemu_folder f, const char *name, const char *json,
			struct err *e);
int qemu_record_save(const struct qemu_cloud *c, enum qemu_folder f, const char *name, const char *json, struct err *e);
int qemu_record_retire(const struct qemu_cloud *c, enum qemu_folder f, const char *name, struct err *e);
/* Names of what is published; a folder that is not there is empty. */
int qemu_record_names(const struct qemu_cloud *c, enum qemu_folder f, struct qemu_names *out, struct err *e);
void qemu_names_fini(struct qemu_names *n);
/* Deletes leftovers of publish and retire. Lock held. */
int qemu_cloud_sweep(const struct qemu_cloud *c, struct err *e);

#endif
