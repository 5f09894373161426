# SPDX-License-Identifier: GPL-2.0-only
#
# The guest driver. `make modules` builds it for every kernel whose headers are
# installed, or for the one KDIR= names, into $(O)/guest/kmod/KERNELRELEASE/.
# kbuild writes where the sources are, so it gets a directory of links to them.

KMOD		:= guest/kmod
KMOD_SRC	:= $(wildcard $(srctree)/$(KMOD)/*.[ch]) $(srctree)/$(KMOD)/Kbuild
KMOD_HDR	:= $(addprefix $(srctree)/include/virtmesh/,frame.h types.h version.h)
KMOD_UAPI	:= $(srctree)/include/uapi/linux/virtmesh.h

ifdef KDIR
KMOD_RELEASES	:= $(shell cat $(KDIR)/include/config/kernel.release)
ifeq ($(KMOD_RELEASES),)
$(error KDIR=$(KDIR) is not a configured kernel build directory)
endif
kmod_kdir	= $(KDIR)
KMOD_CONFIG	:= $(wildcard $(KDIR)/.config)
else
KMOD_RELEASES	:= $(patsubst /lib/modules/%/build/Makefile,%,$(wildcard /lib/modules/*/build/Makefile))
kmod_kdir	= /lib/modules/$(1)/build
endif
KMODS		:= $(foreach r,$(KMOD_RELEASES),$(O)/$(KMOD)/$(r)/virtmesh.ko $(O)/$(KMOD)/$(r)/virtmesh_io.ko \
			$(O)/$(KMOD)/$(r)/virtmesh_bench.ko)

.PHONY: modules
modules: $(KMODS)
ifeq ($(KMOD_RELEASES),)
	@echo 'modules: no kernel headers in /lib/modules/*/build: install some, or give KDIR=' >&2; exit 1
endif

# mirror DIRECTORY: links to all that kbuild needs, and to nothing that has gone.
# Not below it: another module may be building there at this moment.
define kmod_mirror
	$(Q)mkdir -p $(1)/include/virtmesh $(1)/include/uapi/linux && \
		find $(1) $(1)/include/virtmesh $(1)/include/uapi/linux -maxdepth 1 -type l -delete && \
		ln -s $(KMOD_SRC) $(1)/ && ln -s $(KMOD_HDR) $(1)/include/virtmesh/ && \
		ln -s $(KMOD_UAPI) $(1)/include/uapi/linux/
endef

KMOD_W		?= 1
# kmod_build RELEASE,DIRECTORY,ARGUMENTS. Without our MAKEFLAGS, since kbuild has
# an O= of its own, which would take ours.
kmod_build	= env -u MAKEFLAGS -u MFLAGS $(MAKE) $(if $(ARCH),ARCH=$(ARCH)) -C $(call kmod_kdir,$(1)) M=$(2) W=$(KMOD_W) $(if $(filter 1,$(V)),V=1,-s) $(3) modules

# A module that is the base under something else than the mesh: io, bench.
define kmod_over_base
$(O)/$(KMOD)/$(1)/virtmesh_$(2).ko: $$(KMOD_SRC) $$(KMOD_HDR) $$(KMOD_CONFIG)
	$$(call quiet,KMOD,$$@)
	$$(call kmod_mirror,$$(@D)/$(2))
	$$(Q)$$(call kmod_build,$(1),$$(@D)/$(2),VIRTMESH=$(2))
	$$(Q)cp $$(@D)/$(2)/virtmesh_$(2).ko $$@

endef

# The driver with its KUnit suites, for kernels that have KUnit: see deploy/uml.
KMOD_TEST	:= $(wildcard $(srctree)/$(KMOD)/selftest/*.[ch])
define kmod_kunit
$(O)/$(KMOD)/$(1)/virtmesh_test.ko: $$(KMOD_SRC) $$(KMOD_TEST) $$(KMOD_HDR) $$(KMOD_UAPI) $$(KMOD_CONFIG)
	$$(call quiet,KMOD,$$@)
	$$(call kmod_mirror,$$(@D)/test)
	$$(Q)ln -s $$(KMOD_TEST) $$(@D)/test/
	$$(Q)$$(call kmod_build,$(1),$$(@D)/test,VIRTMESH=test)
	$$(Q)cp $$(@D)/test/virtmesh_test.ko $$@
endef

define kmod_rules
$(O)/$(KMOD)/$(1)/virtmesh.ko: $$(KMOD_SRC) $$(KMOD_HDR) $$(KMOD_UAPI) $$(KMOD_CONFIG)
	$$(call quiet,KMOD,$$@)
	$$(call kmod_mirror,$$(@D))
	$$(Q)$$(call kmod_build,$(1),$$(@D),)
	$$(Q)touch $$@

$(foreach m,io bench,$(call kmod_over_base,$(1),$(m)))
endef
$(foreach r,$(KMOD_RELEASES),$(eval $(call kmod_rules,$(r))))
$(foreach r,$(KMOD_RELEASES),$(eval $(call kmod_kunit,$(r))))

.PHONY: modules-test
modules-test: $(foreach r,$(KMOD_RELEASES),$(O)/$(KMOD)/$(r)/virtmesh_test.ko)

# sparse on both modules, for every kernel at hand. Its complaints fail the run.
define kmod_sparse
.PHONY: sparse-$(1)
sparse: sparse-$(1)
sparse-$(1):
	$$(call quiet,SPARSE,$(KMOD) $(1))
	$$(call kmod_mirror,$$(O)/$(KMOD)/$(1)/sparse)
	$$(call kmod_mirror,$$(O)/$(KMOD)/$(1)/sparse-io)
	$$(call kmod_mirror,$$(O)/$(KMOD)/$(1)/sparse-bench)
	$$(Q){ $$(call kmod_build,$(1),$$(O)/$(KMOD)/$(1)/sparse,C=2) && \
		$$(call kmod_build,$(1),$$(O)/$(KMOD)/$(1)/sparse-io,C=2 VIRTMESH=io) && \
		$$(call kmod_build,$(1),$$(O)/$(KMOD)/$(1)/sparse-bench,C=2 VIRTMESH=bench); } 2>&1 | \
		{ ! grep -v 'Skipping BTF'; }; test "$$$${PIPESTATUS[*]}" = '0 0'
endef
$(foreach r,$(KMOD_RELEASES),$(eval $(call kmod_sparse,$(r))))

# The sources for dkms, with the headers they need, and what binds the devices.
# virtmesh_io is for tests and stays here.
SH_FILES	+= deploy/virtmesh-bind
KMOD_VERSION	:= $(shell sed -n 's/.*VM_VERSION "\(.*\)".*/\1/p' $(srctree)/include/virtmesh/version.h)
KMOD_DKMS	:= $(SRCDIR)/virtmesh-$(KMOD_VERSION)
LINKDIR		?= /lib/systemd/network

INSTALL		+= install-kmod
install:: install-kmod
.PHONY: install-kmod uninstall-kmod
install-kmod:
	$(call quiet,INSTALL,$(DESTDIR)$(KMOD_DKMS))
	$(Q)install -d $(DESTDIR)$(KMOD_DKMS)/include/virtmesh $(DESTDIR)$(KMOD_DKMS)/include/uapi/linux
	$(Q)install -m 644 $(filter-out %/io.c %/bench.c,$(KMOD_SRC)) $(DESTDIR)$(KMOD_DKMS)
	$(Q)install -m 644 $(KMOD_HDR) $(DESTDIR)$(KMOD_DKMS)/include/virtmesh
	$(Q)install -m 644 $(KMOD_UAPI) $(DESTDIR)$(KMOD_DKMS)/include/uapi/linux
	$(call install_sed,'s|@VERSION@|$(KMOD_VERSION)|',$(srctree)/deploy/dkms/dkms.conf,$(DESTDIR)$(KMOD_DKMS)/dkms.conf)
	$(Q)install -D -m 755 $(srctree)/deploy/virtmesh-bind $(DESTDIR)$(SBINDIR)/virtmesh-bind
	$(call install_sed,'s|@SBINDIR@|$(SBINDIR)|',$(srctree)/deploy/udev/90-virtmesh.rules,\
		$(DESTDIR)$(UDEVDIR)/90-virtmesh.rules)
	$(Q)install -D -m 644 $(srctree)/deploy/udev/70-virtmesh.link $(DESTDIR)$(LINKDIR)/70-virtmesh.link
	$(Q)install -D -m 644 $(srctree)/deploy/modprobe.d/virtmesh.conf $(DESTDIR)$(MODPROBEDIR)/virtmesh.conf
	@[ -n '$(DESTDIR)' ] || echo '  the guest driver: dkms install virtmesh/$(KMOD_VERSION)'

# dkms first: what it has of sources that are gone fails at the kernel's next upgrade.
uninstall:: uninstall-kmod
uninstall-kmod:
	$(call quiet,REMOVE,$(DESTDIR)$(KMOD_DKMS))
	$(Q)[ -n '$(DESTDIR)' ] || ! dkms status virtmesh/$(KMOD_VERSION) 2>/dev/null | grep -q . || \
		dkms remove virtmesh/$(KMOD_VERSION) --all
	$(Q)rm -rf $(DESTDIR)$(KMOD_DKMS)
	$(Q)rm -f $(DESTDIR)$(SBINDIR)/virtmesh-bind $(DESTDIR)$(UDEVDIR)/90-virtmesh.rules \
		$(DESTDIR)$(LINKDIR)/70-virtmesh.link $(DESTDIR)$(MODPROBEDIR)/virtmesh.conf
