#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The steering programs' tests on the distribution's kernel.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../distro_kernel.sh
. "$(dirname "$0")/../distro_kernel.sh"

distro_kernel bpf 250 "steer_faults steer_limits steer_live steer_lost steer_runt steer_verdict" # keep sorted
finish
