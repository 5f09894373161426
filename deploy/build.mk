# SPDX-License-Identifier: GPL-2.0-only
SH_FILES	+= deploy/install-deps.sh $(wildcard $(srctree)/deploy/vm/*.sh) deploy/completion/mesh
