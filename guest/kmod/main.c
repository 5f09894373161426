// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtmesh.ko: a node of the mesh. The parts, from the device up:
 *
 *	device queue receive send claim		the base, shared with virtmesh_io.ko
 *	input		received frames of the mesh protocol, to where they belong
 *	parse compose	its bytes
 *	join members alive	this node and the broker
 *	peer		the membership
 *	echo datagram	between nodes
 *	group form fence	groups of nodes, and operations on them (transport.h has the
 *	flow place ...	whole list)
 *	netdev ethtool	mesh0
 *	chardev		/dev/virtmeshN
 *
 * Here are the ladders: one for a device, one for the module.
 */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/virtio.h>
#include <virtmesh/version.h>

#include "chardev.h"
#include "claim.h"
#include "mesh.h"
#include "netdev.h"
#include "parse.h"

static DEFINE_IDA(vmesh_ids);

void vmesh_changed(struct vmesh *m)
{
	atomic_inc(&m->changes);
	vmesh_channels_changed(&m->channels);
}

static int vmesh_create(struct vmesh_dev *d)
{
	struct vmesh *m = vmesh_of(d);
	int err;

	mutex_init(&m->state_lock);
	atomic_set(&m->changes, 1); /* a file that has seen none is at 0 */
	vmesh_peers_init(&m->peers);
	vmesh_echoes_init(&m->echoes);
	vmesh_channels_init(&m->channels);
	vmesh_groups_init(m);
	vmesh_pendings_init(&m->pendings);

	m->id = ida_alloc(&vmesh_ids, GFP_KERNEL);
	if (m->id < 0)
		return m->id;
	snprintf(m->name, sizeof(m->name), "virtmesh%d", m->id);

	err = vmesh_trace_init(&m->trace);
	if (err)
		goto err_id;
	err = vmesh_join_init(m);
	if (err)
		goto err_trace;
	err = vmesh_netdev_create(m);
	if (err)
		goto err_join;
	return 0;

err_join:
	vmesh_join_exit(m);
err_trace:
	vmesh_trace_free(&m->trace);
err_id:
	ida_free(&vmesh_ids, m->id);
	return err;
}

static void vmesh_destroy(struct vmesh_dev *d)
{
	struct vmesh *m = vmesh_of(d);

	vmesh_join_exit(m);
	vmesh_netdev_destroy(m);
	vmesh_trace_stop(&m->trace);
	ida_free(&vmesh_ids, m->id);
}

static int vmesh_start(struct vmesh_dev *d)
{
	struct vmesh *m = vmesh_of(d);
	int err;

	err = vmesh_netdev_register(m);
	if (err)
		return err;
	err = vmesh_chardev_register(m);
	if (err) {
		vmesh_netdev_unregister(m);
		return err;
	}
	netdev_info(m->netdev, "node %u of ensemble %u, /dev/%s, MTU %u: joining\n", vmesh_node(m),
		    vmesh_ensemble(m), m->name, d->mtu);
	vmesh_join_start(m);
	return 0;
}

static void vmesh_stop(struct vmesh_dev *d)
{
	struct vmesh *m = vmesh_of(d);

	vmesh_chardev_unregister(m);

	/* Nobody new comes; those inside are told to go. */
	mutex_lock(&m->state_lock);
	WRITE_ONCE(m->gone, true);
	mutex_unlock(&m->state_lock);
	vmesh_groups_abort(m); /* says LEAVE, for which the ring must be open */
	vmesh_tx_close(d);
	vmesh_channels_abort(&m->channels);
	vmesh_echoes_abort(&m->echoes);
	vmesh_pendings_abort(&m->pendings);

	vmesh_join_stop(m, true);
	vmesh_netdev_unregister(m);
}

static void vmesh_release(struct vmesh_dev *d)
{
	struct vmesh *m = vmesh_of(d);

	vmesh_peers_free(&m->peers);
	vmesh_channels_free(&m->channels);
	vmesh_groups_free(m);
	vmesh_trace_free(&m->trace);
}

static void vmesh_link_changed(struct vmesh_dev *d)
{
	struct vmesh *m = vmesh_of(d);

	mutex_lock(&m->state_lock);
	vmesh_netdev_carrier(m);
	mutex_unlock(&m->state_lock);
}

static void vmesh_suspend(struct vmesh_dev *d)
{
	struct vmesh *m = vmesh_of(d);

	vmesh_join_stop(m, false);
	vmesh_netdev_detach(m);
}

static void vmesh_resume(struct vmesh_dev *d)
{
	struct vmesh *m = vmesh_of(d);

	vmesh_netdev_attach(m);
	vmesh_link_changed(d);
	vmesh_join_start(m);
}

static bool vmesh_receive(struct vmesh_dev *d, const struct vmesh_frame *frame)
{
	struct vmesh *m = vmesh_of(d);

	if (!vmesh_is_mesh(frame->data, frame->len))
		return vmesh_netdev_receive(m, frame);
	return vmesh_input(m, frame);
}

static void vmesh_polled(struct vmesh_dev *d)
{
	vmesh_groups_polled(vmesh_of(d));
}

static void vmesh_room(struct vmesh_dev *d)
{
	vmesh_groups_room(vmesh_of(d));
}

const struct vmesh_upper vmesh_upper = {
	.size = sizeof(struct vmesh),
	.create = vmesh_create,
	.start = vmesh_start,
	.stop = vmesh_stop,
	.destroy = vmesh_destroy,
	.release = vmesh_release,
	.suspend = vmesh_suspend,
	.resume = vmesh_resume,
	.link_changed = vmesh_link_changed,
	.receive = vmesh_receive,
	.polled = vmesh_polled,
	.room = vmesh_room,
};

static int __init vmesh_init(void)
{
	int err = register_virtio_driver(&vmesh_virtio_driver);

	if (err)
		return err;
	vmesh_claim_all();
	return 0;
}

static void __exit vmesh_exit(void)
{
	unregister_virtio_driver(&vmesh_virtio_driver);
	ida_destroy(&vmesh_ids);
}

module_init(vmesh_init);
module_exit(vmesh_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("the virtmesh developers");
MODULE_DESCRIPTION("virtmesh: a node of a mesh of virtual machines");
MODULE_VERSION(VM_VERSION);
