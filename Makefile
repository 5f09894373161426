# SPDX-License-Identifier: GPL-2.0-only
#
# virtmesh. `make help` lists the targets. Everything that is made goes below
# O= (default: build); V=1 shows the commands.
#
# Each directory describes its part in a build.mk, which adds to:
#	PROGS		programs, as $(O)/...; made by `all`
#	HEADERS		headers that must compile alone
#	C_FILES		files for the linters (user space; BPF and kernel have their own)
#	SH_FILES	scripts for shellcheck
#	INSTALL		double-colon rules install-NAME, listed here
#	DEPS_GOALS	goals for which what is missing is installed first
SHELL		:= /bin/bash
# make -n must install nothing. Asked for before anything is added to the flags.
dry_run		:= $(findstring n,$(firstword -$(MAKEFLAGS)))
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS	+= --no-builtin-rules

O		?= build
# Make's lists end at a blank, and what a recipe removes would: of "a b/build" that is "a".
$(foreach v,CURDIR O DESTDIR PREFIX,$(if $(word 2,$($(v))),$(error $(v) has a blank in it: "$($(v))")))
$(if $(O),,$(error O= is empty: leave it out, or name a directory))
# Also where it was given on the command line: kbuild works in another directory.
override O	:= $(abspath $(O))
srctree		:= $(CURDIR)
PREFIX		?= /usr/local
SBINDIR		?= $(PREFIX)/sbin
BINDIR		?= $(PREFIX)/bin
LIBEXECDIR	?= $(PREFIX)/lib/virtmesh
MANDIR		?= $(PREFIX)/share/man
COMPLETIONDIR	?= $(PREFIX)/share/bash-completion/completions
UNITDIR		?= /lib/systemd/system
UDEVDIR		?= /lib/udev/rules.d
MODPROBEDIR	?= /lib/modprobe.d
SRCDIR		?= /usr/src
DESTDIR		?=

ifeq ($(V),1)
Q		:=
quiet		= @:
else
Q		:= @
quiet		= @printf '  %-8s %s\n' '$(1)' '$(patsubst $(O)/%,%,$(2))'
MAKEFLAGS	+= --no-print-directory
endif

CC		?= gcc
ifeq ($(origin CC),default)
CC		:= gcc
endif
CLANG		?= clang
# Ubuntu's in /usr/sbin looks for one that is of the running kernel, and has none in a
# container; any that runs will do.
ifeq ($(origin BPFTOOL),undefined)
BPFTOOL		:= $(firstword $(foreach b,$(wildcard /usr/sbin/bpftool /usr/bin/bpftool \
			/usr/lib/linux-tools/*/bpftool),$(shell $(b) version >/dev/null 2>&1 && echo $(b))) bpftool)
endif
PKG_CONFIG	?= pkg-config

# Minimum versions: one line each, tested once a run by `make deps-check`.
DEPS		:= libbpf=1.1 libxdp=1.3 liburing=2.3 json-c=0.15 libcap-ng=0.8 libseccomp=2.5

WARN		:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
		   -Wformat=2 -Wvla -Wno-unused-parameter -Werror
CFLAGS		?= -O2 -g
C_ALL		= -std=gnu11 $(WARN) -D_GNU_SOURCE -I$(srctree)/include -I$(srctree)/include/uapi \
		  -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -MMD -MP $(CFLAGS)
L_ALL		= -pie -Wl,-z,relro,-z,now $(LDFLAGS)

# $(call install_sed,EXPRESSIONS,FROM,TO): a file for everybody to read, whatever the umask.
define install_sed
	$(Q)install -D -m 644 $(2) $(3)
	$(Q)sed -i $(1) $(3)
endef

PROGS		:=
HEADERS		:= $(patsubst $(srctree)/%,%,$(wildcard $(srctree)/include/virtmesh/*.h \
			$(srctree)/include/uapi/linux/*.h))
C_FILES		:=
SH_FILES	:=
INSTALL		:=
DEPS_GOALS	:= deps

.PHONY: all
all: deps-check

include $(wildcard $(addsuffix /build.mk,bpf host broker guest/kmod guest/lib guest/tools guest/examples deploy selftests))

all: $(PROGS)

# User space objects. A program's build.mk sets CFLAGS_file.o-like extras by
# target-specific X_CFLAGS.
$(O)/%.o: $(srctree)/%.c | deps-check
	$(call quiet,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_ALL) $(X_CFLAGS) -c -o $@ $<

# Link all prerequisites that are objects; X_LIBS names the libraries.
define link
	$(call quiet,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(L_ALL) $(X_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(X_LIBS)
endef

-include $(shell find $(O) -name '*.d' -type f 2>/dev/null)

.PHONY: deps-check
deps-check:
	@for d in $(DEPS); do \
		$(PKG_CONFIG) --atleast-version=$${d#*=} $${d%=*} 2>/dev/null || { \
		echo "virtmesh needs $${d%=*} >= $${d#*=}, found" \
		     "$$($(PKG_CONFIG) --modversion $${d%=*} 2>/dev/null || echo none):" \
		     "run deploy/install-deps.sh" >&2; exit 1; }; done

.PHONY: check demo bench headers-alone install uninstall clean help

clean:
	$(call quiet,CLEAN,$(O))
	$(Q)rm -rf $(O)

# Every header must stand on its own, in the language of user space; the BPF
# and kernel worlds compile theirs with the units that use them.
headers-alone: $(patsubst %.h,$(O)/headers/%.h.ok,$(HEADERS))

$(O)/headers/%.h.ok: $(srctree)/%.h
	$(call quiet,HDR,$<)
	$(Q)mkdir -p $(@D)
	$(Q)echo '#include "$<"' | $(CC) $(filter-out -MMD -MP,$(C_ALL)) -I$(O)/bpf -fsyntax-only -x c -
	$(Q)touch $@

include lint.mk

# What is missing is installed before anything that people are told to run, and so
# before any recipe: kernel headers, bpftool and an MPI are looked for while make
# reads. It remakes what it includes first of all, whatever -j says, and reads
# everything again when that changed: install-deps.sh touches it when it did something.
# For the demo alone that is less, and to be had where what the tests need is not.
INSTALL_DEPS	?= deploy/install-deps.sh
deps_least	= $(if $(filter-out demo guest-kernel,$(filter $(DEPS_GOALS),$(MAKECMDGOALS))),,--demo$(if $(filter uml,$(GUESTS)),-uml))
.PHONY: deps FORCE
deps:
ifneq ($(if $(dry_run),,$(filter $(DEPS_GOALS),$(MAKECMDGOALS))),)
include $(O)/deps.mk
$(O)/deps.mk: FORCE
	$(Q)O=$(O) $(INSTALL_DEPS) --if-missing $(deps_least)
endif
# After `make clean check` it has gone again.
$(O)/kernel-src/.from:
	$(Q)O=$(O) $(INSTALL_DEPS) --if-missing

help:
	@echo 'virtmesh: a mesh of virtual machines, steered by XDP'
	@echo
	@echo '  make              build the host programs, the BPF objects and the guest tools'
	@echo '  make demo         three VMs on a mesh; GUESTS and KEEP=1 as README says (root)'
	@echo '  make check        all tests (root)'
	@echo '  make check-vhost-net  those of the host side under the distribution kernel, in a VM'
	@echo '  make bench        measure, and write $(patsubst $(CURDIR)/%,%,$(O))/bench.json (root)'
	@echo '  make uml          the kernels of the User-Mode Linux guests, and the modules for them'
	@echo '  make kunit        the unit tests of the guest driver'
	@echo '  make fuzz         fuzz every parser of hostile input and the transport, SECONDS=60 each'
	@echo '  make lint         format, style, static checks, headers alone'
	@echo '  make install      into PREFIX=$(PREFIX), DESTDIR=$(DESTDIR)'
	@echo '  make uninstall    what install put there'
	@echo '  make clean        remove $(patsubst $(CURDIR)/%,%,$(O))'
	@echo
	@echo '  V=1 shows commands; O=DIR builds elsewhere'
