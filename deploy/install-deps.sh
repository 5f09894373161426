#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Install what virtmesh is built and tested with, from the distribution:
#
#	install-deps.sh			install what is missing
#	install-deps.sh --if-missing	the same; silent when nothing is
#	install-deps.sh --demo		only what make demo needs
#	install-deps.sh --demo-uml	only what it needs with GUESTS=uml
#	install-deps.sh --bench		also what make bench compares with
#
# Idempotent. Needs root only when a package is missing. Ends with an error
# that names the one package that could not be had. When it did anything, it says so
# and touches $O/deps.mk, for make to look again at what is here. Below O= (default:
# build) it unpacks the parts of the kernel's source that the tests and the linter use:
# kselftest and checkpatch; deploy/uml builds kernels of it. The demo does without
# them, and goes where there is no source package. A guest kernel is not installed:
# deploy/vm fetches one.
set -euo pipefail

cd "$(dirname "$0")/.."
O=${O:-build}
quiet=0 changed=0 goal=check
for option; do
	case $option in
	--if-missing) quiet=1 ;;
	--demo | --demo-uml | --bench) goal=${option#--} ;;
	*)
		echo "usage: install-deps.sh [--if-missing] [--demo | --demo-uml | --bench]" >&2
		exit 2
		;;
	esac
done

say() { [ "$quiet" = 1 ] || echo "$*"; }
die() {
	echo "install-deps: $*" >&2
	exit 1
}

# One row a need: package in apt, package in dnf, and the least that needs it: all need
# what the demo does. Keep sorted by the first.
table() {
	awk -v goal="$goal" '
		$3 == "demo" || $3 == goal || goal == "check" && $3 != "bench" || goal == "bench"
	' <<-'ROWS'
		bc                   bc                     demo-uml
		bison                bison                  demo-uml
		bpftool              bpftool                demo
		busybox-static       busybox                demo
		clang                clang                  demo
		clang-format         clang-tools-extra      check
		cpio                 cpio                   demo
		cppcheck             cppcheck               check
		dash                 dash                   check
		dpdk-dev             dpdk                   bench
		ethtool              ethtool                check
		flex                 flex                   demo-uml
		g++                  gcc-c++                check
		gcc                  gcc                    demo
		iperf3               iperf3                 bench
		iproute2             iproute                demo
		iputils-ping         iputils                bench
		jq                   jq                     check
		kmod                 kmod                   demo
		libbpf-dev           libbpf-devel           demo
		libc6-dev            glibc-static           demo
		libcap-ng-dev        libcap-ng-devel        demo
		libclang-rt-dev      compiler-rt            check
		libelf-dev           elfutils-libelf-devel  demo
		libjson-c-dev        json-c-devel           demo
		libopenmpi-dev       openmpi-devel          bench
		libseccomp-dev       libseccomp-devel       demo
		liburing-dev         liburing-devel         demo
		libxdp-dev           libxdp-devel           demo
		libxml2-utils        libxml2                check
		linux-headers-KVER   kernel-devel           demo
		linux-source-6.12    -                      demo-uml
		llvm                 llvm                   demo
		make                 make                   demo
		openmpi-bin          openmpi                bench
		patch                patch                  demo-uml
		perl                 perl                   demo
		pkg-config           pkgconf                demo
		python3              python3                demo
		qemu-system-x86      qemu-system-x86        demo
		rsync                rsync                  check
		shellcheck           ShellCheck             check
		socat                socat                  demo
		sparse               sparse                 check
		spin                 -                      check
		systemd              systemd                check
		tcpdump              tcpdump                check
		util-linux           util-linux             demo
		xdp-tools            xdp-tools              check
		xz-utils             xz                     demo
		zstd                 zstd                   demo
	ROWS
}

if command -v apt-get >/dev/null; then
	pm=apt
elif command -v dnf >/dev/null; then
	pm=dnf
else
	die "neither apt-get nor dnf here: install by hand what the table in $0 names"
fi

# The headers that match the kernel the guests will run: the distribution's own.
headers_apt() {
	. /etc/os-release
	case ${ID-} in
	ubuntu) echo linux-headers-generic ;;
	*) echo "linux-headers-$(dpkg --print-architecture)" ;;
	esac
}

wanted() {
	if [ $pm = apt ]; then
		local headers
		headers=$(headers_apt)
		table | awk -v h="$headers" '$1 == "linux-headers-KVER" { $1 = h } { print $1 }'
		return
	fi
	table | awk '$2 != "-" { print $2 }'
}

installed() {
	if [ $pm = apt ]; then
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
	else
		rpm -q --quiet --whatprovides "$1"
	fi
}

# What is called otherwise elsewhere. Debian has bpftool as a package, Ubuntu inside
# linux-tools.
alternative() {
	case $pm:$1 in
	apt:bpftool) echo linux-tools-generic ;;
	# Debian 12 has this beside its own 6.1; where it has gone, what the meta package
	# brings must do for kselftest, checkpatch and the User-Mode Linux kernels.
	apt:linux-source-6.12) echo linux-source ;;
	esac
}

# Of a name that only others provide apt-cache shows nothing, and says that all is
# well; and apt-get does not install it.
available() {
	if [ $pm = apt ]; then
		# Into no pipe: who reads it stops at the first line that will do.
		[[ $(LC_ALL=C apt-cache policy "$1" 2>/dev/null) == *$'\n  Candidate: '[^\(]* ]]
	else
		dnf -q info "$1" >/dev/null 2>&1
	fi
}

install() {
	if [ $pm = apt ]; then
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o Acquire::Retries=3 --no-install-recommends "$@"
	else
		dnf install -y -q "$@"
	fi
}

missing=()
for p in $(wanted); do
	installed "$p" && continue
	alt=$(alternative "$p")
	if [ -n "$alt" ] && installed "$alt"; then
		continue
	fi
	missing+=("$p")
done

log=
if [ ${#missing[@]} -gt 0 ]; then
	[ "$(id -u)" = 0 ] || die "missing: ${missing[*]}: run as root, or install them by hand"
	changed=1
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	if [ $pm = apt ]; then
		apt-get update -q -o Acquire::Retries=3 >"$log" 2>&1 ||
			die "apt-get update failed: $(tail -n 1 "$log")"
	fi
	for i in "${!missing[@]}"; do
		p=${missing[$i]}
		available "$p" && continue
		alt=$(alternative "$p")
		if [ -n "$alt" ] && available "$alt"; then
			missing[i]=$alt
			continue
		fi
		die "the package repositories do not have '$p'"
	done
	echo "install-deps: installing ${missing[*]}"
	if ! install "${missing[@]}" >"$log" 2>&1; then
		# Together they failed: find the one that cannot be had.
		for p in "${missing[@]}"; do
			install "$p" >"$log" 2>&1 ||
				die "'$p' could not be installed: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
		done
	fi
fi

# kselftest and checkpatch, from the distribution's kernel source. What is
# unpacked is remembered by the archive's name, size and time.
unpack_kernel_source() {
	local tar stamp want
	tar=$(find /usr/src -maxdepth 2 -name 'linux-source-*.tar.*' -printf '%f %p\n' 2>/dev/null |
		sort -V | tail -n 1 | cut -d' ' -f2-)
	[ -n "$tar" ] || die "linux-source is installed but has no archive below /usr/src"
	stamp=$O/kernel-src/.from
	want=$(stat -L -c '%n %s %Y' "$tar")
	[ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
	echo "install-deps: unpacking kselftest and checkpatch from $(basename "$tar")"
	changed=1
	rm -rf "$O/kernel-src"
	mkdir -p "$O/kernel-src"
	# Wildcards match the version's directory; the rest of the tree is not written.
	tar -x -f "$tar" -C "$O/kernel-src" --strip-components=1 --wildcards \
		'*/tools/testing/selftests/kselftest' \
		'*/tools/testing/selftests/kselftest*.h' \
		'*/tools/testing/selftests/lib.mk' \
		'*/tools/testing/selftests/run_kselftest.sh' \
		'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch' ||
		die "cannot unpack $tar"
	[ -x "$O/kernel-src/scripts/checkpatch.pl" ] || die "$tar has no checkpatch"
	printf '%s\n' "$want" >"$stamp"
}

if [[ $goal == demo* ]]; then
	:
elif [ $pm = apt ]; then
	unpack_kernel_source
elif [ ! -e "$O/kernel-src/.from" ]; then
	# Fedora and its kin package no kernel source tree; the harness is in the source rpm.
	echo "install-deps: no kernel source package here: unpack tools/testing/selftests and" \
		"scripts/checkpatch.pl of your kernel's source rpm into $O/kernel-src," \
		"then: touch $O/kernel-src/.from" >&2
	exit 1
fi
if [ $changed = 1 ] || [ ! -e "$O/deps.mk" ]; then
	mkdir -p "$O"
	touch "$O/deps.mk"
fi
say "install-deps: everything is here"
