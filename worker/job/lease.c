// SPDX-License-Identifier: Apache-2.0
#include "job/lease.h"

#include "base/clock.h"

void lease_set(struct lease *l, uint32_t seconds)
{
	atomic_store(&l->length_ns, (int64_t)seconds * NS_PER_S);
	lease_renew(l);
}

void lease_renew(struct lease *l)
{
	atomic_store(&l->deadline_ns, clock_mono_ns() + atomic_load(&l->length_ns));
}

int64_t lease_left_ns(struct lease *l)
{
	return atomic_load(&l->deadline_ns) - clock_mono_ns();
}
