# SPDX-License-Identifier: GPL-2.0-only
# virtmeshd, with the host's log, maps and tap objects.

BROKER_C	:= $(wildcard $(srctree)/broker/*.c)
BROKER_OBJS	:= $(patsubst $(srctree)/%.c,$(O)/%.o,$(BROKER_C))
BROKER_LIBS	:= liburing libbpf libcap-ng libseccomp

PROGS		+= $(O)/broker/virtmeshd
HEADERS		+= $(patsubst $(srctree)/%,%,$(wildcard $(srctree)/broker/*.h))
C_FILES		+= $(BROKER_C)

$(BROKER_OBJS): X_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(BROKER_LIBS))

$(O)/broker/virtmeshd: X_LIBS = $(shell $(PKG_CONFIG) --libs $(BROKER_LIBS))
$(O)/broker/virtmeshd: $(BROKER_OBJS) $(HOST_SHARED_OBJS)
	$(link)
