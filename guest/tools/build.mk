# SPDX-License-Identifier: GPL-2.0-only
# The guest's mesh command.
MESH_OBJS	:= $(addprefix $(O)/guest/tools/,device.o info.o main.o measure.o peers.o perf.o \
			ping.o ranks.o recv.o run.o send.o stats.o stuck.o trace.o waits.o watch.o)
MESH		:= $(O)/guest/tools/mesh

PROGS		+= $(MESH)
HEADERS		+= $(patsubst $(srctree)/%,%,$(wildcard $(srctree)/guest/tools/*.h))
C_FILES		+= $(wildcard $(srctree)/guest/tools/*.c)

$(MESH): X_LIBS = $(shell $(PKG_CONFIG) --libs json-c) -pthread
$(MESH): $(MESH_OBJS) $(O)/guest/lib/libvirtmesh.a
	$(link)

INSTALL		+= install-mesh
install:: install-mesh
.PHONY: install-mesh
install-mesh: $(MESH)
	$(call quiet,INSTALL,$(DESTDIR)$(BINDIR)/mesh)
	$(Q)install -D -m 755 $(MESH) $(DESTDIR)$(BINDIR)/mesh
	$(Q)install -D -m 644 $(srctree)/guest/tools/mesh.1 $(DESTDIR)$(MANDIR)/man1/mesh.1
	$(Q)install -D -m 644 $(srctree)/deploy/completion/mesh $(DESTDIR)$(COMPLETIONDIR)/mesh

uninstall::
	$(Q)rm -f $(DESTDIR)$(BINDIR)/mesh $(DESTDIR)$(MANDIR)/man1/mesh.1 \
		$(DESTDIR)$(COMPLETIONDIR)/mesh
