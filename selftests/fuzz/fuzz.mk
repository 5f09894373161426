# SPDX-License-Identifier: GPL-2.0-only
#
# libFuzzer targets: NAME.c here with the sources below NAME, all instrumented.
#
#	make fuzz SECONDS=60		each target that long
#	make fuzz FUZZ="wire vring"	some
#
# corpus/NAME has the inputs everybody starts from: files with a name show one
# thing, files named by a hash were found, and each adds coverage. Whatever a run
# finds beside them stays below $(O)/fuzz. `make check` runs selftests/fuzz/corpus.sh.

# The driver from its receive path up, and a kernel and a device for it.
fuzz_kernel_src		:= $(addprefix selftests/fuzz/,audit.c node.c program.c $(addprefix kernel/, \
				chance.c context.c kernel.c memory.c task.c time.c xarray.c))
fuzz_kmod_src		:= $(addprefix guest/kmod/,ack.c alive.c compose.c control.c datagram.c echo.c \
				fence.c flow.c form.c group.c handles.c input.c join.c leave.c members.c \
				op.c opcheck.c parse.c parse_data.c parse_pending.c path.c peer.c pending.c \
				place.c repair.c rtt.c submit.c trace.c window.c)
fuzz_node_src		:= $(fuzz_kmod_src) $(fuzz_kernel_src)

# fuzz_NAME_src: the sources of the tree it is about. Keep sorted.
FUZZ_ALL		:= device group guest_frame message rank request transport vring wire
fuzz_device_src		:= $(addprefix host/vhost/,device.c memory.c message.c request.c saved.c \
				vring.c vring_log.c) host/log.c host/rights.c
fuzz_group_src		:= $(fuzz_node_src)
fuzz_guest_frame_src	:= guest/kmod/parse.c
fuzz_message_src	:= host/vhost/message.c host/rights.c
fuzz_rank_src		:= $(fuzz_node_src) $(addprefix selftests/fuzz/,rank_calls.c rank_frames.c)
fuzz_request_src	:= broker/request.c
fuzz_transport_src	:= $(addprefix guest/kmod/,parse.c parse_data.c parse_pending.c window.c)
fuzz_vring_src		:= $(addprefix host/vhost/,memory.c vring.c vring_log.c) host/log.c
fuzz_wire_src		:= broker/wire.c

FUZZ		?= $(FUZZ_ALL)
SECONDS		?= 60
FUZZ_PROGS	:= $(FUZZ_ALL:%=$(O)/fuzz/%)

SH_FILES	+= $(wildcard selftests/fuzz/*.sh)
C_FILES		+= $(wildcard selftests/fuzz/*.c selftests/fuzz/kernel/*.c)

# -O1, and no _FORTIFY_SOURCE: reports have the lines of the source, and the
# sanitizers see more.
FUZZ_CFLAGS	:= -std=gnu11 $(WARN) -D_GNU_SOURCE -I$(srctree)/include -I$(srctree)/include/uapi \
		   -O1 -g -fno-omit-frame-pointer -MMD -MP
FUZZ_SANITIZE	:= -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_COVER	:= -fsanitize=fuzzer-no-link

$(O)/fuzz/obj/%.o: $(srctree)/%.c | deps-check
	$(call quiet,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_X) $(FUZZ_CFLAGS) $(FUZZ_SANITIZE) $(FUZZ_K) $(FUZZ_COVER) -c -o $@ $<

define fuzz_program
$(O)/fuzz/$(1): $(O)/fuzz/obj/selftests/fuzz/$(1).o $(fuzz_$(1)_src:%.c=$(O)/fuzz/obj/%.o)
endef
$(foreach f,$(FUZZ_ALL),$(eval $(call fuzz_program,$(f))))

$(FUZZ_PROGS):
	$(call quiet,LD,$@)
	$(Q)$(CLANG) $(FUZZ_SANITIZE) -fsanitize=fuzzer -o $@ $^ $(FUZZ_LIBS)

# The kernel's names for what the driver includes.
$(addprefix $(O)/fuzz/obj/,$(fuzz_node_src:.c=.o) \
	$(patsubst %,selftests/fuzz/%.o,group guest_frame rank rank_calls rank_frames transport)): \
	FUZZ_X = -isystem $(srctree)/selftests/fuzz/kernel
# What the kernel's C permits: arithmetic on void and on no address, reading where
# it is not aligned, copies of nothing from nowhere.
$(addprefix $(O)/fuzz/obj/,$(fuzz_kmod_src:.c=.o)): \
	FUZZ_K = -Wno-pointer-arith -Wno-sign-compare \
		 -fno-sanitize=alignment,nonnull-attribute,pointer-overflow
# New ways through these are not what is looked for.
$(addprefix $(O)/fuzz/obj/,$(fuzz_kernel_src:.c=.o)): FUZZ_COVER =

# The collection runs what is built here.
kselftest-install: fuzz-build

.PHONY: fuzz fuzz-build
fuzz-build: $(FUZZ_PROGS)

DEPS_GOALS	+= fuzz
fuzz: fuzz-build
	$(Q)O=$(O) selftests/fuzz/run.sh $(SECONDS) $(FUZZ)
