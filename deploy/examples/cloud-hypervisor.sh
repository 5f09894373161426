#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A VM on a vhost-user port under cloud-hypervisor:
#	cloud-hypervisor.sh PORT KERNEL IMAGE [OPTION]...
#
# The port was made and is served, as qemu.sh says. cloud-hypervisor connects to
# the socket; its memory must be shared for the port to map it.
# MEMORY=2G CPUS=2 CLOUD_HYPERVISOR=cloud-hypervisor may be set.
set -eu

port=$1
kernel=$2
image=$3
shift 3

# Who may look at the mesh is root.
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
args=$($sudo virtmesh uml-args "$port")
socket=${args#*=}
socket=${socket%:*}
mac=$($sudo virtmesh show --json | sed -n '/"port":"'"$port"'"/,/"mac"/s/.*"mac":"\([^"]*\)".*/\1/p')

exec "${CLOUD_HYPERVISOR:-cloud-hypervisor}" \
	--cpus "boot=${CPUS:-2}" --memory "size=${MEMORY:-2G},shared=on" \
	--kernel "$kernel" --disk "path=$image" --cmdline "root=/dev/vda1 console=hvc0" \
	--net "vhost_user=true,socket=$socket,mac=$mac,num_queues=2,queue_size=256" \
	"$@"
