// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "rig.h"

#define ODD 13 /* where a registered buffer begins in its first page */

uint64_t rig_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* splitmix64's finalizer. */
uint64_t rig_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

uint64_t rig_key(uint32_t id, uint32_t number, unsigned int from, unsigned int to)
{
	return rig_mix(rig_mix((uint64_t)id << 32 | number) + ((uint64_t)from << 32 | to) + 1);
}

void rig_fill(void *to, size_t len, uint64_t key)
{
	unsigned char *p = to;

	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t word = rig_mix(key + at);

		memcpy(p + at, &word, len - at < sizeof(word) ? len - at : sizeof(word));
	}
}

long long rig_differs(const void *got, size_t len, uint64_t key)
{
	const unsigned char *g = got;

	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t word = rig_mix(key + at);
		size_t n = len - at < sizeof(word) ? len - at : sizeof(word);

		if (!memcmp(g + at, &word, n))
			continue;
		for (size_t i = 0; i < n; i++)
			if (g[at + i] != ((const unsigned char *)&word)[i])
				return (long long)(at + i);
	}
	return -1;
}

int rig_open(struct virtmesh_info *info)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int fd = open(RIG_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(3, "%s", RIG_DEVICE);
	if (ioctl(fd, VIRTMESH_IOC_INFO, info))
		err(3, "INFO");
	if (setrlimit(RLIMIT_MEMLOCK, &all))
		err(2, "RLIMIT_MEMLOCK");
	return fd;
}

void rig_alloc(int fd, size_t size, struct rig_buf *buf)
{
	struct virtmesh_buf_alloc a = { .size = size };

	if (ioctl(fd, VIRTMESH_IOC_BUF_ALLOC, &a))
		err(2, "BUF_ALLOC of %zu", size);
	buf->addr = mmap(NULL, a.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)a.offset);
	if (buf->addr == MAP_FAILED)
		err(2, "mmap of %llu at %#llx", (unsigned long long)a.size,
		    (unsigned long long)a.offset);
	buf->size = size;
	buf->handle = a.handle;
}

void rig_register(int fd, size_t size, struct rig_buf *buf)
{
	struct virtmesh_buf_register r = { .size = size };

	buf->addr =
		mmap(NULL, size + ODD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf->addr == MAP_FAILED)
		err(2, "mmap of %zu", size);
	buf->addr += ODD;
	buf->size = size;
	r.addr = (uint64_t)(uintptr_t)buf->addr;
	if (ioctl(fd, VIRTMESH_IOC_BUF_REGISTER, &r))
		err(2, "BUF_REGISTER of %zu", size);
	buf->handle = r.handle;
}

void rig_create(int fd, struct rig_group *g)
{
	struct virtmesh_group_create c = {
		.nodes = (uint64_t)(uintptr_t)g->nodes,
		.id = g->id,
		.count = g->count,
	};

	if (ioctl(fd, VIRTMESH_IOC_GROUP_CREATE, &c))
		err(2, "GROUP_CREATE %u", g->id);
	g->handle = c.group;
	g->rank = c.rank;
}

int rig_form(int fd, const struct rig_group *g, uint64_t timeout_ns, uint32_t flags,
	     struct virtmesh_group_form *form)
{
	*form = (struct virtmesh_group_form){
		.timeout_ns = timeout_ns,
		.group = g->handle,
		.flags = flags,
	};
	return ioctl(fd, VIRTMESH_IOC_GROUP_FORM, form) ? -errno : 0;
}

int rig_submit(int fd, struct virtmesh_op *ops, unsigned int *n, struct virtmesh_done *done,
	       unsigned int room, unsigned int wait)
{
	struct virtmesh_submit s = {
		.ops = (uint64_t)(uintptr_t)ops,
		.done = (uint64_t)(uintptr_t)done,
		.count = *n,
		.room = room,
		.wait = wait,
	};
	int e = ioctl(fd, VIRTMESH_IOC_SUBMIT, &s) ? -errno : 0;

	/* These two tell what was done all the same. */
	if (e && e != -EINTR && e != -ETIME)
		return e;
	*n = s.count;
	return (int)s.room;
}

int rig_run(int fd, struct virtmesh_op *ops, unsigned int n, struct virtmesh_done *done)
{
	unsigned int posted = 0, ended = 0;

	while (ended < n) {
		unsigned int count = n - posted;
		int e = rig_submit(fd, ops + posted, &count, done + ended, n - ended,
				   posted + count - ended);

		if (e < 0)
			return e;
		posted += count;
		ended += (unsigned int)e;
		if (!count && !e)
			return -EIO; /* neither posts nor waits: it would go on for ever */
	}
	return 0;
}

void rig_print(const char *what, const struct virtmesh_done *d)
{
	printf("%s opcode=%u group=%u number=%u result=%s missing=%#llx reason=%u rank=%u "
	       "bytes=%llu elapsed_ms=%.1f\n",
	       what, d->opcode, d->group, d->number,
	       d->result < 0 ? strerrorname_np((int)-d->result) : "ok",
	       (unsigned long long)d->missing, d->reason, d->rank, (unsigned long long)d->bytes,
	       (double)d->elapsed_ns / 1e6);
	fflush(stdout);
}

unsigned int rig_nodes(const char *text, uint16_t *nodes)
{
	unsigned int n = 0;
	char *end;

	for (;; text = end + 1) {
		if (n == VIRTMESH_RANKS_MAX)
			errx(2, "too many nodes");
		nodes[n++] = (uint16_t)strtoul(text, &end, 10);
		if (end == text || (*end && *end != ','))
			errx(2, "no list of nodes: %s", text);
		if (!*end)
			return n;
	}
}

uint64_t rig_number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (end == text)
		errx(2, "no number: %s", text);
	if (*end == 'K' || *end == 'M')
		n <<= *end++ == 'K' ? 10 : 20;
	if (*end)
		errx(2, "no number: %s", text);
	return n;
}
