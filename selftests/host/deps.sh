#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What make installs before it builds, on a machine that has nothing yet. What would
# install is a script of the test's.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

goals() {
	make -C "$srctree" O="$tmp/o" \
		INSTALL_DEPS="$tmp/install" PKG_CONFIG="$tmp/pkg-config" "$@"
}

# install_makes COMMAND...: an installer that runs that, once, as install-deps.sh does.
install_makes() {
	rm -rf "$tmp/o" "$tmp/ran" "$tmp/pkg-config"
	{
		echo "#!/bin/sh -e"
		echo "echo \"\$*\" >>$tmp/ran"
		echo '[ ! -e "$O/deps.mk" ] || exit 0'
		echo "$*"
		echo 'mkdir -p "$O"; touch "$O/deps.mk"'
	} >"$tmp/install"
	chmod +x "$tmp/install"
}

# Headers are found while make reads, so they must be there before it does.
headers_first() {
	local dir=/lib/modules/9.9.9-test/build
	mount -t tmpfs tmpfs /lib/modules
	# What kbuild would make.
	install_makes "mkdir -p $dir; printf 'modules:\\n\\ttouch \$(M)/virtmesh.ko \$(M)/virtmesh_io.ko\\n\\ttouch \$(M)/virtmesh_bench.ko\\n' >$dir/Makefile"
	fails 2 goals modules
	[[ $out == *'no kernel headers'* ]] || fail "$out"
	goals deps modules
	for ko in virtmesh virtmesh_io virtmesh_bench; do
		[ -e "$tmp/o/guest/kmod/9.9.9-test/$ko.ko" ] || fail "no $ko.ko"
	done
	umount /lib/modules
}

# With -j nothing that asks for libraries runs beside what installs them.
before_all_else() {
	install_makes "sleep 0.5; printf '#!/bin/sh\\n' >$tmp/pkg-config; chmod +x $tmp/pkg-config"
	goals -j8 deps-check deps
}

once_read_again() {
	install_makes :
	goals deps
	eq "$(sort "$tmp/ran" | uniq -c | sed 's/^ *//')" "2 --if-missing" "asked once more, after it did something"
	goals deps
	eq "$(wc -l <"$tmp/ran")" 3 "asked once when there is nothing to do"
}

for_what_needs_it() {
	local goal
	for goal in demo check bench fuzz lint; do
		install_makes "false"
		fails 2 goals "$goal"
		[[ $out == *deps.mk* ]] || fail "$goal: $out"
		eq "$(cat "$tmp/ran")" "--if-missing$([ "$goal" != demo ] || echo ' --demo')"
	done
	install_makes "false"
	fails 2 goals demo GUESTS=uml
	eq "$(cat "$tmp/ran")" "--if-missing --demo-uml"
	install_makes "false"
	fails 2 goals demo check
	eq "$(cat "$tmp/ran")" "--if-missing" "with what check needs"
	install_makes "false"
	goals -n deps >/dev/null
	goals help >/dev/null
	[ ! -e "$tmp/ran" ] || fail "installs for -n or help"
}

# A machine where only NAME... of the package managers are, with nothing installed.
machine_with() {
	local tool
	rm -rf "${tmp:?}/bin" "$tmp/o" "$tmp/installed"
	mkdir "$tmp/bin"
	for tool in awk basename bash cat cut dirname env find grep head id mkdir mktemp rm sed sort stat tail \
		tar touch xz; do
		ln -s "$(command -v "$tool")" "$tmp/bin"
	done
	touch "$tmp/installed"
	for tool; do
		cat >"$tmp/bin/$tool"
		chmod +x "$tmp/bin/$tool"
	done
}
install_deps() {
	env PATH="$tmp/bin" T="$tmp" O="$tmp/o" bash "$srctree/deploy/install-deps.sh" "$@"
}

fedora() {
	machine_with dnf <<-'END'
		#!/bin/bash
		case "$*" in
		install*) shift 3; printf '%s\n' "$@" >>"$T/installed" ;;
		esac
	END
	cat >"$tmp/bin/rpm" <<-'END'
		#!/bin/bash
		grep -qx -- "${@: -1}" "$T/installed"
	END
	chmod +x "$tmp/bin/rpm"
}
demo_without_source() {
	fedora
	out=$(install_deps --demo)
	[[ $out == *'everything is here'* ]] || fail "$out"
	for p in qemu-system-x86 libxdp-devel kernel-devel; do
		grep -qx "$p" "$tmp/installed" || fail "without $p"
	done
	! grep -qx 'cppcheck\|sparse\|iperf3' "$tmp/installed" || fail "with what the tests need"
	eq "$(install_deps --if-missing --demo)" "" "idempotent"
	# Its tests need what nobody packages there, and that is said.
	fails 1 install_deps
	[[ $out == *'unpack tools/testing/selftests'* ]] || fail "$out"
	grep -qx cppcheck "$tmp/installed"
}

# Where bpftool is but a name that another package provides.
ubuntu() {
	machine_with apt-get <<-'END'
		#!/bin/bash
		case "$*" in
		*--no-install-recommends*) printf '%s\n' "${@:7}" >>"$T/installed" ;;
		esac
	END
	cat >"$tmp/bin/apt-cache" <<-'END'
		#!/bin/bash
		# Of the one it shows nothing, with status 0.
		[ "$1" = policy ] || exit 0
		candidate=1.0
		[ "$2" != bpftool ] || candidate="(none)"
		printf '%s:\n  Installed: (none)\n  Candidate: %s\n' "$2" "$candidate"
	END
	cat >"$tmp/bin/dpkg-query" <<-'END'
		#!/bin/bash
		if grep -qx -- "${@: -1}" "$T/installed"; then echo installed; else exit 1; fi
	END
	printf '#!/bin/bash\necho amd64\n' >"$tmp/bin/dpkg"
	chmod +x "$tmp/bin/"*
}
virtual_package() {
	ubuntu
	out=$(install_deps --demo)
	[[ $out == *linux-tools-generic* ]] || fail "$out"
	! grep -qx bpftool "$tmp/installed" || fail "asks for what is but a name"
	eq "$(install_deps --if-missing --demo)" "" "idempotent"
}

# A bpftool of the running kernel's, which is not there, and one of another's, which is.
bpftool_that_runs() {
	mkdir "$tmp/over"
	mount -t tmpfs tmpfs "$tmp/over"
	mkdir -p "$tmp/over/upper/linux-tools/6.8.0-1-generic" "$tmp/over/work"
	printf '#!/bin/sh\n' >"$tmp/over/upper/linux-tools/6.8.0-1-generic/bpftool"
	printf '#!/bin/sh\nexit 2\n' >"$tmp/over/wrapper"
	chmod +x "$tmp/over/upper/linux-tools/6.8.0-1-generic/bpftool" "$tmp/over/wrapper"
	mount -t overlay -o "lowerdir=/usr/lib,upperdir=$tmp/over/upper,workdir=$tmp/over/work" overlay \
		/usr/lib || skip "no overlay here"
	for tool in /usr/sbin/bpftool /usr/bin/bpftool; do
		[ ! -e "$tool" ] || mount --bind "$tmp/over/wrapper" "$tool"
	done
	out=$(goals -n V=1 "$tmp/o/bpf/steer.skel.h")
	for tool in /usr/sbin/bpftool /usr/bin/bpftool; do
		! mountpoint -q "$tool" || umount "$tool"
	done
	# In use by this very shell.
	umount -l /usr/lib
	umount -l "$tmp/over"
	[[ $out == */usr/lib/linux-tools/6.8.0-1-generic/bpftool\ gen* ]] || fail "$out"
}

run "kernel headers that are installed first are built for" headers_first
run "with -j it is installed before anything is asked for" before_all_else
run "make reads again when something was installed, and only then" once_read_again
run "demo, check, bench, fuzz and lint install, and nothing does with -n" for_what_needs_it
run "what the demo needs is enough where there is no kernel source" demo_without_source
run "a package that is but a name is not asked for, and what has it is" virtual_package
run "a bpftool that does not run gives way to one that does" bpftool_that_runs
finish
