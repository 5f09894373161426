#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make install and uninstall, all of it, as a package does it: into a directory. What
# is there is what udev, systemd and kbuild take, and nothing of it stays.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

dest=$tmp/dest
goals() {
	make -s -C "$srctree" O="$O" DESTDIR="$dest" PREFIX=/usr "$@"
}

installed() {
	local f
	# A cautious administrator's umask; the files are for everybody all the same.
	(umask 077 && goals install)
	eq "$(find "$dest" ! -type l ! -perm -004)" "" "nobody but root can read"
	for f in usr/sbin/virtmesh usr/sbin/virtmeshd usr/sbin/virtmesh-port usr/sbin/virtmesh-bind usr/bin/mesh; do
		[ -x "$dest/$f" ] || fail "no $f"
	done
	for f in lib/systemd/system/virtmeshd.service lib/systemd/system/virtmesh-port@.service \
		lib/udev/rules.d/90-virtmesh.rules lib/systemd/network/70-virtmesh.link \
		lib/modprobe.d/virtmesh.conf usr/lib/sysusers.d/virtmesh.conf \
		usr/lib/tmpfiles.d/virtmesh.conf usr/lib/libvirtmesh.so usr/include/virtmesh.h \
		usr/share/man/man8/virtmesh.8 usr/share/man/man8/virtmeshd.8 \
		usr/share/man/man8/virtmesh-port.8 usr/share/man/man1/mesh.1 \
		usr/share/bash-completion/completions/virtmesh \
		usr/share/bash-completion/completions/mesh usr/share/doc/virtmesh/examples/qemu.sh; do
		[ -s "$dest/$f" ] || fail "no $f"
	done
	# What says where the programs are says where these were put.
	eq "$(grep -rIl "/usr/local/\|@[A-Z]*@" "$dest/lib" "$dest/usr/src"/*/dkms.conf "$dest/usr/lib" "$dest/usr/share" || :)" "" \
		"names another place"
	grep -rhoE '/usr/s?bin/(virtmesh|mesh)[a-z-]*' "$dest/lib" | sort -u >"$tmp/named"
	while read -r f; do
		[ -x "$dest$f" ] || fail "$f is named, and not there"
	done <"$tmp/named"
}

# The rules and the link file, as the installed udev reads them.
udev_takes_them() {
	command -v udevadm >/dev/null || skip "no udevadm"
	local rules=$dest/lib/udev/rules.d/90-virtmesh.rules
	mkdir -p /run/udev/rules.d /run/systemd/network
	cp "$rules" /run/udev/rules.d
	cp "$dest/lib/systemd/network/70-virtmesh.link" /run/systemd/network
	if udevadm verify --help >/dev/null 2>&1; then
		udevadm verify --resolve-names=never "$rules" || fail "the rules"
	else
		udevadm test -a add /sys/class/net/lo >"$tmp/udev" 2>&1 || :
		grep -q "Reading rules file: /run/udev/rules.d/90-virtmesh.rules" "$tmp/udev" ||
			skip "this udevadm does not tell what it reads"
		# The group is the administrator's to make.
		eq "$(grep "90-virtmesh.rules:" "$tmp/udev" | grep -v "Unknown group" || :)" ""
	fi
	SYSTEMD_LOG_LEVEL=debug udevadm test-builtin net_setup_link /sys/class/net/lo >"$tmp/link" 2>&1 || :
	grep -q "Parsed configuration file.*70-virtmesh.link" "$tmp/link" ||
		skip "this udevadm does not tell what it reads"
	eq "$(grep "70-virtmesh.link:" "$tmp/link" || :)" ""
}

# What dkms does with its copy of the tree, for the newest headers here.
dkms_tree_builds() {
	local tree kernel version
	kernel=$(printf '%s\n' /lib/modules/*/build/Makefile | sort -V | tail -n 1)
	[ -e "$kernel" ] || skip "no kernel headers"
	kernel=${kernel%/Makefile}
	tree=$(echo "$dest"/usr/src/virtmesh-*)
	version=${tree##*-}
	grep -q "^PACKAGE_VERSION=\"$version\"$" "$tree/dkms.conf"
	cp -r "$tree" "$tmp/build"
	(
		# shellcheck disable=SC2034 # dkms.conf's
		kernel_source_dir=$kernel dkms_tree=$tmp/dkms
		mkdir -p "$tmp/dkms/virtmesh/$version"
		ln -s "$tmp/build" "$tmp/dkms/virtmesh/$version/build"
		# shellcheck source=/dev/null
		. "$tree/dkms.conf"
		env -u O sh -c "${MAKE[0]} -s"
	) >"$tmp/make" 2>&1 || fail "$(tail "$tmp/make")"
	eq "$(modinfo -F version "$tmp/build/virtmesh.ko")" "$version"
}

# dkms has the sources by a link, and builds them for each new kernel until it is told not to.
dkms_forgets() {
	local there=$tmp/there
	mkdir -p "$tmp/bin" "$there"
	cat >"$tmp/bin/dkms" <<-END
		#!/bin/sh
		case \$1 in
		status) [ -e "$there/forgotten" ] || echo "\$2, 6.1, x86_64: installed" ;;
		remove) [ -e "$there"/src/*/dkms.conf ] && echo "\$*" >>"$there/forgotten" ;;
		esac
	END
	chmod +x "$tmp/bin/dkms"
	kmod() {
		PATH=$tmp/bin:$PATH make -s -C "$srctree" O="$O" SRCDIR="$there/src" SBINDIR="$there/sbin" \
			UDEVDIR="$there/udev" LINKDIR="$there/link" MODPROBEDIR="$there/modprobe" "$@"
	}
	kmod install-kmod >/dev/null
	mkdir "$tmp/package"
	kmod DESTDIR="$tmp/package" uninstall-kmod >/dev/null
	[ ! -e "$there/forgotten" ] || fail "asked for a package"
	kmod uninstall-kmod >/dev/null
	grep -qE '^remove virtmesh/[0-9.]+ --all$' "$there/forgotten" || fail "not asked"
	kmod uninstall-kmod >/dev/null
	eq "$(wc -l <"$there/forgotten")" 1 "asked again"
	eq "$(find "$there" -type f ! -name forgotten)" ""
}

uninstalled() {
	goals uninstall >/dev/null
	eq "$(find "$dest" ! -type d)" "" "files that are left"
	eq "$(find "$dest" -type d -name '*virtmesh*')" "" "directories of ours that are left"
}

# kbuild would look for it below itself.
relative() {
	[ -n "$(ls -d /lib/modules/*/build/Makefile 2>/dev/null)" ] || skip "no kernel headers"
	out=$(make -n -C "$srctree" O=elsewhere modules)
	[[ $out == *" M=$srctree/elsewhere/"* ]] || fail "$out"
}

# "a b/tree" is two words to make, and to the rm of clean and uninstall.
blanks() {
	local what
	mkdir -p "$tmp/a b/tree" "$tmp/a/precious"
	for what in "O=$tmp/a b/tree" "DESTDIR=$tmp/a b" "PREFIX=$tmp/a b" O=; do
		fails 2 make -C "$srctree" O="$tmp/o" DESTDIR="$tmp/d" "$what" clean uninstall
		[[ $out == *'has a blank in it'* || $out == *'O= is empty'* ]] || fail "$out"
	done
	# A tree in such a place.
	ln -s "$srctree"/* "$tmp/a b/tree"
	fails 2 make -C "$tmp/a b/tree" O="$tmp/o" clean
	[[ $out == *'CURDIR has a blank in it'* ]] || fail "$out"
	[ -d "$tmp/a/precious" ] || fail "removed what is somebody else's"
}

run "make O=DIR: from wherever it is looked at" relative
run "a path with a blank is refused, before anything is removed" blanks
run "make install: all of it, and it knows where it is" installed
run "udev takes its rules and its link file" udev_takes_them
run "the tree for dkms builds" dkms_tree_builds
run "make uninstall: dkms forgets the driver before its sources go" dkms_forgets
run "make uninstall: nothing is left" uninstalled
finish
