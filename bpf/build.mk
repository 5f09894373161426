# SPDX-License-Identifier: GPL-2.0-only
#
# The BPF object, and its skeleton for user space: depend on $(STEER_SKEL).
LLVM_STRIP	?= llvm-strip
STEER_OBJ	:= $(O)/bpf/steer.bpf.o
STEER_SKEL	:= $(O)/bpf/steer.skel.h

# -mcpu=v3: compare-and-exchange and 32-bit jumps; kernels have both since 5.12.
BPF_CFLAGS	:= -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror \
		   -Wno-unused-parameter -Wno-missing-declarations \
		   -I$(srctree)/bpf -I$(srctree)/include

$(O)/%.bpf.o: $(srctree)/%.bpf.c | deps-check
	$(call quiet,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<
	$(Q)$(LLVM_STRIP) -g $@

# Named after the object: steer.bpf.o -> steer.skel.h, struct steer_bpf.
$(O)/%.skel.h: $(O)/%.bpf.o
	$(call quiet,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf >$@

.SECONDARY: $(STEER_OBJ)
