# SPDX-License-Identifier: GPL-2.0-only
# The virtmesh command. The broker links these of its objects too:
HOST_SHARED_OBJS := $(addprefix $(O)/host/,link.o log.o maps.o names.o tap.o)
# What the two daemons share, and no command has.
DAEMON_OBJS	:= $(addprefix $(O)/host/,calls.o manager.o rights.o)

# keep sorted
HOST_OBJS	:= $(addprefix $(O)/host/, \
		   attach.o bpffs.o broker.o broker_info.o clock.o doctor.o drops.o ensemble.o \
		   ensemble_faults.o faults.o faults_view.o groups.o hints.o holder.o \
		   join.o json.o libprint.o main.o nodes.o port.o ports.o qemu_args.o room.o \
		   show.o state.o table.o veth.o view.o xdp.o xdp_pins.o)

PROGS		+= $(O)/host/virtmesh
HEADERS		+= $(patsubst $(srctree)/%,%,$(wildcard $(srctree)/host/*.h))
C_FILES		+= $(wildcard $(srctree)/host/*.c)

$(O)/host/state.o $(O)/host/xdp.o: $(STEER_SKEL)
$(O)/host/state.o $(O)/host/xdp.o: X_CFLAGS = -I$(O)/bpf

$(O)/host/virtmesh: X_LIBS = -lxdp -lbpf -ljson-c -lcap-ng
$(O)/host/virtmesh: $(HOST_OBJS) $(HOST_SHARED_OBJS)
	$(call link)

.PHONY: install-host uninstall-host
install:: install-host
install-host: $(O)/host/virtmesh
	$(call quiet,INSTALL,virtmesh)
	$(Q)install -D -m 755 $(O)/host/virtmesh $(DESTDIR)$(SBINDIR)/virtmesh
	$(Q)install -D -m 644 $(srctree)/host/virtmesh.8 $(DESTDIR)$(MANDIR)/man8/virtmesh.8
	$(Q)install -D -m 644 $(srctree)/deploy/completion/virtmesh \
		$(DESTDIR)$(COMPLETIONDIR)/virtmesh

uninstall:: uninstall-host
uninstall-host:
	$(call quiet,REMOVE,virtmesh)
	$(Q)rm -f $(DESTDIR)$(SBINDIR)/virtmesh $(DESTDIR)$(MANDIR)/man8/virtmesh.8 \
		$(DESTDIR)$(COMPLETIONDIR)/virtmesh

include $(srctree)/host/vhost/port.mk
