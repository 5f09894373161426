// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "broker_info.h"

struct answer {
	struct vm_ctl_info *info;
	unsigned int records;
};

static int take(const void *data, size_t len, void *arg)
{
	struct answer *answer = arg;

	if (len != sizeof(*answer->info) || answer->records++)
		return -EPROTO;
	memcpy(answer->info, data, len);
	return 0;
}

int vm_broker_info(struct vm_ctl_info *info)
{
	struct answer answer = { .info = info };
	int fd, err;

	fd = vm_broker_connect();
	if (fd < 0)
		return fd;
	err = vm_broker_ask(fd, VM_CTL_INFO, NULL, 0, take, &answer, NULL, 0);
	close(fd);
	if (err)
		return err;
	return answer.records ? 0 : -EPROTO;
}
