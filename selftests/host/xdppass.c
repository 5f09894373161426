// SPDX-License-Identifier: GPL-2.0-only
/* xdppass IFNAME drv|skb: attach a program that passes everything: somebody else's. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	__u32 flags = 0;
	int fd, err;

	if (argc != 3)
		return 2;
	flags = strcmp(argv[2], "skb") ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", insns, 2, NULL);
	if (fd < 0) {
		fprintf(stderr, "load: %s\n", strerror(-fd));
		return 1;
	}
	err = bpf_xdp_attach(if_nametoindex(argv[1]), fd, flags, NULL);
	if (err)
		fprintf(stderr, "attach: %s\n", strerror(-err));
	return err != 0;
}
