#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Another distribution, from nothing: what README tells people to run, in a fresh root
# of it, with this tree's last commit.
#
#	elsewhere.sh SUITE [KERNEL] [COMMAND]
#
# SUITE is one of Debian's or Ubuntu's (trixie, sid, noble). With KERNEL, the release of a
# kernel of that suite or its backports, its headers are installed as well and guests
# boot it. COMMAND is run in the tree; by default all is built and demonstrated.
#
#	MIRROR=URL	of the suite's distribution; by default where this host's packages
#			come from
#	KEYRING=FILE	whose keys the suite is signed by; by default those that debootstrap(8)
#			knows of (Ubuntu's are in the package ubuntu-keyring)
#	DIR=DIRECTORY	where roots are made, one a suite, used again; by default
#			~/.cache/virtmesh/elsewhere
#
# All is mounted in a namespace of its own, so that nothing is left when this ends but the root.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
cd "$here/.."
suite=${1-} kernel=${2-} cmd=${3:-make -j"$(nproc)" all modules && make demo}
DIR=$(realpath -m "${DIR:-$HOME/.cache/virtmesh/elsewhere}")

die() {
	echo "elsewhere: $*" >&2
	exit 1
}

[[ $suite =~ ^[a-z]+$ ]] || die "usage: elsewhere.sh SUITE [KERNEL] [COMMAND]"
[ "$(id -u)" = 0 ] || die "debootstrap needs root"
command -v debootstrap >/dev/null || die "no debootstrap(8): install the package of that name"
root=$DIR/$suite

if [ "${ELSEWHERE_INSIDE-}" != 1 ]; then
	MIRROR=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | head -n 1)}
	[ -n "$MIRROR" ] || die "where is $suite to be had? say MIRROR=URL"
	MIRROR=$MIRROR ELSEWHERE_INSIDE=1 DIR=$DIR exec unshare --mount --propagation private \
		"$here/elsewhere.sh" "$@"
fi

if [ ! -e "$root/etc/elsewhere" ]; then
	rm -rf "$root"
	mkdir -p "$DIR"
	args=(--variant=minbase ${KEYRING:+"--keyring=$KEYRING"} "$suite" "$root" "$MIRROR")
	# All of Ubuntu's are made alike, also one that is newer than debootstrap.
	[[ $MIRROR != */ubuntu* ]] || args+=(/usr/share/debootstrap/scripts/gutsy)
	debootstrap "${args[@]}" >"$DIR/$suite.log" 2>&1 ||
		die "no root of $suite: $(tail -n 1 "$DIR/$suite.log")"
	# Nothing that is installed starts there.
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	touch "$root/etc/elsewhere"
fi
# Backports are where newer kernels are; sid has neither them nor updates.
# shellcheck disable=SC1091 # the root's
components=$(. "$root/etc/os-release" && [ "$ID" != ubuntu ] || echo universe)
for part in "" -updates -backports; do
	[ -z "$part" ] || [ "$suite" != sid ] || break
	echo "deb $MIRROR $suite$part main $components"
done >"$root/etc/apt/sources.list"

rm -rf "$root/root/virtmesh.new"
git clone -q . "$root/root/virtmesh.new"
# What was built there is built again where the tree has changed, as anywhere.
[ ! -d "$root/root/virtmesh/build" ] || mv "$root/root/virtmesh/build" "$root/root/virtmesh.new"
rm -rf "$root/root/virtmesh"
mv "$root/root/virtmesh.new" "$root/root/virtmesh"

# A mount of its own, which / has to be for whoever unshares from it.
mount --bind "$root" "$root"
for dir in dev proc sys; do
	mount --rbind "/$dir" "$root/$dir"
done
cp /etc/resolv.conf "$root/etc/resolv.conf"
cd "$root"
mkdir -p old
pivot_root . old
umount -l /old
cd /root/virtmesh
export DEBIAN_FRONTEND=noninteractive HOME=/root
apt-get update -q >/dev/null
if [ -n "$kernel" ]; then
	apt-get install -y -q --no-install-recommends "linux-headers-$kernel" >/dev/null
	export VM_KERNEL=$kernel
fi
deploy/install-deps.sh --demo
eval "$cmd"
