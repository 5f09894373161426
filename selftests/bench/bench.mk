# SPDX-License-Identifier: GPL-2.0-only
#
# make bench: measure and write $(O)/bench.json. BENCH="tap-rate .." picks some.
BENCH		?=
BENCH_PROG	:= $(O)/selftests/bench/bench
BENCH_SKEL	:= $(O)/selftests/bench/bare.skel.h
# keep sorted
BENCH_SRC	:= selftests/bench/bench.c selftests/bench/figure.c selftests/bench/lane.c \
		   selftests/bench/port_add.c selftests/bench/pump.c selftests/bench/steer_cost.c \
		   selftests/bench/tap_latency.c selftests/bench/tap_rate.c \
		   selftests/bpf/link.c selftests/bpf/testbed.c
BENCH_OBJ	:= $(BENCH_SRC:%.c=$(O)/%.o)

C_FILES		+= $(BENCH_SRC)

.SECONDARY: $(BENCH_SKEL:.skel.h=.bpf.o)

$(BENCH_OBJ): X_CFLAGS = -I$(O) -Iselftests/bpf -Iselftests/bench -Wno-sign-compare \
		-Wno-missing-field-initializers
$(BENCH_OBJ): | $(STEER_SKEL) $(BENCH_SKEL)

$(BENCH_PROG): X_LIBS = -lbpf -luring -ljson-c -lpthread
$(BENCH_PROG): $(BENCH_OBJ)
	$(link)

bench: deps $(BENCH_PROG) $(O)/host/virtmesh
	$(Q)O=$(O) $(BENCH_PROG) $(O)/bench.json $(BENCH)
	@echo 'bench: $(O)/bench.json'
