#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Links to this file are named TEST.KIND.sh: TEST.sh with User-Mode Linux guests
# that run the kernel KIND (plain or debug).
me=$(basename "$0" .sh)
export GUESTS=uml UML_KERNEL=${me##*.}
exec "$(dirname "$0")/${me%.*}.sh" "$@"
