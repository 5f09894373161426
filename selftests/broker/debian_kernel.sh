#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The broker's tests on the distribution's kernel: it has no read-multishot, which
# came with 6.7, and runs libxdp's dispatcher.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../distro_kernel.sh
. "$(dirname "$0")/../distro_kernel.sh"

distro_kernel broker 900 "ctl_socket frames membership parsers power restart taps" \
	"$(command -v ip)" "$O/host/virtmesh:/build/host/" "$O/broker/virtmeshd:/build/broker/"
finish
