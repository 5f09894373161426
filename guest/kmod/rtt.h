/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The round trip to one rank, and how long to wait before a frame is sent
 * again. RFC 6298's estimator with floors for one host, in nanoseconds. Pure.
 */
#ifndef VMESH_RTT_H
#define VMESH_RTT_H

#include <linux/types.h>

#define VMESH_ACK_DELAY_NS (200 * 1000ULL) /* an acknowledgment may wait so long */
#define VMESH_RTO_MIN_NS   (1000 * 1000ULL)
#define VMESH_RTO_FIRST_NS (5 * 1000 * 1000ULL) /* before anything was measured */
#define VMESH_RTO_MAX_NS   (100 * 1000 * 1000ULL)

struct vmesh_rtt {
	u64 srtt; /* 0: no sample yet */
	u64 var;
	u8 backoff; /* doublings since the last sample */
};

void vmesh_rtt_init(struct vmesh_rtt *r);

/* A frame sent once was acknowledged after @ns: ends the backing off, too. */
void vmesh_rtt_sample(struct vmesh_rtt *r, u64 ns);

/* The timer fired in vain. */
void vmesh_rtt_backoff(struct vmesh_rtt *r);

/* ns from sending a frame to sending it again by the timer. */
u64 vmesh_rtt_timeout(const struct vmesh_rtt *r);

/* ns in which a repair is not repeated. */
u64 vmesh_rtt_repair(const struct vmesh_rtt *r);

#endif /* VMESH_RTT_H */
