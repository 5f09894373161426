# SPDX-License-Identifier: GPL-2.0-only
#
# make bench: measure and write $(O)/bench.json. BENCH="tap-rate .." picks some.
BENCH		?=
BENCH_PROG	:= $(O)/selftests/bench/bench
BENCH_SKEL	:= $(O)/selftests/bench/bare.skel.h
# keep sorted
BENCH_SRC	:= selftests/bench/bench.c selftests/bench/figure.c selftests/bench/guests.c \
		   selftests/bench/lane.c selftests/bench/mesh.c selftests/bench/port_add.c \
		   selftests/bench/pump.c selftests/bench/reading.c \
		   selftests/bench/steer_cost.c selftests/bench/tap_latency.c \
		   selftests/bench/tap_rate.c selftests/bpf/link.c selftests/bpf/testbed.c
BENCH_OBJ	:= $(BENCH_SRC:%.c=$(O)/%.o)

C_FILES		+= $(BENCH_SRC) selftests/bench/vhost_mask.c selftests/bench/wake.c
SH_FILES	+= selftests/bench/guests.sh

.SECONDARY: $(BENCH_SKEL:.skel.h=.bpf.o)

$(BENCH_OBJ): X_CFLAGS = -I$(O) -Iselftests/bpf -Iselftests/bench -Wno-sign-compare \
		-Wno-missing-field-initializers
$(BENCH_OBJ): | $(STEER_SKEL) $(BENCH_SKEL)

$(BENCH_PROG): X_LIBS = -lbpf -luring -ljson-c -lpthread
$(BENCH_PROG): $(BENCH_OBJ)
	$(link)

$(O)/selftests/bench/vhost-mask: $(O)/selftests/bench/vhost_mask.o
	$(link)

$(O)/selftests/bench/wake: X_LIBS = -ljson-c -lpthread
$(O)/selftests/bench/wake: $(O)/selftests/bench/wake.o $(O)/selftests/bench/figure.o
	$(link)

# What runs in guests: static, but for the one that an MPI starts there.
BENCH_GUEST	:= $(addprefix $(O)/selftests/bench/,matrix_tcp tcp_rounds)
C_FILES		+= selftests/bench/matrix_tcp.c selftests/bench/mpi.c selftests/bench/tcp_rounds.c
SH_FILES	+= selftests/bench/mesh.sh

# As guest/examples/matrix.c.
$(BENCH_GUEST:=.o): X_CFLAGS = -O2 -I$(srctree)/guest/examples
$(BENCH_GUEST): %: %.o
	$(call quiet,LD,$@)
	$(Q)$(CC) -static -no-pie -o $@ $^

# Optional, as dpdk-testpmd is: without an MPI its figures are missing.
ifneq ($(shell command -v mpicc),)
BENCH_GUEST	+= $(O)/selftests/bench/mpi
$(O)/selftests/bench/mpi: selftests/bench/mpi.c
	$(call quiet,MPICC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)mpicc -std=gnu11 -O2 -Wall -Wextra -Werror -o $@ $<
endif

DEPS_GOALS	+= bench
bench: $(BENCH_PROG) $(O)/selftests/bench/vhost-mask $(O)/selftests/bench/wake $(O)/host/virtmesh \
		$(O)/host/vhost/virtmesh-port uml-plain $(BENCH_GUEST) $(O)/broker/virtmeshd \
		$(O)/guest/tools/mesh $(O)/guest/examples/matrix
	$(Q)O=$(O) srctree=$(srctree) $(BENCH_PROG) $(O)/bench.json $(BENCH)
	@echo 'bench: $(O)/bench.json'
