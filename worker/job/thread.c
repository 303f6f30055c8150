// SPDX-License-Identifier: Apache-2.0
#include "job/thread.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"

#define STACK_BYTES ((size_t)512 << 10)

int thread_start(pthread_t *t, void *(*main)(void *arg), void *arg, struct err *e)
{
	pthread_attr_t attr;
	pthread_t own;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (t == NULL)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int rc = pthread_create(t != NULL ? t : &own, &attr, main, arg);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return err_set(e, ERR_INTERNAL, rc,
			       "the worker cannot start another thread; give its machine more memory");
	return 0;
}

void thread_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

bool thread_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until_ns)
{
	struct timespec deadline = {.tv_sec = (time_t)(until_ns / NS_PER_S), .tv_nsec = (long)(until_ns % NS_PER_S)};

	return pthread_cond_timedwait(c, lock, &deadline) != ETIMEDOUT;
}
