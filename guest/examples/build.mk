# SPDX-License-Identifier: GPL-2.0-only
# The examples, static, for guests that have no libraries; people use their Makefile.
LV_EXAMPLES	:= $(addprefix $(O)/guest/examples/,allgather matrix pingpong)
LV_EXAMPLEDIR	?= $(PREFIX)/share/doc/virtmesh/libvirtmesh

PROGS		+= $(LV_EXAMPLES)
HEADERS		+= guest/examples/product.h
C_FILES		+= $(wildcard $(srctree)/guest/examples/*.c)

# -O2 makes vectors of the product's inner loop; -O3 unrolls more than it gains.
$(LV_EXAMPLES:=.o): X_CFLAGS = -O2 -I$(srctree)/guest/lib

$(LV_EXAMPLES): %: %.o $(O)/guest/lib/libvirtmesh.a
	$(call quiet,LD,$@)
	$(Q)$(CC) -static -no-pie -o $@ $^

INSTALL		+= install-examples
install:: install-examples
.PHONY: install-examples
install-examples:
	$(Q)install -d $(DESTDIR)$(LV_EXAMPLEDIR)
	$(Q)install -m 644 $(wildcard $(srctree)/guest/examples/*.[ch]) \
		$(srctree)/guest/examples/Makefile $(DESTDIR)$(LV_EXAMPLEDIR)

uninstall::
	$(Q)rm -rf $(DESTDIR)$(LV_EXAMPLEDIR)
