# SPDX-License-Identifier: GPL-2.0-only
#
# User-Mode Linux guests: `make uml` builds their kernels, once, and our modules for
# them. The kernels are cached in UML_CACHE, which may be shared between build
# directories. UML_KINDS says which kinds to build.
UML_CACHE	?= $(O)/uml/kernel
UML_KINDS	?= plain debug
export UML_CACHE

SH_FILES	+= deploy/uml/init $(wildcard $(srctree)/deploy/uml/*.sh)
C_FILES		+= $(srctree)/deploy/uml/box.c
PROGS		+= $(O)/uml/uml-box

$(O)/uml/uml-box: $(O)/deploy/uml/box.o
	$(call link)

# Always asked: it knows best whether there is anything to do, and says where it is.
# Its status 3: this distribution has no source for it, which is told and no error;
# tests with such guests skip then.
.PHONY: uml $(UML_KINDS:%=uml-%)
uml: $(UML_KINDS:%=uml-%)
$(UML_KINDS:%=uml-%): uml-%: $(O)/uml/uml-box
	$(Q)line=$$(O=$(O) deploy/uml/kernel.sh $*) || { s=$$?; [ $$s = 3 ] && exit 0; exit $$s; }; \
		set -- $$line && $(MAKE) O=$(O) ARCH=um KDIR=$$3 modules modules-test
