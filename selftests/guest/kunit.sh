#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The driver's own unit tests, guest/kmod/selftest: KUnit suites against a device
# and a broker that are pieces of memory. They need no host side at all. Run as
# kunit.plain.sh and kunit.debug.sh (see ../on_uml.sh).
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=../guests.sh
. "$(dirname "$0")/../guests.sh"
uml || skip_all "only User-Mode Linux guests have KUnit: run kunit.plain.sh or kunit.debug.sh"

# The results of KTAP as cases of ours: "suite: case", and "suite: case: parameter".
ktap() {
	awk '
		/# Subtest: / { name[/^        /] = $0; sub(/.*# Subtest: /, "", name[/^        /]) }
		/^(    |        )(not )?ok [0-9]+/ {
			deep = /^        /
			case_ = $0
			sub(/.*ok [0-9]+ (- )?/, "", case_)
			sub(/ *# .*/, "", case_)
			print (/ not ok/ ? "not ok" : "ok"), ++n, name[0] ": " (deep ? name[1] ": " : "") case_ (/# SKIP/ ? " # SKIP" : "")
			next
		}
		/# .*(EXPECTATION|ASSERTION) FAILED/ { show = 4 }
		show-- > 0 { print "# " $0 }
	'
}

# What our suites provoke, the driver says under the suites' name.
kunit_klog() {
	vm_klog a | grep -v '\] virtmesh_test virtio' >"$tmp/klog" || :
	"$srctree/deploy/vm/klog.sh" <"$tmp/klog"
}

suites() {
	vm_exec a -t 120 'modprobe virtmesh_test' || fail "virtmesh_test does not load"
	vm_exec a 'cat /sys/kernel/debug/kunit/virtmesh-*/results' >"$tmp/results"
	eq "$(grep -c '^ok\|^not ok' "$tmp/results")" \
		"$(cat "$srctree"/guest/kmod/selftest/test_*.c | grep -c "^kunit_test_suite(")" "suites that ran"
}
unload() { vm_exec a 'rmmod virtmesh_test'; }

guests_init "$O/guest/kmod/$(vm_kernel | cut -d' ' -f1)/virtmesh_test.ko"
after_each=(kunit_klog)
vm_start a || bail "the guest does not start"
vm_wait a || bail "the guest does not boot"
run "all suites run; the kernel does not complain" suites
ktap <"$tmp/results" >"$tmp/cases"
tap_cases "$(grep -c '^not ok' "$tmp/results")" <"$tmp/cases"
run "the module unloads, and nothing of it is left" unload
guests_finish
