// SPDX-License-Identifier: GPL-2.0-only
#include <linux/minmax.h>

#include "rtt.h"

#define VMESH_BACKOFF_MAX 8

void vmesh_rtt_init(struct vmesh_rtt *r)
{
	*r = (struct vmesh_rtt){};
}

void vmesh_rtt_sample(struct vmesh_rtt *r, u64 ns)
{
	u64 off;

	r->backoff = 0;
	ns = clamp_t(u64, ns, 1, VMESH_RTO_MAX_NS);
	if (!r->srtt) {
		r->srtt = ns;
		r->var = ns / 2;
		return;
	}
	/* RFC 6298, 2.3: alpha 1/8, beta 1/4. */
	off = ns > r->srtt ? ns - r->srtt : r->srtt - ns;
	r->var += off / 4 - r->var / 4;
	r->srtt += ns / 8 - r->srtt / 8;
	r->srtt = max_t(u64, r->srtt, 1);
}

void vmesh_rtt_backoff(struct vmesh_rtt *r)
{
	if (r->backoff < VMESH_BACKOFF_MAX)
		r->backoff++;
}

u64 vmesh_rtt_timeout(const struct vmesh_rtt *r)
{
	u64 rto = VMESH_RTO_FIRST_NS;

	if (r->srtt)
		rto = max(r->srtt + 4 * r->var + VMESH_ACK_DELAY_NS, VMESH_RTO_MIN_NS);
	return min(rto << r->backoff, VMESH_RTO_MAX_NS);
}

u64 vmesh_rtt_repair(const struct vmesh_rtt *r)
{
	return r->srtt ? r->srtt + r->var : VMESH_RTO_MIN_NS;
}
