# SPDX-License-Identifier: GPL-2.0-only
#
# make lint: what a reviewer should not have to say.
LINT_C		:= $(shell cd $(srctree) && find bpf broker deploy guest host include selftests -name '*.[ch]' | sort)
LINT_SH		:= $(sort $(SH_FILES) $(wildcard deploy/*.sh .ci/run))
LINT_MAN	:= $(shell cd $(srctree) && find broker guest host -name '*.[1-8]' | sort)
CHECKPATCH	:= $(O)/kernel-src/scripts/checkpatch.pl

# keep sorted; why each is off:
#   ARRAY_SIZE, BIT_MACRO, ..: no kernel macros in user space and BPF
#   COMPLEX_MACRO, SPACING: misread the harness's FIXTURE macros; clang-format keeps the blanks
#   CONST_STRUCT: needs the whole kernel tree
#   EMBEDDED_FUNCTION_NAME: takes a word of a sentence for one
#   FILE_PATH_CHANGES, COMMIT_MESSAGE: this is a tree, not a patch
#   LINUX_VERSION_CODE: compat.h is one file for several kernels
#   MACRO_ARG_REUSE: a loop over something names its variable more than once
#   MACRO_WITH_FLOW_CONTROL: what a test needs ends its case
#   NEW_TYPEDEFS: vmlinux_subset.h
#   SPLIT_STRING, LONG_LINE_*: clang-format keeps the width
#   STRCPY: newer kernels' scripts want strscpy, which user space has not; ours copy constants
#   VOLATILE: BPF's rodata is const volatile
CHECKPATCH_OFF	:= ARRAY_SIZE BIT_MACRO COMMIT_MESSAGE COMPLEX_MACRO CONST_STRUCT EMBEDDED_FUNCTION_NAME FILE_PATH_CHANGES LINUX_VERSION_CODE MACRO_ARG_REUSE MACRO_WITH_FLOW_CONTROL \
		   LONG_LINE_COMMENT LONG_LINE_STRING NEW_TYPEDEFS PREFER_DEFINED_ATTRIBUTE_MACRO \
		   PREFER_KERNEL_TYPES SPACING SPLIT_STRING STRCPY VOLATILE
checkpatch	= $(CHECKPATCH) --no-tree --no-summary --terse --quiet --max-line-length=100 \
		  --ignore $(subst $(space),$(comma),$(strip $(CHECKPATCH_OFF)))
comma		:= ,
empty		:=
space		:= $(empty) $(empty)

.PHONY: lint lint-format lint-checkpatch lint-shell lint-man lint-cppcheck lint-layout lint-spdx sparse
DEPS_GOALS	+= lint lint-checkpatch
lint: headers-alone lint-format lint-checkpatch lint-shell lint-man lint-cppcheck lint-layout lint-spdx sparse
	@echo 'lint: ok'

lint-format:
	$(call quiet,FORMAT,$(words $(LINT_C)) files)
	$(Q)clang-format --dry-run -Werror $(LINT_C)

lint-checkpatch: | $(O)/kernel-src/.from
	$(call quiet,CHKPATCH,$(words $(LINT_C)) files)
	$(Q)$(checkpatch) -f $(LINT_C)
	$(Q)$(checkpatch) --strict -f $(filter guest/kmod/%,$(LINT_C))

lint-shell:
	$(call quiet,SHELLCHK,$(words $(LINT_SH)) files)
	$(Q)shellcheck -x $(LINT_SH)

# Of \\- a reader sees \-: it is an escaped backslash, and a hyphen.
lint-man:
	$(call quiet,MAN,$(words $(LINT_MAN)) files)
	$(Q)if grep -nF '\\-' $(LINT_MAN); then echo 'man: \\- is printed as \-' >&2; exit 1; fi

lint-cppcheck:
	$(call quiet,CPPCHECK,$(words $(C_FILES)) files)
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,performance,portability \
		--suppress=missingIncludeSystem -D__x86_64__ -Iinclude -Iinclude/uapi -Iselftests/fuzz/kernel $(C_FILES)

lint-spdx:
	$(Q)bad=$$(for f in $(LINT_C) $(LINT_SH); do head -n 3 $$f | grep -q SPDX || echo $$f; done); \
		[ -z "$$bad" ] || { echo "no SPDX line: $$bad" >&2; exit 1; }

# A 32-bit program calls a 64-bit kernel, and reads its maps: each structure has each
# member at the same place and the same size for both.
LAYOUT_H	:= include/uapi/linux/virtmesh.h include/virtmesh/ctl.h include/virtmesh/maps.h
layout		= echo '\#include "$(1)"' | $(CLANG) -m$(2) -Iinclude -Iinclude/uapi \
		  -I/usr/include/$(shell $(CC) -print-multiarch) \
		  -fsyntax-only -Xclang -fdump-record-layouts-complete -x c - | \
		  awk -v RS= '/\| (struct|union) (virtmesh|vm)_/ { gsub(/, align=[0-9]+/, ""); print }' \
		  >$(O)/layout.$(notdir $(1)).$(2)

ifeq ($(shell uname -m),x86_64)
lint-layout: $(LAYOUT_H:%=lint-layout-%)
else
lint-layout:
	@echo 'lint: layouts for 32 bits are compared on x86_64 only'
endif
$(LAYOUT_H:%=lint-layout-%): lint-layout-%:
	$(call quiet,LAYOUT,$*)
	$(Q)mkdir -p $(O) && $(call layout,$*,32) && $(call layout,$*,64) && \
		grep -q sizeof $(O)/layout.$(notdir $*).64 && \
		diff $(O)/layout.$(notdir $*).32 $(O)/layout.$(notdir $*).64
