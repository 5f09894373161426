# SPDX-License-Identifier: GPL-2.0-only
SH_FILES	+= deploy/install-deps.sh deploy/demo.sh deploy/vm/init $(wildcard $(srctree)/deploy/vm/*.sh) \
		   deploy/completion/mesh

# Fetched here, since tests and demo run where there is no network.
.PHONY: guest-kernel
guest-kernel: deps
	$(Q)O=$(O) deploy/vm/kernel.sh >/dev/null

# Both are given on the command line or in the environment: N=2..6, KEEP=1.
demo: deps all modules guest-kernel
	$(Q)O=$(O) N=$(or $(N),3) KEEP=$(or $(KEEP),0) deploy/demo.sh
