// SPDX-License-Identifier: GPL-2.0-only
#include <unistd.h>

#include "../../host/tap.h"
#include "lasting_tap.h"

int tap_create(const char *name, uid_t owner, unsigned int mtu)
{
	int fd, err;

	fd = vm_tap_make(name, owner, mtu);
	if (fd < 0)
		return fd;
	err = vm_tap_keep(fd);
	close(fd);
	return err;
}

int tap_delete(const char *name)
{
	int fd, err;

	fd = vm_tap_hold(name);
	if (fd < 0)
		return fd;
	err = vm_tap_release(fd);
	close(fd);
	return err;
}
