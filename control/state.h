// SPDX-License-Identifier: Apache-2.0
/*
 * The state directory: $WHERRY_STATE_DIR, else /var/lib/wherry for root, else $XDG_STATE_HOME/wherry
 * (~/.local/state/wherry).
 *
 *   wherry.db                                   journal
 *   owner                                       id of this directory, to tell a lost journal from a new one
 *   controller.key                              PEM, 0600: proves this controller to workers
 *   jobs/<job>/{lock,ca.key,ca.pem,hash.key}    0600; lock holds "pid N on HOST since TIME: COMMAND" while held
 *   manifests/<job>/disk<i>/{working,<generation>}
 *
 * Secrets are files of mode 0600; wider ones are refused. Losing them costs an enrolment and a re-hash of the target.
 */
#ifndef WHERRY_CONTROL_STATE_H
#define WHERRY_CONTROL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "manifest/manifest.h"
#include "net/pki.h"

struct state {
	char *dir;
};

int state_open(const char *dir, struct state *s, struct err *e); /* dir NULL: the default; made with 0700 */
void state_fini(struct state *s);
char *state_path(const struct state *s, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* caller frees */

/* One process per job: the lock's descriptor, or -1 BUSY naming the holder. Released by close or death. */
int state_lock_job(const struct state *s, const char *job, const char *command, struct err *e);

/* For `status`: whether a process holds the job now, and which, without taking the lock. */
bool state_job_held(const struct state *s, const char *job, char *holder, size_t size);
/* REFUSED when `dir` is on a network file system. */
int state_refuse_network(const char *dir, struct err *e);
/* Name of the network file system with that statfs(2) magic; NULL: it is none. */
const char *state_network_fs(unsigned long magic);

struct job_keys {
	struct pki_key *controller;
	struct pki_key *ca;
	char *ca_pem;
	uint8_t hash_secret[32];
	struct manifest_keys hash;
};
int state_job_keys(const struct state *s, const char *job, struct job_keys *out, struct err *e); /* loads or makes */
void job_keys_fini(struct job_keys *k);

/* Caller frees; the folder is made. */
char *state_working_path(const struct state *s, const char *job, unsigned disk);
char *state_generation_path(const struct state *s, const char *job, unsigned disk, uint64_t generation);

#endif
