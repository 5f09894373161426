# SPDX-License-Identifier: GPL-2.0-only
include deploy/uml/uml.mk

# Of test guests, which may have no libraries.
PROGS		+= $(O)/vm/vm-serve
C_FILES		+= $(srctree)/deploy/vm/serve.c
$(O)/vm/vm-serve: $(O)/deploy/vm/serve.o
	$(call quiet,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -no-pie -o $@ $^

SH_FILES	+= deploy/install-deps.sh deploy/demo.sh deploy/vm/init $(wildcard $(srctree)/deploy/vm/*.sh) \
		   $(wildcard $(srctree)/deploy/completion/*) $(wildcard $(srctree)/deploy/examples/*.sh)

# Fetched here, since tests and demo run where there is no network.
.PHONY: guest-kernel
guest-kernel:
	$(Q)O=$(O) deploy/vm/kernel.sh >/dev/null

# Given on the command line or in the environment: GUESTS=qemu|uml, N=2..6, KEEP=1.
DEPS_GOALS	+= demo guest-kernel
demo: all $(if $(filter uml,$(GUESTS)),uml-plain,modules guest-kernel)
	$(Q)O=$(O) GUESTS=$(or $(GUESTS),qemu) N=$(or $(N),3) KEEP=$(or $(KEEP),0) deploy/demo.sh

SYSUSERSDIR	?= /usr/lib/sysusers.d
TMPFILESDIR	?= /usr/lib/tmpfiles.d
EXAMPLEDIR	?= $(PREFIX)/share/doc/virtmesh/examples
EXAMPLES	:= $(wildcard $(srctree)/deploy/examples/*)

.PHONY: install-deploy uninstall-deploy
install:: install-deploy
install-deploy:
	$(call quiet,INSTALL,virtmesh users and directories)
	$(Q)install -D -m 644 $(srctree)/deploy/sysusers/virtmesh.conf \
		$(DESTDIR)$(SYSUSERSDIR)/virtmesh.conf
	$(Q)install -D -m 644 $(srctree)/deploy/tmpfiles/virtmesh.conf \
		$(DESTDIR)$(TMPFILESDIR)/virtmesh.conf
	$(Q)install -d $(DESTDIR)$(EXAMPLEDIR)
	$(Q)install -m 644 $(EXAMPLES) $(DESTDIR)$(EXAMPLEDIR)
	@[ -n '$(DESTDIR)' ] || echo '  their users: systemd-sysusers; then: systemctl daemon-reload'

uninstall:: uninstall-deploy
uninstall-deploy:
	$(call quiet,REMOVE,virtmesh users and directories)
	$(Q)rm -f $(DESTDIR)$(SYSUSERSDIR)/virtmesh.conf $(DESTDIR)$(TMPFILESDIR)/virtmesh.conf
	$(Q)rm -rf $(DESTDIR)$(EXAMPLEDIR)
	$(Q)rmdir $(DESTDIR)$(PREFIX)/share/doc/virtmesh 2>/dev/null || :
