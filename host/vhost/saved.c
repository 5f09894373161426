// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memfd: a page of state, the in-flight logs, the loop's memory.
 *
 * It is ours and sealed, but what is read from it after a restart was written by
 * a process that a guest may have had its way with before it died. So everything
 * is checked as if the front-end had sent it anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kcmp.h>

#include "../log.h"
#include "device.h"
#include "loop.h"
#include "sandbox.h"
#include "saved.h"
#include "store.h"
#include "vring_log.h"

SANDBOX_CALLS(saved_calls, SANDBOX_CALL_SELF(kcmp, 2, KCMP_FILE),
	      SANDBOX_CALL_ARG(fcntl, 1, F_DUPFD_CLOEXEC), SANDBOX_CALL(close));

#define SAVED_MAGIC   0x746f5064736d6956ULL
#define SAVED_VERSION 1
#define PAGE	      4096

/* A file in the store: its number in "f<number>"; 0: none. */
typedef __u32 file_t;

struct saved_ring {
	__u64 desc_user, avail_user, used_user;
	__u32 num;
	file_t kick, call, err;
	__u16 last_avail;
	__u8 enabled;
	__u8 broken;
	__u8 has_addr;
	__u8 reserved[3];
};
VM_ASSERT_SIZE(struct saved_ring, 48);

struct saved_region {
	__u64 gpa, user, size, offset;
	file_t file;
	__u32 reserved;
};
VM_ASSERT_SIZE(struct saved_region, 40);

struct saved_state {
	__u64 features, protocol;
	__u8 mac[VM_MAC_LEN];
	__u16 mtu;
	__u16 rings;
	__u8 kernel; /* the lane */
	__u8 reserved;
	__u32 regions;
	file_t sock, backend_req, inflight;
	__u16 inflight_queues, inflight_queue_size;
	__u64 inflight_offset;
	struct saved_ring ring[VM_RINGS];
	struct saved_region region[VM_REGIONS_MAX];
};
VM_ASSERT_SIZE(struct saved_state, 56 + 4 * 48 + 32 * 40);

struct saved_page {
	__u64 magic;
	__u32 version;
	__u32 current; /* which state is whole; written by one atomic store */
	__u32 last_file; /* the highest number given so far */
	__u32 reserved;
	struct saved_state state[2];
};
_Static_assert(sizeof(struct saved_page) <= PAGE, "the state is one page");

#define LOG_BYTES  ((sizeof(struct vm_vring_log) + VM_VRING_NUM_MAX * 16 + PAGE - 1) / PAGE * PAGE)
#define LOOP_AT	   (PAGE + VM_RINGS_LANE * LOG_BYTES)
#define SAVED_SIZE (LOOP_AT + VM_LOOP_KEPT)

#define USES_MAX (3 + VM_REGIONS_MAX + 3 * VM_RINGS) /* of files, by one state */

/*
 * What is in the store: each file once, however often the state speaks of it. A
 * front-end gives the same file again under a new fd, and the manager forgets the
 * second name for a file that it has.
 */
struct kept_file {
	file_t file;
	int fd; /* of ours, when the state last spoke of it; may be closed by now */
	int copy; /* to know it again by; -1: by the fd's number alone */
	bool used; /* by the state that is being written */
};

struct vm_saved {
	struct saved_page *page;
	int self; /* our pid; 0: this kernel cannot tell whether two fds are one file */
	unsigned int nfiles;
	struct kept_file file[2 * USES_MAX]; /* of the current state, and of the next */
};

static struct vm_saved the_saved;

static int check_page(const struct saved_page *page, int fd)
{
	if (page->magic != SAVED_MAGIC || page->version != SAVED_VERSION)
		return -EINVAL;
	return fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK ? 0 : -EINVAL;
}

static struct saved_page *map_saved(int fd)
{
	void *map = mmap(NULL, SAVED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return map == MAP_FAILED ? NULL : map;
}

static struct saved_page *take_saved(void)
{
	int fd = vm_store_take(VM_SAVED_STATE);
	struct saved_page *page = NULL;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size == SAVED_SIZE)
		page = map_saved(fd);
	if (page && check_page(page, fd)) {
		munmap(page, SAVED_SIZE);
		page = NULL;
	}
	if (!page) {
		vm_warn("event=resume error=\"another version's state\" hint=\"starts afresh\"");
		vm_store_drop(VM_SAVED_STATE);
	}
	close(fd);
	return page;
}

static struct saved_page *make_saved(void)
{
	int fd = memfd_create("virtmesh-port", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct saved_page *page = NULL;

	if (fd < 0)
		return NULL;
	if (!ftruncate(fd, SAVED_SIZE) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		page = map_saved(fd);
	if (page) {
		page->version = SAVED_VERSION;
		page->magic = SAVED_MAGIC;
		vm_store_keep(VM_SAVED_STATE, fd);
	}
	close(fd);
	return page;
}

static bool is_same(int self, int a, int b)
{
	return !syscall(SYS_kcmp, self, self, KCMP_FILE, a, b);
}

/* Of ourselves we may ask without a privilege, if the kernel has the call. */
static void know_files(struct vm_saved *saved)
{
	saved->self = getpid();
	if (is_same(saved->self, STDERR_FILENO, STDERR_FILENO))
		return;
	vm_info("event=start note=\"no kcmp() here: a front-end that gives one file twice does not outlive a restart\"");
	saved->self = 0;
}

struct vm_saved *vm_saved_open(bool *resumed)
{
	struct saved_page *page;

	*resumed = false;
	if (!vm_store_exists())
		return NULL;
	page = take_saved();
	/* No MAC: it died before it had written a state. */
	if (page && page->state[page->current & 1].rings)
		*resumed = true;
	if (!page)
		page = make_saved();
	if (!page) {
		vm_warn("event=start error=\"no memory to save state in\" hint=\"nothing will outlive this process\"");
		return NULL;
	}
	the_saved.page = page;
	know_files(&the_saved);
	return &the_saved;
}

void *vm_saved_loop(struct vm_saved *saved)
{
	return (char *)saved->page + LOOP_AT;
}

struct vm_vring_log *vm_saved_log(struct vm_saved *saved, unsigned int i)
{
	return (void *)((char *)saved->page + PAGE + i * LOG_BYTES);
}

static const struct saved_state *current_state(const struct vm_saved *saved)
{
	return &saved->page->state[saved->page->current & 1];
}

void vm_saved_identity(const struct vm_saved *saved, __u8 mac[VM_MAC_LEN], unsigned int *mtu)
{
	const struct saved_state *state = current_state(saved);

	memcpy(mac, state->mac, VM_MAC_LEN);
	*mtu = state->mtu;
}

static void name_of(file_t file, char name[VM_STORE_NAME])
{
	snprintf(name, VM_STORE_NAME, "f%u", file);
}

static struct kept_file *add_file(struct vm_saved *saved, file_t file, int fd)
{
	struct kept_file *k = &saved->file[saved->nfiles++];

	*k = (struct kept_file){ .file = file, .fd = fd, .copy = -1 };
	if (saved->self)
		k->copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return k;
}

/*
 * Without a copy an fd of the same number is the same file: each request is followed
 * by a state, and within one request a new file comes before the old one is closed.
 */
static bool is_file(const struct vm_saved *saved, const struct kept_file *k, int fd)
{
	return k->copy < 0 ? k->fd == fd : is_same(saved->self, k->copy, fd);
}

static struct kept_file *find_file(struct vm_saved *saved, int fd)
{
	/* Mostly nothing has changed, and one question is enough. */
	for (unsigned int i = 0; i < saved->nfiles; i++)
		if (saved->file[i].fd == fd && is_file(saved, &saved->file[i], fd))
			return &saved->file[i];
	for (unsigned int i = 0; i < saved->nfiles; i++)
		if (is_file(saved, &saved->file[i], fd))
			return &saved->file[i];
	return NULL;
}

/* The number that the file of @fd has in the store; it is put there unless it was before. */
static file_t keep_file(struct vm_saved *saved, int fd)
{
	char name[VM_STORE_NAME];
	struct kept_file *k;

	if (fd < 0)
		return 0;
	k = find_file(saved, fd);
	if (!k) {
		k = add_file(saved, ++saved->page->last_file, fd);
		name_of(k->file, name);
		vm_store_keep(name, fd);
	}
	k->fd = fd;
	k->used = true;
	return k->file;
}

static void forget_file(const struct kept_file *k)
{
	if (k->copy >= 0)
		close(k->copy);
}

/* The state is current: what it does not speak of leaves the store. */
static void drop_files(struct vm_saved *saved)
{
	char name[VM_STORE_NAME];
	unsigned int n = 0;

	for (unsigned int i = 0; i < saved->nfiles; i++) {
		struct kept_file *k = &saved->file[i];

		if (k->used) {
			k->used = false;
			saved->file[n++] = *k;
			continue;
		}
		name_of(k->file, name);
		vm_store_drop(name);
		forget_file(k);
	}
	saved->nfiles = n;
}

static void write_ring(struct vm_saved *saved, struct saved_ring *to, const struct vm_vring *vr)
{
	*to = (struct saved_ring){
		.desc_user = vr->desc_user,
		.avail_user = vr->avail_user,
		.used_user = vr->used_user,
		.num = vr->num,
		.last_avail = vr->last_avail,
		.enabled = vr->enabled,
		.broken = vr->broken,
		.has_addr = vr->addressed,
		.kick = keep_file(saved, vr->kick),
		.call = keep_file(saved, vr->call),
		.err = keep_file(saved, vr->err),
	};
}

void vm_saved_write(struct vm_saved *saved, const struct vm_device *dev)
{
	struct saved_state *to;
	__u32 next;

	if (!saved)
		return;
	next = !(saved->page->current & 1);
	to = &saved->page->state[next];
	memset(to, 0, sizeof(*to));
	to->features = dev->features;
	to->protocol = dev->protocol;
	memcpy(to->mac, dev->config.mac, VM_MAC_LEN);
	to->mtu = dev->config.mtu;
	to->rings = dev->rings;
	to->kernel = dev->lane == &vm_lane_kernel;
	to->sock = keep_file(saved, dev->sock);
	to->backend_req = keep_file(saved, dev->backend_req);
	to->inflight = keep_file(saved, dev->inflight.fd);
	to->inflight_queues = dev->inflight.queues;
	to->inflight_queue_size = dev->inflight.queue_size;
	to->inflight_offset = dev->inflight.offset;
	for (unsigned int i = 0; i < VM_RINGS; i++)
		write_ring(saved, &to->ring[i], &dev->ring[i]);
	to->regions = dev->mem.n;
	for (unsigned int i = 0; i < dev->mem.n; i++) {
		const struct vm_region *r = &dev->mem.region[i];

		to->region[i] = (struct saved_region){
			.gpa = r->gpa,
			.user = r->user,
			.size = r->size,
			.offset = r->offset,
			.file = keep_file(saved, r->fd),
		};
	}
	__atomic_store_n(&saved->page->current, next, __ATOMIC_RELEASE);
	drop_files(saved);
}

/*
 * An fd of ours for number @file; *@missing when there should be one and is not. The
 * store has the file once: the first to ask for it gets that, the others a copy.
 */
static int fetch(struct vm_saved *saved, file_t file, bool *missing)
{
	char name[VM_STORE_NAME];
	int fd = -1;

	if (!file)
		return -1;
	for (unsigned int i = 0; i < saved->nfiles && fd < 0; i++)
		if (saved->file[i].file == file)
			fd = fcntl(saved->file[i].fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0)
		return fd;
	name_of(file, name);
	fd = vm_store_take(name);
	if (fd < 0)
		*missing = true;
	else
		add_file(saved, file, fd);
	return fd;
}

static bool read_memory(struct vm_saved *saved, struct vm_memory *mem,
			const struct saved_state *from)
{
	bool missing = false;

	for (unsigned int i = 0; i < from->regions; i++) {
		const struct saved_region *r = &from->region[i];
		int fd = fetch(saved, r->file, &missing);

		if (fd < 0)
			return false;
		if (vm_memory_add(mem, r->gpa, r->user, r->size, r->offset, fd)) {
			close(fd);
			return false;
		}
	}
	return true;
}

static bool read_rings(struct vm_saved *saved, struct vm_device *dev,
		       const struct saved_state *from)
{
	bool missing = false;

	for (unsigned int i = 0; i < dev->rings; i++) {
		const struct saved_ring *r = &from->ring[i];
		struct vm_vring *vr = &dev->ring[i];
		struct stat st;

		if (r->num > VM_VRING_NUM_MAX || r->num & (r->num - 1))
			return false;
		vr->num = r->num;
		vr->addressed = r->has_addr;
		vr->desc_user = r->desc_user;
		vr->avail_user = r->avail_user;
		vr->used_user = r->used_user;
		vr->last_avail = r->last_avail;
		vr->enabled = r->enabled;
		vr->broken = r->broken;
		vr->kick = fetch(saved, r->kick, &missing);
		vr->call = fetch(saved, r->call, &missing);
		vr->err = fetch(saved, r->err, &missing);
		vr->call_is_eventfd = vr->call >= 0 && !fstat(vr->call, &st) &&
				      !S_ISSOCK(st.st_mode);
	}
	return !missing;
}

static bool read_inflight(struct vm_saved *saved, struct vm_device *dev,
			  const struct saved_state *from)
{
	struct vu_inflight desc = {
		.mmap_size = ~0ULL,
		.mmap_offset = from->inflight_offset,
		.num_queues = from->inflight_queues,
		.queue_size = from->inflight_queue_size,
	};
	bool missing = false;
	int fd = fetch(saved, from->inflight, &missing);

	if (fd < 0)
		return !missing;
	if (!vm_device_set_inflight(dev, &desc, fd))
		return true;
	close(fd);
	return false;
}

int vm_saved_read(struct vm_saved *saved, struct vm_device *dev, int *sock, bool *kernel)
{
	struct saved_state from = *current_state(saved);
	bool missing = false;
	int err = -ESTALE;

	/* From here on, what is kept is what is found. */
	while (saved->nfiles)
		forget_file(&saved->file[--saved->nfiles]);
	*sock = -1;
	*kernel = from.kernel;
	if (!from.sock)
		return -ENODATA;
	*sock = fetch(saved, from.sock, &missing);
	if (from.rings != dev->rings || from.features & ~dev->offered) {
		err = -EINVAL;
		goto stale;
	}
	if (missing || from.regions > VM_REGIONS_MAX)
		goto stale;
	dev->features = from.features;
	dev->protocol = from.protocol;
	dev->backend_req = fetch(saved, from.backend_req, &missing);
	if (missing || !read_memory(saved, &dev->mem, &from) || !read_rings(saved, dev, &from) ||
	    !read_inflight(saved, dev, &from))
		goto stale;
	return 0;

stale:
	/* What was taken goes with the device's reset, and out of the store with the next state. */
	if (*sock >= 0)
		close(*sock);
	*sock = -1;
	vm_device_disconnect(dev);
	return err;
}
