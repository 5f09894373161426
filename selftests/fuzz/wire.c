// SPDX-License-Identifier: GPL-2.0-only
/* A frame from a guest to the broker. */
#include <errno.h>
#include <string.h>

#include <virtmesh/frame.h>

#include "../../broker/wire.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_frame frame;
	int err;

	memset(&frame, 0xa5, sizeof(frame));
	err = wire_parse(data, len, &frame);
	if (err) {
		must(err == -EBADMSG || err == -EPROTONOSUPPORT || err == -EADDRNOTAVAIL ||
		     err == -EOPNOTSUPP);
		return 0;
	}
	must(len >= VM_PAYLOAD_OFFSET);
	must(vm_ensemble_valid(vm_addr_ensemble(frame.addr)));
	must(vm_node_valid(vm_addr_node(frame.addr)));
	must(frame.type == VM_F_HELLO || frame.type == VM_F_SYNC || frame.type == VM_F_ALIVE ||
	     frame.type == VM_F_BYE);
	return 0;
}
