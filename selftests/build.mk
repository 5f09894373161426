# SPDX-License-Identifier: GPL-2.0-only
#
# The tests are kselftest collections: each directory below has a Makefile of
# lib.mk's kind. `check` builds and installs them below $(O)/kselftest, beside the
# kernel's runner, and run.sh runs them there and counts.
#
#	make check			all of them, in this order
#	make check TESTS="bpf host"	some
#	make check TESTS=host:ports.sh	one test
#	make check LANES=1		one at a time, each case shown as it ends
#	make check ALL=1		also what is run twice for little: see mesh/Makefile
#	make check-vhost-net		what needs the distribution's kernel under the host's side
COLLECTIONS	:= model bpf host broker port fuzz lib dispatch vhost-net guest mesh
COLLECTIONS	:= $(foreach c,$(COLLECTIONS),$(if $(wildcard $(srctree)/selftests/$(c)/Makefile),$(c)))
KSFT		:= $(O)/kernel-src/tools/testing/selftests
KSFT_INSTALL	:= $(O)/kselftest

SH_FILES	+= selftests/run.sh $(wildcard selftests/*.sh selftests/*/*.sh)

# What a collection's Makefile and its tests are given.
KSFT_ENV	= srctree=$(srctree) O=$(O) KSFT=$(KSFT)

# A program that a test of the steering programs puts before them.
MIXED_SKEL	:= $(O)/selftests/bpf/mixed.skel.h
.SECONDARY: $(MIXED_SKEL:.skel.h=.bpf.o)

DEPS_GOALS	+= check kselftest-install
.PHONY: kselftest-install
kselftest-install: all modules guest-kernel uml $(MIXED_SKEL) | $(O)/kernel-src/.from
	$(call quiet,KSFT,$(KSFT_INSTALL))
	$(Q)rm -rf $(KSFT_INSTALL) && mkdir -p $(KSFT_INSTALL)
	$(Q)cp -r $(KSFT)/kselftest $(KSFT)/run_kselftest.sh $(KSFT_INSTALL)
	$(Q)for f in $(wildcard $(srctree)/selftests/*.sh); do cp $$f $(KSFT_INSTALL); done
	$(Q)set -e; for c in $(COLLECTIONS); do \
		mkdir -p $(O)/selftests/$$c; \
		$(MAKE) -s -C selftests/$$c $(KSFT_ENV) OUTPUT=$(O)/selftests/$$c \
			INSTALL_PATH=$(KSFT_INSTALL)/$$c install >$(O)/selftests/$$c.log 2>&1 || \
			{ cat $(O)/selftests/$$c.log >&2; exit 1; }; \
		$(MAKE) -s -C selftests/$$c $(KSFT_ENV) OUTPUT=$(O)/selftests/$$c COLLECTION=$$c \
			emit_tests >>$(KSFT_INSTALL)/kselftest-list.txt; \
	done

# Tests that call make do it as people would: without what this one tells its like.
check: kselftest-install
	$(Q)env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL O=$(O) srctree=$(srctree) KSFT=$(KSFT) selftests/run.sh $(KSFT_INSTALL) $(TESTS)

.PHONY: check-vhost-net
check-vhost-net:
	$(Q)$(MAKE) check TESTS="vhost-net dispatch"

# The driver's unit tests alone, on the plain and the debug kernel.
.PHONY: kunit
kunit:
	$(Q)$(MAKE) check TESTS="guest:kunit.plain.sh guest:kunit.debug.sh"

-include $(srctree)/selftests/bench/bench.mk
-include $(srctree)/selftests/fuzz/fuzz.mk
