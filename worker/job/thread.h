// SPDX-License-Identifier: Apache-2.0
/* Threads with a stack that TLS handshakes fit in: musl's default of 128 KiB is narrow. */
#ifndef WHERRY_JOB_THREAD_H
#define WHERRY_JOB_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* *t may be NULL: detached. */
int thread_start(pthread_t *t, void *(*main)(void *arg), void *arg, struct err *e);
/* A condition variable whose timed waits are on CLOCK_MONOTONIC. */
void thread_cond_init(pthread_cond_t *c);
/* Waits until the monotonic time `until_ns` at most. false: it has passed. */
bool thread_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until_ns);

#endif
