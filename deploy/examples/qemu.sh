#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A VM on a vhost-user port under plain QEMU:
#	qemu.sh PORT IMAGE [QEMU OPTION]...
#
# The port was made and is served:
#	virtmesh port add PORT --ensemble E --node N --vhost-user --group GROUP
#	systemctl start virtmesh-port@PORT
# and who runs this is of GROUP. MEMORY=2G CPUS=2 QEMU=qemu-system-x86_64 may be set.
set -eu

port=$1
image=$2
shift 2

# Words without blanks: a port's name has none.
# shellcheck disable=SC2046
exec "${QEMU:-qemu-system-x86_64}" -machine "q35,accel=${ACCEL:-kvm:tcg}" -smp "${CPUS:-2}" \
	$(virtmesh qemu-args "$port" --memory "${MEMORY:-2G}") \
	-drive "file=$image,if=virtio" -nographic "$@"
