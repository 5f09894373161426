// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake's groups: made, formed, fenced and left, and the control messages of
 * their members.
 */
#include <errno.h>
#include <string.h>
#include "fake.h"
#include "fake_state.h"

struct member *fake_peer(const struct member *m, unsigned int rank)
{
	unsigned int i;

	for (i = 0; i < GROUPS; i++)
		if (fake.groups[i].used && fake.groups[i].id == m->id &&
		    fake.files[fake.groups[i].fd].node == m->nodes[rank])
			return &fake.groups[i];
	return NULL;
}

void fake_fence(struct member *self, int64_t result, uint64_t missing, uint16_t reason)
{
	unsigned int r;

	for (r = 0; r < self->count; r++) {
		struct member *m = fake_peer(self, r);

		if (!m || !m->formed)
			continue;
		m->fenced = true;
		m->missing |= missing;
		fake_end_all(m - fake.groups + 1,
			     m == self || result != -ETIMEDOUT ? result : -ESTALE, missing, reason);
	}
}

void fake_leave(struct member *m)
{
	uint64_t me = 1ULL << m->rank;
	unsigned int r;

	fake_end_all(m - fake.groups + 1, -ECANCELED, 0, 0);
	m->used = false;
	for (r = 0; r < m->count; r++) {
		struct member *p = fake_peer(m, r);

		if (p && p->formed) {
			p->fenced = true;
			p->missing |= me;
			fake_end_all(p - fake.groups + 1, -ECONNRESET, me, VIRTMESH_REASON_LEFT);
		}
	}
	pthread_cond_broadcast(&fake.changed);
}

static int create(int fd, struct virtmesh_group_create *arg)
{
	const uint16_t *nodes = (void *)(uintptr_t)arg->nodes;
	unsigned int i, r, free = GROUPS;

	/* As if a group of another program's had the id. */
	if (fake.refuse_opcode < 0 && arg->id >= VMESH_ID_DERIVED) {
		fake.refuse_opcode = 0;
		return -fake.refuse_err;
	}
	for (i = 0; i < GROUPS; i++) {
		if (!fake.groups[i].used)
			free = i < free ? i : free;
		else if (fake.groups[i].id == arg->id &&
			 fake.files[fake.groups[i].fd].node == fake.files[fd].node)
			return -EADDRINUSE;
	}
	if (free == GROUPS)
		return -EMFILE;
	for (r = 0; r < arg->count && nodes[r] != fake.files[fd].node; r++)
		;
	if (!arg->count || arg->count > VIRTMESH_RANKS_MAX || r == arg->count)
		return -EINVAL;
	fake.groups[free] = (struct member){
		.used = true,
		.fd = fd,
		.id = arg->id,
		.rank = r,
		.count = arg->count,
	};
	memcpy(fake.groups[free].nodes, nodes, arg->count * sizeof(*nodes));
	arg->group = free + 1;
	arg->rank = r;
	return 0;
}

/* The others have formed the group without us. */
static bool left_out(const struct member *self)
{
	unsigned int r;

	for (r = 0; r < self->count; r++) {
		const struct member *m = fake_peer(self, r);

		if (m && m->formed && !m->fenced && !m->forming && !(m->members >> self->rank & 1))
			return true;
	}
	return false;
}

/* As the kernel: whatever the error is, it says who has not come. */
static int not_formed(struct member *self, struct virtmesh_group_form *arg, uint64_t missing,
		      int err)
{
	self->forming = false;
	arg->missing = missing;
	arg->rank = __builtin_ctzll(missing);
	arg->reason = VIRTMESH_REASON_ABSENT;
	self->missing |= missing;
	return err;
}

static int form(struct virtmesh_group_form *arg)
{
	struct member *self = &fake.groups[arg->group - 1];
	uint64_t deadline = fake_now_ns() + arg->timeout_ns, wanted, excluded = 0;
	unsigned int r, before = self->formings;

	if (arg->flags & VIRTMESH_FORM_SURVIVORS)
		excluded = self->missing;
	wanted = (self->count == 64 ? ~0ULL : (1ULL << self->count) - 1) & ~excluded;
	fake_end_all(arg->group, -ECANCELED, 0, 0);
	self->forming = true;
	for (;;) {
		uint64_t here = 0;

		/* Another member has seen all of us. */
		if (self->formings != before)
			break;
		for (r = 0; r < self->count; r++) {
			struct member *m = fake_peer(self, r);

			if (m && m->forming)
				here |= 1ULL << r;
		}
		if ((here & wanted) == wanted) {
			for (r = 0; r < self->count; r++) {
				struct member *m = fake_peer(self, r);

				if (!(wanted >> r & 1))
					continue;
				m->members = wanted;
				m->formed = true;
				m->forming = m->fenced = false;
				m->missing = m->number = 0;
				m->formings++;
			}
			pthread_cond_broadcast(&fake.changed);
			break;
		}
		if (left_out(self))
			return not_formed(self, arg, wanted & ~here, -EHOSTUNREACH);
		pthread_cond_broadcast(&fake.changed);
		if (fake.interrupts) {
			fake.interrupts--;
			return not_formed(self, arg, wanted & ~here, -EINTR);
		}
		if (!fake_wait(deadline) && self->formings == before)
			return not_formed(self, arg, wanted & ~here, -ETIMEDOUT);
	}
	arg->members = self->members;
	return 0;
}

static int group_info(struct virtmesh_group_info *arg)
{
	struct member *m = &fake.groups[arg->group - 1];
	struct virtmesh_rank *ranks = (void *)(uintptr_t)arg->ranks;
	unsigned int r;

	for (r = 0; r < m->count && r < arg->count; r++) {
		ranks[r] = (struct virtmesh_rank){ .node = m->nodes[r], .heard_ms = 700 };
		if (m->missing >> r & 1)
			ranks[r].reason = VIRTMESH_REASON_STALLED;
	}
	arg->missing = m->missing;
	return 0;
}

static int control_send(struct virtmesh_control *arg)
{
	struct member *self = &fake.groups[arg->group - 1];
	struct member *m = fake_peer(self, arg->rank);

	if (arg->len > sizeof(m->control_data))
		return -EMSGSIZE;
	if (!self->formed || !m)
		return -ENOTCONN;
	if (self->fenced)
		return -ESTALE;
	while (m->control)
		if (!fake_wait(fake_now_ns() + arg->timeout_ns))
			return -ETIMEDOUT;
	memcpy(m->control_data, (void *)(uintptr_t)arg->addr, arg->len);
	m->control_len = arg->len;
	m->control_from = self->rank;
	m->control = true;
	pthread_cond_broadcast(&fake.changed);
	return 0;
}

static int control_recv(struct virtmesh_control *arg)
{
	struct member *m = &fake.groups[arg->group - 1];

	while (!m->control)
		if (!arg->timeout_ns || !fake_wait(fake_now_ns() + arg->timeout_ns))
			return arg->timeout_ns ? -ETIMEDOUT : -EAGAIN;
	if (m->control_len > arg->len)
		return -EMSGSIZE;
	memcpy((void *)(uintptr_t)arg->addr, m->control_data, m->control_len);
	arg->len = m->control_len;
	arg->rank = m->control_from;
	m->control = false;
	pthread_cond_broadcast(&fake.changed);
	return 0;
}

int fake_group_call(int fd, unsigned long request, void *arg)
{
	switch (request) {
	case VIRTMESH_IOC_GROUP_CREATE:
		return create(fd, arg);
	case VIRTMESH_IOC_GROUP_FORM:
		return form(arg);
	case VIRTMESH_IOC_GROUP_LEAVE:
		fake_leave(&fake.groups[((struct virtmesh_group_leave *)arg)->group - 1]);
		return 0;
	case VIRTMESH_IOC_GROUP_INFO:
		return group_info(arg);
	case VIRTMESH_IOC_CONTROL_SEND:
		return control_send(arg);
	case VIRTMESH_IOC_CONTROL_RECV:
		return control_recv(arg);
	default:
		return -ENOTTY;
	}
}

unsigned int fake_groups(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < GROUPS; i++)
		n += fake.groups[i].used;
	return n;
}
