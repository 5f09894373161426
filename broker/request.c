// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include <virtmesh/ctl.h>

#include "request.h"

_Static_assert(sizeof(struct vm_ctl_msg) + sizeof(struct vm_ctl_nodes) == REQUEST_MAX,
	       "REQUEST_MAX is not the longest request");

static int refuse(int err, const char *text, const char **why)
{
	*why = text;
	return err;
}

int request_parse(const void *data, size_t len, struct request *req, const char **why)
{
	struct vm_ctl_nodes nodes;
	struct vm_ctl_msg msg;
	size_t want;

	memset(req, 0, sizeof(*req));
	if (len < sizeof(msg))
		return refuse(-EPROTO, "the record is shorter than its header", why);
	memcpy(&msg, data, sizeof(msg));
	req->op = msg.op;
	req->cookie = msg.cookie;

	if (msg.version != VM_CTL_VERSION)
		return refuse(-EPROTO, "not the version of the control protocol spoken here", why);
	if (msg.flags || msg.error)
		return refuse(-EPROTO, "flags and error must be 0 in a request", why);
	if (msg.len != len - sizeof(msg))
		return refuse(-EPROTO, "the record is not as long as its header says", why);

	switch (msg.op) {
	case VM_CTL_INFO:
	case VM_CTL_RESYNC:
		want = 0;
		break;
	case VM_CTL_NODES:
	case VM_CTL_WATCH:
		want = sizeof(nodes);
		break;
	default:
		return refuse(-EOPNOTSUPP, "no such request", why);
	}
	if (msg.len != want)
		return refuse(-EPROTO, "not the length this request has", why);
	if (!want)
		return 0;

	memcpy(&nodes, (const char *)data + sizeof(msg), sizeof(nodes));
	if (nodes.reserved)
		return refuse(-EPROTO, "reserved fields must be 0", why);
	if (nodes.ensemble && !vm_ensemble_valid(nodes.ensemble))
		return refuse(-EINVAL, "an ensemble's id is 1 to 65534", why);
	req->ensemble = nodes.ensemble;
	return 0;
}
