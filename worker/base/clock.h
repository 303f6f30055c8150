// SPDX-License-Identifier: Apache-2.0
/*
 * Time. Leases, deadlines and rates use monotonic time. Wall time is only for certificates and for people, and a
 * freshly booted worker's may be wrong by years: it carries an offset set from the pinned controller.
 */
#ifndef WHERRY_BASE_CLOCK_H
#define WHERRY_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

int64_t clock_mono_ns(void);
int64_t clock_wall_ns(void);               /* the system's, since 1970 */
int64_t clock_thread_ns(void);             /* CPU time that this thread has used */
void clock_sleep_ns(int64_t ns);
/* "2026-11-21T04:05:06Z" into out[24]; returns out. */
char *clock_format(int64_t wall_ns, char out[24]);

#endif
