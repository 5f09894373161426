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

# Who may look at the mesh is root. Asked first: a failure among exec's words would stop nobody.
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
args=$($sudo virtmesh qemu-args "$port" --memory "${MEMORY:-2G}")

# Words without blanks: a port's name has none.
# shellcheck disable=SC2086
exec "${QEMU:-qemu-system-x86_64}" -machine "q35,accel=${ACCEL:-kvm:tcg}" -smp "${CPUS:-2}" \
	$args \
	-drive "file=$image,if=virtio" -nographic "$@"
