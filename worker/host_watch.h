// SPDX-License-Identifier: Apache-2.0
/*
 * Beside a long command on a plain host: a thread that turns SIGINT, SIGTERM and SIGHUP into a cancel and, when stderr
 * is a terminal, shows how far it is twice a second. Start it before any other thread: these inherit the blocked
 * signals.
 */
#ifndef WHERRY_HOST_WATCH_H
#define WHERRY_HOST_WATCH_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "copy/copy.h"

struct host_watch {
	atomic_bool cancel;                  /* for struct copy_config */
	_Atomic(const char *) what;          /* "copying"; may be changed; literal */
	struct copy_progress *_Atomic shown; /* may be changed */
	uint64_t total;                      /* bytes of disk to be read; 0: none here, only writes are shown */
	bool terminal;
	sigset_t signals, before;
	pthread_t thread;
};

int host_watch_start(struct host_watch *w, const char *what, struct copy_progress *shown, uint64_t total,
		     struct err *e);
void host_watch_stop(struct host_watch *w); /* takes its line from the screen; signals work as before */

#endif
