// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record of the broker's control socket. The server hands request_parse() the
 * first REQUEST_MAX bytes of it and its whole length: so does this.
 */
#include <errno.h>
#include <string.h>

#include <virtmesh/ctl.h>

#include "../../broker/request.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t there = len < REQUEST_MAX ? len : REQUEST_MAX;
	/* Of its own length, so that one byte too far is seen. */
	uint8_t *record = malloc(there ? there : 1);
	const char *why = NULL;
	struct request req;
	int err;

	memcpy(record, data, there);
	err = request_parse(record, len, &req, &why);
	if (err) {
		must(err == -EPROTO || err == -EOPNOTSUPP || err == -EINVAL);
		must(why && *why);
		/* The server's answer holds it. */
		must(strlen(why) < VM_CTL_MAX - sizeof(struct vm_ctl_msg));
	} else {
		must(len <= REQUEST_MAX);
		must(!req.ensemble || vm_ensemble_valid(req.ensemble));
	}
	free(record);
	return 0;
}
