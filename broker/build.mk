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
$(O)/broker/virtmeshd: $(BROKER_OBJS) $(DAEMON_OBJS) $(HOST_SHARED_OBJS)
	$(link)

.PHONY: install-broker uninstall-broker
install:: install-broker
install-broker: $(O)/broker/virtmeshd
	$(call quiet,INSTALL,virtmeshd)
	$(Q)install -D -m 755 $(O)/broker/virtmeshd $(DESTDIR)$(SBINDIR)/virtmeshd
	$(Q)install -D -m 644 $(srctree)/broker/virtmeshd.8 $(DESTDIR)$(MANDIR)/man8/virtmeshd.8
	$(call install_sed,'s|/usr/local/sbin/|$(SBINDIR)/|',$(srctree)/deploy/systemd/virtmeshd.service,\
		$(DESTDIR)$(UNITDIR)/virtmeshd.service)

uninstall:: uninstall-broker
uninstall-broker:
	$(call quiet,REMOVE,virtmeshd)
	$(Q)rm -f $(DESTDIR)$(SBINDIR)/virtmeshd $(DESTDIR)$(MANDIR)/man8/virtmeshd.8 \
		$(DESTDIR)$(UNITDIR)/virtmeshd.service
