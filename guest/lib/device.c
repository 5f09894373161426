// SPDX-License-Identifier: LGPL-2.1-or-later
/* The device: opening, what it is, how its waits are. And the kernel itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib.h"

static int system_open(const char *device)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void system_close(int fd)
{
	close(fd);
}

static int system_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static void *system_mmap(int fd, size_t size, uint64_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	return p == MAP_FAILED ? NULL : p;
}

static void system_munmap(void *addr, size_t size)
{
	munmap(addr, size);
}

const struct vmesh_ops vmesh_system = {
	.open = system_open,
	.close = system_close,
	.ioctl = system_ioctl,
	.mmap = system_mmap,
	.munmap = system_munmap,
};

static int introduce(struct vmesh *m)
{
	struct virtmesh_info info = { 0 };
	int err = m->ops->ioctl(m->fd, VIRTMESH_IOC_INFO, &info);

	/* A device of somebody else's answers ENOTTY. */
	if (err)
		return err == -ENOTTY || err == -EINVAL ? -EPROTO : err;
	if (info.abi != VIRTMESH_ABI)
		return -EPROTO;
	return 0;
}

int vmesh_open_by(const struct vmesh_ops *ops, struct vmesh **mesh, const char *device)
{
	int algorithm = vmesh_algorithm_wanted();
	struct vmesh *m;
	int err;

	*mesh = NULL;
	if (algorithm < 0)
		return algorithm;
	if (!device)
		device = getenv("VIRTMESH_DEVICE");
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->ops = ops;
	m->algorithm = algorithm;
	pthread_rwlock_init(&m->bufs_lock, NULL);
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->ended, NULL);
	m->fd = ops->open(device && *device ? device : "/dev/virtmesh0");
	err = m->fd < 0 ? m->fd : introduce(m);
	if (err) {
		vmesh_close(m);
		return err;
	}
	*mesh = m;
	return 0;
}

int vmesh_open(struct vmesh **mesh, const char *device)
{
	return vmesh_open_by(&vmesh_system, mesh, device);
}

void vmesh_close(struct vmesh *m)
{
	struct vmesh_req *req;

	if (!m)
		return;
	while (m->groups)
		vmesh_group_leave(m->groups);
	/* Before the buffers: no operation reads or writes them any more. */
	if (m->fd >= 0)
		m->ops->close(m->fd);
	m->fd = -1;
	while (m->nbufs)
		vmesh_buf_free(m->bufs[m->nbufs - 1]);
	while ((req = m->reqs)) {
		m->reqs = req->next;
		free(req);
	}
	pthread_cond_destroy(&m->ended);
	pthread_mutex_destroy(&m->lock);
	pthread_rwlock_destroy(&m->bufs_lock);
	free(m);
}

int vmesh_fd(const struct vmesh *m)
{
	return m->fd;
}

int vmesh_get_info(struct vmesh *m, struct vmesh_info *info)
{
	struct virtmesh_info k = { 0 };
	int err = m->ops->ioctl(m->fd, VIRTMESH_IOC_INFO, &k);

	if (err)
		return err;
	*info = (struct vmesh_info){
		.node = k.node,
		.ensemble = k.ensemble,
		.link = k.state,
		.incarnation = k.incarnation,
		.epoch = k.epoch,
		.members = k.members,
		.mtu = k.mtu,
		.control_max = k.control_max,
	};
	_Static_assert(sizeof(info->netdev) == sizeof(k.netdev), "room for the name");
	_Static_assert(sizeof(info->version) == sizeof(k.version), "room for the version");
	memcpy(info->netdev, k.netdev, sizeof(info->netdev));
	memcpy(info->version, k.version, sizeof(info->version));
	return 0;
}

int vmesh_set_eventfd(struct vmesh *m, int eventfd)
{
	struct virtmesh_eventfd arg = { .fd = eventfd };

	return m->ops->ioctl(m->fd, VIRTMESH_IOC_EVENTFD, &arg);
}

int vmesh_set_busy_poll(struct vmesh *m, unsigned int us)
{
	struct virtmesh_busy_poll arg = { .us = us };

	return m->ops->ioctl(m->fd, VIRTMESH_IOC_BUSY_POLL, &arg);
}

#define STR_(x) #x
#define STR(x)	STR_(x)

const char *vmesh_version(void)
{
	return STR(VMESH_VERSION_MAJOR) "." STR(VMESH_VERSION_MINOR) "." STR(VMESH_VERSION_PATCH);
}
