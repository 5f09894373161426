// SPDX-License-Identifier: GPL-2.0-only
#include "clock.h"

__u64 vm_clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}
