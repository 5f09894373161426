# SPDX-License-Identifier: GPL-2.0-only
# libvirtmesh, shared and static. Its ABI is the soname's number and the version script.
LIBDIR		?= $(PREFIX)/lib
INCLUDEDIR	?= $(PREFIX)/include
PKGCONFIGDIR	?= $(LIBDIR)/pkgconfig

LV_DIR		:= $(O)/guest/lib
LV_VERSION	:= $(shell sed -n 's/^.define VM_VERSION "\(.*\)"/\1/p' $(srctree)/include/virtmesh/version.h)
LV_SONAME	:= libvirtmesh.so.0
LV_SHARED	:= $(LV_DIR)/libvirtmesh.so.$(LV_VERSION)
LV_STATIC	:= $(LV_DIR)/libvirtmesh.a
# keep sorted
LV_OBJS		:= $(addprefix $(LV_DIR)/,arith.o buffer.o complete.o device.o failure.o group.o \
			operations.o prepare.o reduce.o split.o)
LV_MAN3		:= $(wildcard $(srctree)/guest/lib/man/*.3)
LV_MAN7		:= $(wildcard $(srctree)/guest/lib/man/*.7)

# Each function's page: NAME=PAGE, from the NAME sections.
LV_ALIASES	:= $(shell awk 'FNR == 1 { on = 0 } /^\.SH/ { on = /NAME/; next } \
			on { n = split($$0, w, /[ ,]+/); f = FILENAME; sub(/.*\//, "", f); \
			for (i = 1; i <= n && w[i] != "\\-"; i++) if (w[i] ".3" != f) print w[i] "=" f }' $(LV_MAN3))

PROGS		+= $(LV_SHARED) $(LV_STATIC)
HEADERS		+= guest/lib/lib.h guest/lib/virtmesh.h
C_FILES		+= $(wildcard $(srctree)/guest/lib/*.c)

# The same objects for both: programs that link the archive are PIE. A buffer's number is
# in the upper half of the offset that it is mapped at.
$(LV_OBJS): X_CFLAGS = -fPIC -fvisibility=hidden -pthread -D_FILE_OFFSET_BITS=64 $(X_ARITH)
# Vectors, of which none may change a result. A 32-bit x86's own unit would: it rounds twice.
$(LV_DIR)/arith.o: X_ARITH = -O3 -ffp-contract=off -fno-trapping-math \
	$(shell $(CC) $(CFLAGS) -dM -E -x c /dev/null | grep -qw __i386__ && echo -msse2 -mfpmath=sse)

$(LV_STATIC): $(LV_OBJS)
	$(call quiet,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(LV_SHARED): $(LV_OBJS) $(srctree)/guest/lib/libvirtmesh.map
	$(call quiet,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(LV_SONAME) -Wl,-z,relro,-z,now,-z,defs -Wl,--as-needed \
		-Wl,--version-script,$(srctree)/guest/lib/libvirtmesh.map $(LDFLAGS) -pthread \
		-o $@ $(LV_OBJS)
	$(Q)ln -sf $(notdir $@) $(@D)/$(LV_SONAME)
	$(Q)ln -sf $(LV_SONAME) $(@D)/libvirtmesh.so

INSTALL		+= install-lib
install:: install-lib
.PHONY: install-lib
install-lib: $(LV_SHARED) $(LV_STATIC)
	$(call quiet,INSTALL,$(DESTDIR)$(LIBDIR)/libvirtmesh.so)
	$(Q)install -D -m 755 $(LV_SHARED) $(DESTDIR)$(LIBDIR)/$(notdir $(LV_SHARED))
	$(Q)ln -sf $(notdir $(LV_SHARED)) $(DESTDIR)$(LIBDIR)/$(LV_SONAME)
	$(Q)ln -sf $(LV_SONAME) $(DESTDIR)$(LIBDIR)/libvirtmesh.so
	$(Q)install -m 644 $(LV_STATIC) $(DESTDIR)$(LIBDIR)/libvirtmesh.a
	$(Q)install -D -m 644 $(srctree)/guest/lib/virtmesh.h $(DESTDIR)$(INCLUDEDIR)/virtmesh.h
	$(call install_sed,-e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(LV_VERSION)|',\
		$(srctree)/guest/lib/virtmesh.pc.in,$(DESTDIR)$(PKGCONFIGDIR)/virtmesh.pc)
	$(Q)install -d $(DESTDIR)$(MANDIR)/man3
	$(Q)install -m 644 $(LV_MAN3) $(DESTDIR)$(MANDIR)/man3
	$(call install_sed,'s|/usr/local/share/doc/virtmesh/libvirtmesh|$(LV_EXAMPLEDIR)|',$(LV_MAN7),\
		$(DESTDIR)$(MANDIR)/man7/$(notdir $(LV_MAN7)))
	$(Q)umask 022; for a in $(LV_ALIASES); do \
		echo ".so man3/$${a#*=}" >$(DESTDIR)$(MANDIR)/man3/$${a%=*}.3; done
	@# Where it is for use here, programs find it at once.
	$(Q)[ -n '$(DESTDIR)' ] || ldconfig || :

uninstall::
	$(Q)rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(notdir $(LV_SHARED)) $(LV_SONAME) libvirtmesh.so \
		libvirtmesh.a) $(DESTDIR)$(INCLUDEDIR)/virtmesh.h $(DESTDIR)$(PKGCONFIGDIR)/virtmesh.pc \
		$(addprefix $(DESTDIR)$(MANDIR)/man3/,$(notdir $(LV_MAN3)) \
		$(foreach a,$(LV_ALIASES),$(firstword $(subst =, ,$(a))).3)) \
		$(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(LV_MAN7)))
