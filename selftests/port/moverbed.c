// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process is a fork: it has the test's memory and fds, as a port has those
 * that were kept for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "../../host/log.h"
#include "../../host/tap.h"
#include "../../host/vhost/own.h"
#include "../broker/lasting_tap.h"
#include "moverbed.h"

#define ETHERTYPE 0x88b6
#define TAP	  "mover0"

typedef __u16 __attribute__((may_alias)) index_t;

#define RING_BYTES 65536 /* desc, avail, used and the indirect tables, apart */
#define LOG_BYTES  32768
#define KEPT_BYTES (VM_LOOP_KEPT + 4096 + VM_MOVER_RINGS * LOG_BYTES)
#define GAP	   64 /* between the pieces of a chain, so that they stay pieces */
#define PIECE	   20 /* bytes of the one in the middle */

void bed_frame(char *frame, size_t len, __u32 seq)
{
	static const unsigned char mac[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	__u16 type = htons(ETHERTYPE);

	memcpy(frame, mac, sizeof(mac));
	memcpy(frame + 12, &type, 2);
	memcpy(frame + 14, &seq, 4);
	memcpy(frame + len - 4, &seq, 4);
}

long bed_frame_seq(const char *frame, size_t len)
{
	__u16 type;
	__u32 seq, end;

	memcpy(&type, frame + 12, 2);
	memcpy(&seq, frame + 14, 4);
	memcpy(&end, frame + len - 4, 4);
	return len >= 64 && type == htons(ETHERTYPE) && seq == end ? (long)seq : -1;
}

static int make_packet(struct bed *bed)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE),
		.sll_ifindex = bed->ifindex,
	};
	int big = 64 << 20, on = 1;

	bed->packet = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETHERTYPE));
	if (bed->packet < 0)
		return -errno;
	setsockopt(bed->packet, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	setsockopt(bed->packet, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	/* What we send ourselves is not to be heard. */
	setsockopt(bed->packet, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	return bind(bed->packet, (struct sockaddr *)&ll, sizeof(ll)) ? -errno : 0;
}

static void ring_init(struct bed *bed, unsigned int i)
{
	struct bed_ring *r = &bed->ring[i];
	char *at = bed->mem + i * RING_BYTES;

	r->desc = (void *)at;
	r->avail = (void *)(at + 16384);
	r->used = (void *)(at + 24576);
	r->tables = at + 40960;
	r->buffers = bed->mem + VM_MOVER_RINGS * RING_BYTES + (size_t)i * BED_RING * BED_BUFFER;
	r->event_idx = !bed->opt.no_event_idx;
	r->free_n = BED_RING / 4;
	for (unsigned int j = 0; j < r->free_n; j++)
		r->free[j] = 4 * (r->free_n - 1 - j);
}

int moverbed_make(struct bed *bed, const struct bed_options *opt)
{
	int sv[2], err;

	memset(bed, 0, sizeof(*bed));
	bed->opt = *opt;
	if (!bed->opt.mtu)
		bed->opt.mtu = VM_MTU_DEFAULT;
	if (unshare(CLONE_NEWNET))
		return -errno;
	err = tap_create(TAP, 0, bed->opt.mtu);
	if (err)
		return err;
	bed->tap = vm_tap_open(TAP);
	if (bed->tap < 0)
		return bed->tap;
	bed->ifindex = if_nametoindex(TAP);
	err = make_packet(bed);
	if (err)
		return err;

	bed->mem_size = VM_MOVER_RINGS * (RING_BYTES + (size_t)BED_RING * BED_BUFFER);
	bed->mem = mmap(NULL, bed->mem_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			0);
	bed->kept =
		mmap(NULL, KEPT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bed->mem == MAP_FAILED || bed->kept == MAP_FAILED)
		return -errno;
	bed->shared = (void *)(bed->kept + VM_LOOP_KEPT);
	for (unsigned int i = 0; i < VM_MOVER_RINGS; i++) {
		bed->log[i] = (void *)(bed->kept + VM_LOOP_KEPT + 4096 + LOG_BYTES * i);
		ring_init(bed, i);
		bed->ring[i].kick = eventfd(0, EFD_NONBLOCK);
		if (bed->opt.socket_call) {
			if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
				return -errno;
			bed->ring[i].call = sv[0];
			bed->call_device[i] = sv[1];
		} else {
			bed->ring[i].call = bed->call_device[i] = eventfd(0, EFD_NONBLOCK);
		}
	}
	return 0;
}

void moverbed_free(struct bed *bed)
{
	if (bed->pid)
		moverbed_end(bed, SIGKILL);
	close(bed->tap);
	close(bed->packet);
	tap_delete(TAP);
	for (unsigned int i = 0; i < VM_MOVER_RINGS; i++) {
		close(bed->ring[i].kick);
		close(bed->ring[i].call);
		if (bed->call_device[i] != bed->ring[i].call)
			close(bed->call_device[i]);
	}
	munmap(bed->mem, bed->mem_size);
	munmap(bed->kept, KEPT_BYTES);
}

/* The process. */

static struct bed *device_bed;
static struct vm_loop device_loop;
static struct vm_vring device_ring[VM_MOVER_RINGS];
static struct vm_mover *device_mover;

static void device_broken(void *arg, unsigned int i, const char *why)
{
	device_bed->shared->broken[i] = true;
	vm_mover_stop(device_mover, i);
}

static void device_signal(void *arg, int signo)
{
	struct bed_shared *shared = device_bed->shared;

	switch (signo) {
	case SIGUSR1: /* what the kernel may do as well, and leave so */
		*device_loop.ring.sq.kflags |= IORING_SQ_TASKRUN;
		__atomic_store_n(&shared->alarmed, true, __ATOMIC_RELEASE);
		break;
	case SIGHUP:
		device_mover->flood.until = vm_poll_now() + VM_FLOOD_REST_NS;
		__atomic_store_n(&shared->rests, true, __ATOMIC_RELEASE);
		break;
	default:
		vm_loop_stop(&device_loop, 0);
	}
}

static int device(struct bed *bed)
{
	struct vm_mover_config config = {
		.tap = bed->tap,
		.mtu = bed->opt.mtu,
		.poll_us = bed->opt.poll_us,
		.broken = device_broken,
	};
	struct vm_region region = { .gpa = BED_GPA, .size = bed->mem_size, .at = bed->mem };
	unsigned int num[VM_MOVER_RINGS] = { BED_RING, BED_RING };
	struct vm_memory mem = { .n = 1, .region = { region } };
	int err;

	device_bed = bed;
	vm_log_set_level(getenv("V") ? VM_LOG_INFO : VM_LOG_WARN);
	if (bed->opt.keep)
		vm_mover_salvage(bed->kept, bed->log, num);
	err = vm_loop_init(&device_loop, bed->opt.keep ? bed->kept : NULL, bed->opt.plain) ?:
		      vm_loop_enable(&device_loop)					   ?:
		      vm_loop_signals(&device_loop, device_signal, NULL)		   ?:
		      vm_mover_init(&device_mover, &device_loop, &config);
	if (err)
		return 10;
	bed->shared->kept = device_loop.kept;
	__atomic_store_n(&bed->shared->ready, getpid(), __ATOMIC_RELEASE);
	vm_mover_log(device_mover);
	for (unsigned int i = 0; i < VM_MOVER_RINGS; i++) {
		struct bed_ring *r = &bed->ring[i];

		device_ring[i] = (struct vm_vring){
			.num = BED_RING,
			.desc = r->desc,
			.avail = r->avail,
			.used = r->used,
			.event_idx = r->event_idx,
			.indirect = true,
			.log = bed->log[i],
			.kick = r->kick,
			.call = bed->call_device[i],
			.err = -1,
			.call_is_eventfd = !bed->opt.socket_call,
			.last_avail = bed->shared->last_avail[i],
		};
		if (vm_mover_start(device_mover, i, &device_ring[i], &mem))
			return 11;
	}
	err = vm_loop_run(&device_loop);
	for (unsigned int i = 0; i < VM_MOVER_RINGS; i++) {
		vm_mover_stop(device_mover, i);
		bed->shared->last_avail[i] = device_ring[i].last_avail;
		vm_vring_log_reset(bed->log[i]);
	}
	bed->shared->stats = *vm_mover_stats(device_mover);
	bed->shared->loop = device_loop.stats;
	vm_mover_exit(device_mover);
	vm_loop_exit(&device_loop);
	return err ? 12 : 0;
}

int moverbed_start(struct bed *bed)
{
	cpu_set_t set;

	bed->pid = fork();
	if (bed->pid < 0)
		return -errno;
	if (bed->pid)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (bed->opt.cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(bed->opt.cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	_exit(device(bed));
}

int moverbed_end(struct bed *bed, int sig)
{
	int status = -1;

	kill(bed->pid, sig);
	while (waitpid(bed->pid, &status, 0) < 0 && errno == EINTR)
		;
	bed->pid = 0;
	return status;
}

/* The driver. */

static __u64 gpa(const struct bed *bed, const void *at)
{
	return BED_GPA + ((const char *)at - bed->mem);
}

char *bed_next(struct bed *bed, unsigned int ring)
{
	struct bed_ring *r = &bed->ring[ring];

	return r->free_n ? r->buffers + r->free[r->free_n - 1] * (size_t)BED_BUFFER : NULL;
}

/* Where the pieces of a chain of @shape are: the first ends, the last begins. */
static size_t first_piece(enum bed_shape shape)
{
	return shape == BED_CHAIN ? 5 : BED_HDR;
}

int bed_add(struct bed *bed, unsigned int ring, enum bed_shape shape, size_t len)
{
	struct bed_ring *r = &bed->ring[ring];
	__u16 write = ring == VM_MOVER_RX ? VRING_DESC_F_WRITE : 0;
	size_t cut = first_piece(shape);
	struct vring_desc *d, *t;
	char *at = bed_next(bed, ring);
	__u16 head, first;

	if (!at)
		return -ENOSPC;
	head = r->free[--r->free_n];
	r->shape[head / 4] = shape;
	t = d = &r->desc[head];
	first = head;
	if (shape == BED_ONE) {
		d[0] = (struct vring_desc){ gpa(bed, at), len, write, 0 };
		goto done;
	}
	if (shape == BED_INDIRECT) {
		t = (void *)(r->tables + head / 4 * 64);
		first = 0;
		d[0] = (struct vring_desc){ gpa(bed, t), 48, VRING_DESC_F_INDIRECT, 0 };
	}
	if (!write) {
		memmove(at + cut + PIECE + 2 * GAP, at + cut + PIECE, len - cut - PIECE);
		memmove(at + cut + GAP, at + cut, PIECE);
	}
	write |= VRING_DESC_F_NEXT;
	t[0] = (struct vring_desc){ gpa(bed, at), cut, write, first + 1 };
	at += cut + GAP;
	t[1] = (struct vring_desc){ gpa(bed, at), PIECE, write, first + 2 };
	at += PIECE + GAP;
	write &= ~VRING_DESC_F_NEXT;
	t[2] = (struct vring_desc){ gpa(bed, at), len - cut - PIECE, write, 0 };
done:
	r->avail->ring[r->avail_idx++ & (BED_RING - 1)] = head;
	return head;
}

void bed_publish(struct bed *bed, unsigned int ring)
{
	struct bed_ring *r = &bed->ring[ring];
	__u64 count = 1;
	bool kick;

	__atomic_store_n(&r->avail->idx, r->avail_idx, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r->event_idx)
		kick = vring_need_event(*(volatile index_t *)&r->used->ring[BED_RING], r->avail_idx,
					r->kicked);
	else
		kick = !(*(volatile __u16 *)&r->used->flags & VRING_USED_F_NO_NOTIFY);
	r->kicked = r->avail_idx;
	if (kick && write(r->kick, &count, sizeof(count)) < 0)
		perror("kick");
}

bool bed_has_used(const struct bed *bed, unsigned int ring)
{
	const struct bed_ring *r = &bed->ring[ring];

	return __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) != r->used_idx;
}

char *bed_used(struct bed *bed, unsigned int ring, __u32 *len)
{
	struct bed_ring *r = &bed->ring[ring];
	struct vring_used_elem *e;
	enum bed_shape shape;
	size_t cut;
	char *at;

	if (!bed_has_used(bed, ring))
		return NULL;
	e = &r->used->ring[r->used_idx++ & (BED_RING - 1)];
	r->free[r->free_n++] = e->id;
	if (len)
		*len = e->len;
	at = r->buffers + e->id * (size_t)BED_BUFFER;
	shape = r->shape[e->id / 4];
	cut = first_piece(shape);
	if (ring == VM_MOVER_RX && shape != BED_ONE && e->len > cut + PIECE) {
		memmove(at + cut, at + cut + GAP, PIECE);
		memmove(at + cut + PIECE, at + cut + PIECE + 2 * GAP, e->len - cut - PIECE);
	}
	return at;
}

void bed_want_call(struct bed *bed, unsigned int ring, bool want)
{
	struct bed_ring *r = &bed->ring[ring];

	if (r->event_idx)
		r->avail->ring[BED_RING] = want ? r->used_idx : r->used_idx - 1;
	else
		r->avail->flags = want ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int bed_calls(struct bed *bed, unsigned int ring)
{
	char buf[4096];
	ssize_t n;

	n = recv(bed->ring[ring].call, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && errno == ENOTSOCK)
		n = read(bed->ring[ring].call, buf, sizeof(buf));
	return n < 0 ? 0 : n;
}
