# SPDX-License-Identifier: GPL-2.0-only
# The virtmesh command. log.o, maps.o, tap.o and link.o are linked by others too.

HOST_SHARED_OBJS := $(addprefix $(O)/host/,link.o log.o maps.o tap.o)

HEADERS		+= $(patsubst $(srctree)/%,%,$(wildcard $(srctree)/host/*.h))
C_FILES		+= $(wildcard $(srctree)/host/*.c)

all: $(HOST_SHARED_OBJS)
