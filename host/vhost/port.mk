# SPDX-License-Identifier: GPL-2.0-only
# virtmesh-port, with the host's log, link, maps and tap objects.

PORT_C		:= $(wildcard $(srctree)/host/vhost/*.c)
PORT_OBJS	:= $(patsubst $(srctree)/%.c,$(O)/%.o,$(PORT_C))
PORT_LIBS	:= liburing libbpf libcap-ng libseccomp

PROGS		+= $(O)/host/vhost/virtmesh-port
HEADERS		+= $(patsubst $(srctree)/%,%,$(wildcard $(srctree)/host/vhost/*.h))
C_FILES		+= $(PORT_C)

$(PORT_OBJS): X_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(PORT_LIBS))

$(O)/host/vhost/virtmesh-port: X_LIBS = $(shell $(PKG_CONFIG) --libs $(PORT_LIBS))
$(O)/host/vhost/virtmesh-port: $(PORT_OBJS) $(DAEMON_OBJS) $(HOST_SHARED_OBJS)
	$(call link)

.PHONY: install-port uninstall-port
install:: install-port
install-port: $(O)/host/vhost/virtmesh-port
	$(call quiet,INSTALL,virtmesh-port)
	$(Q)install -D -m 755 $< $(DESTDIR)$(SBINDIR)/virtmesh-port
	$(call install_sed,'s|/usr/local/share/doc/virtmesh/examples|$(EXAMPLEDIR)|',\
		$(srctree)/host/vhost/virtmesh-port.8,$(DESTDIR)$(MANDIR)/man8/virtmesh-port.8)
	$(call install_sed,'s|/usr/local/sbin/|$(SBINDIR)/|',$(srctree)/deploy/systemd/virtmesh-port@.service,\
		$(DESTDIR)$(UNITDIR)/virtmesh-port@.service)

uninstall:: uninstall-port
uninstall-port:
	$(call quiet,REMOVE,virtmesh-port)
	$(Q)rm -f $(DESTDIR)$(SBINDIR)/virtmesh-port $(DESTDIR)$(MANDIR)/man8/virtmesh-port.8 \
		$(DESTDIR)$(UNITDIR)/virtmesh-port@.service
