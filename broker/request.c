// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <virtmesh/ctl.h>

#include "request.h"

_Static_assert(sizeof(struct vm_ctl_msg) + sizeof(struct vm_ctl_port) == REQUEST_MAX,
	       "REQUEST_MAX is not the longest request");
_Static_assert(sizeof(struct vm_ctl_port) == sizeof(((struct request *)0)->name),
	       "a name of another length");
_Static_assert(sizeof(struct vm_ctl_port) != sizeof(struct vm_ctl_nodes),
	       "request_parse() tells payloads by their length");

static int refuse(int err, const char *text, const char **why)
{
	*why = text;
	return err;
}

static int take_ensemble(const char *payload, struct request *req, const char **why)
{
	struct vm_ctl_nodes nodes;

	memcpy(&nodes, payload, sizeof(nodes));
	if (nodes.reserved)
		return refuse(-EPROTO, "reserved fields must be 0", why);
	if (nodes.ensemble && !vm_ensemble_valid(nodes.ensemble))
		return refuse(-EINVAL, "an ensemble's id is 1 to 65534", why);
	req->ensemble = nodes.ensemble;
	return 0;
}

/* It becomes part of a path: what the kernel would not call an interface is not let in. */
static bool name_valid(const char *name)
{
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || *name == '%' || isspace((unsigned char)*name))
			return false;
	return true;
}

static int take_name(const char *payload, struct request *req, const char **why)
{
	char name[sizeof(req->name)];
	size_t len;

	memcpy(name, payload, sizeof(name));
	len = strnlen(name, sizeof(name));
	if (len == sizeof(name))
		return refuse(-EPROTO, "the name must end with a NUL", why);
	for (size_t i = len; i < sizeof(name); i++)
		if (name[i])
			return refuse(-EPROTO, "bytes behind the name must be 0", why);
	if (!name_valid(name))
		return refuse(-EINVAL, "no interface can have that name", why);
	memcpy(req->name, name, sizeof(name));
	return 0;
}

int request_parse(const void *data, size_t len, struct request *req, const char **why)
{
	const char *payload = (const char *)data + sizeof(struct vm_ctl_msg);
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
		want = sizeof(struct vm_ctl_nodes);
		break;
	case VM_CTL_TAP:
	case VM_CTL_VHOST_NET:
		want = sizeof(struct vm_ctl_port);
		break;
	default:
		return refuse(-EOPNOTSUPP, "no such request", why);
	}
	if (msg.len != want)
		return refuse(-EPROTO, "not the length this request has", why);
	if (!want)
		return 0;

	return want == sizeof(struct vm_ctl_port) ? take_name(payload, req, why) :
						    take_ensemble(payload, req, why);
}
