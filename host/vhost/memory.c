// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "../log.h"
#include "memory.h"
#include "sandbox.h"

SANDBOX_CALLS(memory_calls, SANDBOX_CALL_MMAP, SANDBOX_CALL(munmap), SANDBOX_CALL(madvise),
	      SANDBOX_CALL(fstat), SANDBOX_CALL(newfstatat), SANDBOX_CALL(fstatfs),
	      SANDBOX_CALL(close));

void vm_memory_init(struct vm_memory *mem)
{
	memset(mem, 0, sizeof(*mem));
}

static bool overlap(__u64 a, __u64 a_size, __u64 b, __u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

static int check(const struct vm_memory *mem, __u64 gpa, __u64 user, __u64 size, __u64 offset)
{
	/* So that no sum of an address in it and a length in it wraps around. */
	if (!size || size > INT64_MAX || gpa > INT64_MAX - size || user > INT64_MAX - size ||
	    offset > INT64_MAX - size)
		return -EINVAL;
	if (mem->n == VM_REGIONS_MAX)
		return -ENOSPC;
	for (unsigned int i = 0; i < mem->n; i++) {
		const struct vm_region *r = &mem->region[i];

		if (overlap(gpa, size, r->gpa, r->size) || overlap(user, size, r->user, r->size))
			return -EEXIST;
	}
	return 0;
}

/* Huge pages are mapped, and unmapped, whole. */
static __u64 page_of(int fd)
{
	struct statfs fs;

	if (!fstatfs(fd, &fs) && fs.f_type == HUGETLBFS_MAGIC)
		return fs.f_bsize;
	return sysconf(_SC_PAGESIZE);
}

size_t vm_memory_map_size(int fd, __u64 size)
{
	__u64 page = page_of(fd);

	return (size + page - 1) & ~(page - 1);
}

void vm_memory_unmap(void *map, size_t size)
{
	/* Not for the guest's sake; but what is left is a piece of a VM that has gone. */
	if (munmap(map, size))
		vm_warn("event=unmap size=%zu error=\"%s\"", size, strerror(errno));
}

int vm_memory_add(struct vm_memory *mem, __u64 gpa, __u64 user, __u64 size, __u64 offset, int fd)
{
	struct vm_region *r = &mem->region[mem->n];
	size_t map_size;
	struct stat st;
	__u64 slack;
	void *map;
	int err;

	err = check(mem, gpa, user, size, offset);
	if (err)
		return err;
	if (fstat(fd, &st))
		return -errno;
	/* No device: reading one can do anything. */
	if (!S_ISREG(st.st_mode))
		return -ENODEV;
	if (offset + size > (__u64)st.st_size)
		return -EINVAL;

	slack = offset & (page_of(fd) - 1);
	map_size = vm_memory_map_size(fd, size + slack);
	map = mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset - slack);
	if (map == MAP_FAILED)
		return -errno;
	/* A dump of ours is no place for a guest's secrets. */
	madvise(map, map_size, MADV_DONTDUMP);

	*r = (struct vm_region){
		.gpa = gpa,
		.size = size,
		.user = user,
		.offset = offset,
		.at = (char *)map + slack,
		.map = map,
		.map_size = map_size,
		.fd = fd,
	};
	mem->n++;
	return 0;
}

static void drop(struct vm_region *r)
{
	vm_memory_unmap(r->map, r->map_size);
	close(r->fd);
}

int vm_memory_del(struct vm_memory *mem, __u64 gpa, __u64 user, __u64 size)
{
	for (unsigned int i = 0; i < mem->n; i++) {
		struct vm_region *r = &mem->region[i];

		if (r->gpa != gpa || r->user != user || r->size != size)
			continue;
		drop(r);
		*r = mem->region[--mem->n];
		return 0;
	}
	return -ENOENT;
}

void vm_memory_clear(struct vm_memory *mem)
{
	while (mem->n)
		drop(&mem->region[--mem->n]);
}

static void *within(const struct vm_region *r, __u64 start, __u64 addr, __u64 len)
{
	/* In this order nothing can wrap around. */
	if (addr < start || addr - start >= r->size || len > r->size - (addr - start))
		return NULL;
	return (char *)r->at + (addr - start);
}

void *vm_memory_guest(const struct vm_memory *mem, __u64 gpa, __u64 len)
{
	for (unsigned int i = 0; len && i < mem->n; i++) {
		void *at = within(&mem->region[i], mem->region[i].gpa, gpa, len);

		if (at)
			return at;
	}
	return NULL;
}

void *vm_memory_user(const struct vm_memory *mem, __u64 user, __u64 len)
{
	for (unsigned int i = 0; len && i < mem->n; i++) {
		void *at = within(&mem->region[i], mem->region[i].user, user, len);

		if (at)
			return at;
	}
	return NULL;
}

static bool to_journal;

static void on_sigbus(int signo)
{
#define GONE "event=guest-memory error=\"its file was cut short\"\n"
	ssize_t n = to_journal ? write(STDERR_FILENO, "<3>" GONE, sizeof("<3>" GONE) - 1) :
				 write(STDERR_FILENO, "error: " GONE, sizeof("error: " GONE) - 1);

	(void)n;
	_exit(VM_EXIT_MEMORY);
#undef GONE
}

void vm_memory_guard(void)
{
	struct sigaction sa = { .sa_handler = on_sigbus };

	to_journal = getenv("JOURNAL_STREAM") != NULL;
	sigaction(SIGBUS, &sa, NULL);
}
