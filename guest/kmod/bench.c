// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtmesh_bench.ko: the base alone, feeding frames into the ring and timing them
 * inside the kernel, where nothing of a program's own system calls is measured
 * (under User-Mode Linux these cost more than the lane). For `make bench` only;
 * never installed.
 *
 * /dev/virtmesh_benchN takes one order a write(2), which returns when it is done,
 * and read(2) tells the result of the last as one line of NAME=VALUE. Numbers are
 * decimal, addresses (vm_addr()) hexadecimal.
 *
 *	flood ADDR LEN MS RATE	send frames of LEN bytes for MS milliseconds, RATE a
 *				second or, 0, as fast as the ring takes them
 *	ping ADDR LEN N SPIN	N round trips, one after the other, each waited for by
 *				spinning for SPIN microseconds, then asleep
 *	spin MS			look at the receive ring by itself for MS milliseconds
 *	count			what was received since the last count
 *
 * Every device answers pings and counts floods, in its receive poll.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/etherdevice.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/skbuff.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/virtio.h>
#include <linux/vmalloc.h>
#include <virtmesh/version.h>

#include "claim.h"
#include "compat.h"
#include "device.h"

#define BENCH_ETHERTYPE 0x88b6 /* the other one that IEEE leaves to experiments */
#define BENCH_MAGIC	0x766d6265U
#define BENCH_BATCH	64 /* frames a kick */
#define BENCH_POOL	320 /* frames of a flood: more than a ring of 256 and a batch hold */
#define BENCH_LEN_MAX	9014
#define BENCH_MS_MAX	60000
#define BENCH_PINGS_MAX 1000000
#define BENCH_TIMEOUT	(HZ) /* a ping not answered by then is lost */

enum bench_kind {
	BENCH_FLOOD = 1,
	BENCH_PING,
	BENCH_PONG,
};

struct bench_frame {
	struct ethhdr eth;
	__be32 magic;
	__be32 kind;
	__be64 seq;
} __packed;

struct bench {
	struct vmesh_dev dev; /* first */
	struct miscdevice misc;
	struct mutex lock; /* one order at a time, and its result */
	wait_queue_head_t wait; /* for ponged */
	u64 ponged; /* the last answer's number */
	/* Written by the receive poll alone, read by count. */
	u64 frames;
	u64 late; /* not newer than the one before: reordered, or twice */
	u64 lost; /* numbers that were left out; what comes late is in here too */
	u64 next_seq;
	/* By count alone. */
	u64 told_frames, told_late, told_lost;
	/* Under lock. */
	u64 flood_seq;
	u64 ping_seq;
	bool gone;
	int id;
	char name[24];
	char result[128];
};

static DEFINE_IDA(bench_ids);

static struct bench *to_bench(struct vmesh_dev *d)
{
	return container_of(d, struct bench, dev);
}

static struct sk_buff *bench_frame(struct bench *b, u32 addr, unsigned int len,
				   enum bench_kind kind, u64 seq, gfp_t gfp)
{
	struct sk_buff *skb = alloc_skb(VMESH_TX_HEADROOM + len, gfp | __GFP_NOWARN);
	struct bench_frame *f;

	if (!skb)
		return NULL;
	skb_reserve(skb, VMESH_TX_HEADROOM);
	f = skb_put_zero(skb, len);
	vm_addr_to_mac(addr, f->eth.h_dest);
	ether_addr_copy(f->eth.h_source, b->dev.mac);
	f->eth.h_proto = htons(BENCH_ETHERTYPE);
	f->magic = htonl(BENCH_MAGIC);
	f->kind = htonl(kind);
	f->seq = cpu_to_be64(seq);
	return skb;
}

static void bench_flooded(struct bench *b, u64 seq)
{
	b->frames++;
	if (seq < b->next_seq) {
		b->late++;
		return;
	}
	b->lost += seq - b->next_seq;
	b->next_seq = seq + 1;
}

static void bench_pinged(struct bench *b, const struct bench_frame *ping, unsigned int len)
{
	u32 from = vm_mac_to_addr(ping->eth.h_source);
	struct sk_buff *skb;

	skb = bench_frame(b, from, len, BENCH_PONG, be64_to_cpu(ping->seq), GFP_ATOMIC);
	if (skb && vmesh_tx(&b->dev, skb, 0))
		kfree_skb(skb);
}

static bool bench_receive(struct vmesh_dev *d, const struct vmesh_frame *frame)
{
	const struct bench_frame *f = frame->data;
	struct bench *b = to_bench(d);

	if (frame->len < sizeof(*f) || f->eth.h_proto != htons(BENCH_ETHERTYPE) ||
	    f->magic != htonl(BENCH_MAGIC))
		return false;
	switch (ntohl(f->kind)) {
	case BENCH_FLOOD:
		bench_flooded(b, be64_to_cpu(f->seq));
		break;
	case BENCH_PING:
		bench_pinged(b, f, frame->len);
		break;
	case BENCH_PONG:
		WRITE_ONCE(b->ponged, be64_to_cpu(f->seq));
		wake_up_interruptible(&b->wait);
		break;
	}
	return false;
}

/* Frames that are due by @now when one is due each 1/@rate seconds since @start. */
static u64 bench_due(u64 start, u64 now, u64 rate)
{
	return rate ? div_u64((now - start) * rate, NSEC_PER_SEC) : U64_MAX;
}

/*
 * A flood's frames are made before it begins and sent again and again, as pktgen does
 * with clone_skb: what is to be measured is the lane and not the allocator. Each is
 * the flood's and, while it is in the ring, the driver's.
 */
static void bench_pool_free(struct sk_buff **pool)
{
	unsigned int i;

	for (i = 0; i < BENCH_POOL; i++)
		kfree_skb(pool[i]);
	kvfree(pool);
}

static struct sk_buff **bench_pool(struct bench *b, u32 addr, unsigned int len)
{
	struct sk_buff **pool = kvcalloc(BENCH_POOL, sizeof(*pool), GFP_KERNEL);
	unsigned int i;

	for (i = 0; pool && i < BENCH_POOL; i++) {
		pool[i] = bench_frame(b, addr, len, BENCH_FLOOD, 0, GFP_KERNEL);
		if (!pool[i]) {
			bench_pool_free(pool);
			return NULL;
		}
	}
	return pool;
}

static int bench_send(struct bench *b, struct sk_buff *skb, bool more)
{
	struct bench_frame *f;
	int err;

	/* A ring that holds the whole pool: it is the oldest that is awaited. */
	while (unlikely(skb_shared(skb))) {
		if (signal_pending(current))
			return -EINTR;
		/* Nor does it come back from a ring that is given up or to go. */
		if (READ_ONCE(b->gone) || READ_ONCE(b->dev.broken))
			return -ENODEV;
		vmesh_tx_kick(&b->dev);
		vmesh_relax();
		vmesh_tx_pending(&b->dev, NULL);
	}
	/* Sent before, it has the ring's header in front. */
	__skb_pull(skb, VMESH_TX_HEADROOM - skb_headroom(skb));
	f = (struct bench_frame *)skb->data;
	f->seq = cpu_to_be64(b->flood_seq);
	skb_get(skb);
	err = vmesh_tx(&b->dev, skb, more ? VMESH_TX_MORE : 0);
	if (err == -ENOBUFS || err == -ENETDOWN)
		err = vmesh_tx_wait(&b->dev, skb, false);
	if (err)
		kfree_skb(skb);
	else
		b->flood_seq++;
	return err;
}

static int bench_flood(struct bench *b, u32 addr, unsigned int len, unsigned int ms, u64 rate)
{
	u64 start, end, now, sent = 0;
	unsigned int i, batch;
	struct sk_buff **pool;
	int err = 0;

	pool = bench_pool(b, addr, len);
	if (!pool)
		return -ENOMEM;
	start = ktime_get_ns();
	now = start;
	end = start + ms * NSEC_PER_MSEC;
	while (!err && now < end) {
		batch = min_t(u64, bench_due(start, now, rate) - sent, BENCH_BATCH);
		for (i = 0; !err && i < batch; i++) {
			err = bench_send(b, pool[sent % BENCH_POOL], i + 1 < batch);
			sent += !err;
		}
		if (signal_pending(current))
			err = -EINTR;
		if (!batch)
			vmesh_relax();
		now = ktime_get_ns();
	}
	vmesh_tx_kick(&b->dev);
	vmesh_tx_flush(&b->dev, 1000);
	bench_pool_free(pool);
	snprintf(b->result, sizeof(b->result), "sent=%llu ns=%llu\n", sent, now - start);
	return err;
}

static bool bench_answered(struct bench *b, u64 seq)
{
	return READ_ONCE(b->ponged) == seq || READ_ONCE(b->gone);
}

/* One round trip. Returns its nanoseconds, or -errno. */
static s64 bench_round(struct bench *b, u32 addr, unsigned int len, u64 seq, u64 spin_ns)
{
	u64 start = ktime_get_ns();
	struct sk_buff *skb;
	long left;
	int err;

	skb = bench_frame(b, addr, len, BENCH_PING, seq, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	err = vmesh_tx(&b->dev, skb, 0);
	if (err) {
		kfree_skb(skb);
		return err;
	}
	while (spin_ns && !bench_answered(b, seq)) {
		vmesh_relax();
		vmesh_rx_spin(&b->dev);
		if (ktime_get_ns() - start > spin_ns)
			spin_ns = 0;
	}
	if (!bench_answered(b, seq)) {
		left = wait_event_interruptible_timeout(b->wait, bench_answered(b, seq),
							BENCH_TIMEOUT);
		if (left <= 0)
			return left ?: -ETIMEDOUT;
	}
	return READ_ONCE(b->gone) ? -ENODEV : ktime_get_ns() - start;
}

static int bench_compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static int bench_ping(struct bench *b, u32 addr, unsigned int len, unsigned int n,
		      unsigned int spin_us)
{
	unsigned int i, lost = 0;
	s64 took = 0;
	u32 *ns;

	ns = vmalloc(array_size(n, sizeof(*ns)));
	if (!ns)
		return -ENOMEM;
	if (spin_us)
		vmesh_rx_spin_begin(&b->dev);
	for (i = 0; i < n; i++) {
		took = bench_round(b, addr, len, ++b->ping_seq, spin_us * NSEC_PER_USEC);
		if (took == -ETIMEDOUT && ++lost < 3) {
			i--;
			continue;
		}
		if (took < 0)
			break;
		ns[i] = min_t(u64, took, U32_MAX);
	}
	if (spin_us)
		vmesh_rx_spin_end(&b->dev);
	if (i == n) {
		took = 0;
		sort(ns, n, sizeof(*ns), bench_compare, NULL);
		snprintf(b->result, sizeof(b->result), "n=%u lost=%u p50=%u p90=%u p99=%u max=%u\n",
			 n, lost, ns[n / 2], ns[n - 1 - n / 10], ns[n - 1 - n / 100], ns[n - 1]);
	}
	vfree(ns);
	return took;
}

static int bench_spin(struct bench *b, unsigned int ms)
{
	u64 end = ktime_get_ns() + ms * NSEC_PER_MSEC;

	vmesh_rx_spin_begin(&b->dev);
	while (ktime_get_ns() < end && !signal_pending(current) && !READ_ONCE(b->gone)) {
		vmesh_rx_spin(&b->dev);
		vmesh_relax();
	}
	vmesh_rx_spin_end(&b->dev);
	snprintf(b->result, sizeof(b->result), "ms=%u\n", ms);
	return 0;
}

static int bench_count(struct bench *b)
{
	u64 frames = READ_ONCE(b->frames), late = READ_ONCE(b->late), lost = READ_ONCE(b->lost);

	snprintf(b->result, sizeof(b->result), "frames=%llu late=%llu lost=%llu next=%llu\n",
		 frames - b->told_frames, late - b->told_late, lost - b->told_lost,
		 READ_ONCE(b->next_seq));
	b->told_frames = frames;
	b->told_late = late;
	b->told_lost = lost;
	return 0;
}

static bool bench_len_ok(unsigned int len)
{
	return len >= sizeof(struct bench_frame) && len <= BENCH_LEN_MAX;
}

static int bench_order(struct bench *b, const char *order)
{
	unsigned int addr, len, ms, n, spin;
	unsigned long long rate;

	if (sscanf(order, "flood %x %u %u %llu", &addr, &len, &ms, &rate) == 4)
		return bench_len_ok(len) && ms <= BENCH_MS_MAX && rate <= NSEC_PER_SEC ?
			       bench_flood(b, addr, len, ms, rate) :
			       -ERANGE;
	if (sscanf(order, "ping %x %u %u %u", &addr, &len, &n, &spin) == 4)
		return bench_len_ok(len) && n && n <= BENCH_PINGS_MAX ?
			       bench_ping(b, addr, len, n, spin) :
			       -ERANGE;
	if (sscanf(order, "spin %u", &ms) == 1)
		return ms <= BENCH_MS_MAX ? bench_spin(b, ms) : -ERANGE;
	if (!strncmp(order, "count", 5))
		return bench_count(b);
	return -EINVAL;
}

static ssize_t bench_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct bench *b = file->private_data;
	char order[80];
	int err;

	if (!len || len >= sizeof(order))
		return -EINVAL;
	if (copy_from_user(order, from, len))
		return -EFAULT;
	order[len] = '\0';
	if (mutex_lock_interruptible(&b->lock))
		return -ERESTARTSYS;
	b->result[0] = '\0';
	err = READ_ONCE(b->gone) ? -ENODEV : bench_order(b, order);
	mutex_unlock(&b->lock);
	return err ?: len;
}

static ssize_t bench_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct bench *b = file->private_data;
	ssize_t ret;

	if (mutex_lock_interruptible(&b->lock))
		return -ERESTARTSYS;
	ret = simple_read_from_buffer(to, len, pos, b->result, strlen(b->result));
	mutex_unlock(&b->lock);
	return ret;
}

static int bench_open(struct inode *inode, struct file *file)
{
	struct bench *b = container_of(file->private_data, struct bench, misc);

	vmesh_get(&b->dev);
	file->private_data = b;
	return 0;
}

static int bench_release(struct inode *inode, struct file *file)
{
	struct bench *b = file->private_data;

	vmesh_put(&b->dev);
	return 0;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.open = bench_open,
	.release = bench_release,
	.read = bench_read,
	.write = bench_write,
};

static int bench_create(struct vmesh_dev *d)
{
	struct bench *b = to_bench(d);

	mutex_init(&b->lock);
	init_waitqueue_head(&b->wait);
	/* Never registered: NAPI must belong to some interface. */
	d->napi_dev = alloc_etherdev(0);
	if (!d->napi_dev)
		return -ENOMEM;
	b->id = ida_alloc(&bench_ids, GFP_KERNEL);
	if (b->id < 0) {
		free_netdev(d->napi_dev);
		return b->id;
	}
	return 0;
}

static void bench_destroy(struct vmesh_dev *d)
{
	ida_free(&bench_ids, to_bench(d)->id);
	free_netdev(d->napi_dev);
	d->napi_dev = NULL;
}

static int bench_start(struct vmesh_dev *d)
{
	struct bench *b = to_bench(d);

	snprintf(b->name, sizeof(b->name), "virtmesh_bench%d", b->id);
	b->misc.minor = MISC_DYNAMIC_MINOR;
	b->misc.name = b->name;
	b->misc.fops = &bench_fops;
	b->misc.parent = &d->vdev->dev;
	return misc_register(&b->misc);
}

/* Whoever is in an order finds `gone`, or a closed ring, and lets go of the lock. */
static void bench_stop(struct vmesh_dev *d)
{
	struct bench *b = to_bench(d);

	misc_deregister(&b->misc);
	WRITE_ONCE(b->gone, true);
	vmesh_tx_close(d);
	wake_up_interruptible_all(&b->wait);
	mutex_lock(&b->lock);
	mutex_unlock(&b->lock);
}

static void bench_nothing(struct vmesh_dev *d)
{
}

const struct vmesh_upper vmesh_upper = {
	.size = sizeof(struct bench),
	.create = bench_create,
	.start = bench_start,
	.stop = bench_stop,
	.destroy = bench_destroy,
	.release = bench_nothing,
	.suspend = bench_nothing,
	.resume = bench_nothing,
	.link_changed = bench_nothing,
	.receive = bench_receive,
};

static int __init bench_init(void)
{
	int err = register_virtio_driver(&vmesh_virtio_driver);

	if (err)
		return err;
	vmesh_claim_all();
	return 0;
}

static void __exit bench_exit(void)
{
	unregister_virtio_driver(&vmesh_virtio_driver);
	ida_destroy(&bench_ids);
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("the virtmesh developers");
MODULE_DESCRIPTION("virtmesh: the driver's base under a load generator, for make bench only");
MODULE_VERSION(VM_VERSION);
