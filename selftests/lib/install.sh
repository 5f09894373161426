#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# libvirtmesh as people get it: installed, found by pkg-config, used from C and from
# C++, shared and static; its symbols, its pages; and the examples against it.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

dest=$tmp/dest
lib=$dest/usr/lib include=$dest/usr/include man=$dest/usr/share/man
export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest
goals() { make -s -C "$srctree" O="$O" DESTDIR="$dest" PREFIX=/usr "$@"; }

installed() {
	goals install-lib install-examples
	eq "$(readlink "$lib/libvirtmesh.so")" libvirtmesh.so.0
	eq "$(readlink "$lib/libvirtmesh.so.0")" "libvirtmesh.so.$(pkg-config --modversion virtmesh)"
	readelf -d "$lib/libvirtmesh.so" | grep -q 'SONAME.*\[libvirtmesh\.so\.0\]'
	eq "$(pkg-config --cflags --libs virtmesh)" "-I$include -L$lib -lvirtmesh "
}

# What is exported is what the header declares, and nothing else.
symbols() {
	local header exported
	header=$(grep -o '\bvmesh_[a-z_]*(' "$include/virtmesh.h" | tr -d '(' | sort -u)
	exported=$(nm -D --defined-only "$lib/libvirtmesh.so" | sed -n 's/.* T \(.*\)@@VIRTMESH_0.1$/\1/p' | sort)
	eq "$exported" "$header"
	eq "$(nm -D --defined-only "$lib/libvirtmesh.so" | sed '/@@VIRTMESH_0.1$/d; / A /d')" "" "others"
	# Nothing that writes to where programs have their names.
	eq "$(nm -g --defined-only "$lib/libvirtmesh.a" | sed -n 's/.* [A-Z] //p' | sed /^vmesh_/d)" "" \
		"names in the archive that do not begin with vmesh_"
}

# Every function has a page, which begins with its prototype.
pages() {
	local f page
	for f in $(nm -D --defined-only "$lib/libvirtmesh.so" | sed -n 's/.* T \(vmesh_.*\)@@.*/\1/p'); do
		page=$man/man3/$f.3
		[ -s "$page" ] || fail "no page for $f"
		grep -q '^\.so man3/' "$page" && page=$man/$(sed 's/^\.so //' "$page")
		grep -q "^\\.BI\\? \".*\\b$f(" "$page" || fail "no synopsis of $f in $page"
	done
	[ -s "$man/man7/libvirtmesh.7" ]
	! command -v groff >/dev/null ||
		eq "$(groff -man -ww -z -Tutf8 "$man"/man3/*.3 "$man"/man7/libvirtmesh.7 2>&1 | grep -v "can't open" | head -n 5)" ""
}

program() {
	cat <<-END
		#include <virtmesh.h>
		#include <virtmesh.h>
		int main(void)
		{
			struct vmesh *mesh;
			uint64_t t = VMESH_US(1) + VMESH_MS(1) + VMESH_S(1);
			int err = vmesh_open(&mesh, "/dev/null");
			if (!err)
				vmesh_close(mesh);
			return err == -71 && t && vmesh_version()[0] && vmesh_strerror(0, err)[0] ? 0 : 1;
		}
	END
}
in_c() {
	local std
	program >"$tmp/p.c"
	for std in gnu11 c99 c17; do
		# shellcheck disable=SC2046 # words
		gcc -std="$std" -Wall -Wextra -pedantic -Wstrict-prototypes -Wconversion -Werror \
			$(pkg-config --cflags virtmesh) "$tmp/p.c" -o "$tmp/p" $(pkg-config --libs virtmesh)
	done
	# What is there answers; it is no mesh device: EPROTO.
	LD_LIBRARY_PATH=$lib "$tmp/p"
	gcc -static -I"$include" "$tmp/p.c" -o "$tmp/p.static" "$lib/libvirtmesh.a" -pthread
	"$tmp/p.static"
}
in_cxx() {
	local std
	command -v g++ >/dev/null || skip "no C++ compiler"
	program >"$tmp/p.cc"
	for std in c++11 c++20; do
		# shellcheck disable=SC2046 # words
		g++ -std="$std" -Wall -Wextra -pedantic -Wconversion -Werror \
			$(pkg-config --cflags virtmesh) "$tmp/p.cc" -o "$tmp/p" \
			$(pkg-config --libs virtmesh) 2>"$tmp/cxx" || fail "$(cat "$tmp/cxx")"
	done
	LD_LIBRARY_PATH=$lib "$tmp/p"
}

examples() {
	cp -r "$dest/usr/share/doc/virtmesh/libvirtmesh" "$tmp/examples"
	make -s -C "$tmp/examples" CFLAGS='-O2 -Wall -Wextra -Werror'
	for p in allgather matrix pingpong; do
		[ "$(wc -l <"$tmp/examples/$p.c")" -lt 150 ] || fail "$p.c is no example of 150 lines"
		fails 1 env LD_LIBRARY_PATH="$lib" VIRTMESH_DEVICE=/nonexistent "$tmp/examples/$p"
		eq "$out" "$p: open: No such file or directory"
	done
	# The one in the overview, as it stands there.
	sed -n '/^\.EX/,/^\.EE/p' "$man/man7/libvirtmesh.7" | sed '1d;$d;s/\\e/\\/g' >"$tmp/overview.c"
	# shellcheck disable=SC2046 # words
	gcc -Wall -Wextra -Werror $(pkg-config --cflags virtmesh) "$tmp/overview.c" -o "$tmp/overview" \
		$(pkg-config --libs virtmesh)
	fails 1 env LD_LIBRARY_PATH="$lib" VIRTMESH_DEVICE=/nonexistent "$tmp/overview"
}

# The loops of the reductions are ones of vectors, for new machines and for old ones.
vectors() {
	[ "$(uname -m)" = x86_64 ] || skip "looks for x86's instructions"
	objdump -d --no-show-raw-insn "$O/guest/lib/arith.o" >"$tmp/asm"
	local f insn
	for f in f32_sum:addps f64_sum:addpd bf16_sum:addps f16_sum:addps i32_sum:paddd i64_sum:paddq \
		f32_max:cmp.*ps f64_min:cmp.*pd i32_max:pmaxsd; do
		insn=${f#*:} f=${f%:*}
		sed -n "/<$f\\.avx2/,/^\$/p" "$tmp/asm" | grep -q "v$insn.*ymm" ||
			fail "$f: no v$insn of 256 bits"
	done
	sed -n '/<f32_sum\.default/,/^$/p' "$tmp/asm" | grep -q '\baddps.*xmm'
}

uninstalled() {
	goals uninstall >/dev/null
	eq "$(find "$dest" -type f -o -type l)" "" "files that are left"
}

run "make install: library, soname, header, pkg-config" installed
run "symbols: those of the header, with a version, and no others" symbols
run "man pages: one for every function" pages
run "C: pedantic, shared and static" in_c
run "C++: clean, and linked" in_cxx
run "examples: built by their own Makefile with the installed library" examples
run "reductions are vectorised" vectors
run "make uninstall: nothing is left" uninstalled
finish
