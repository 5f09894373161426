#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What tests have done in their guests: vm.sh's end of it and vm-serve's, with a serial
# line between them, and no guest. Whoever is killed at whatever byte, the next request
# is answered.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source-path=SCRIPTDIR source=../../deploy/vm/vm.sh
. "$srctree/deploy/vm/vm.sh"
command -v socat >/dev/null || skip_all "needs socat"

VM_DIR=$tmp/vm
export VM_GRACE=5
# A guest's directory, as vm_start makes it; the test holds the FIFOs open.
mkdir -p "$VM_DIR/g"
mkfifo "$VM_DIR/g"/ctl.{in,out}
: >"$VM_DIR/g/console.log"
: >"$VM_DIR/g/qemu.log"
exec 5<>"$VM_DIR/g/ctl.in" 6<>"$VM_DIR/g/ctl.out"
# It serves a /tmp of its own.
served() {
	unshare --mount sh -c 'mount -t tmpfs tmpfs /tmp && exec "$0" "$1"' \
		"$O/vm/vm-serve" "$(realpath "$tmp/line")" &
	echo $! >"$VM_DIR/g/pid"
}
socat PTY,link="$tmp/line",raw,echo=0 \
	"OPEN:$VM_DIR/g/ctl.in,rdonly!!OPEN:$VM_DIR/g/ctl.out,wronly" &
wait_until 10 [ -e "$tmp/line" ] || bail "no line"
served

ask() { vm_exec g -t 10 "$@"; }

answers() {
	eq "$(ask 'echo one; echo two >&2')" $'one\ntwo'
	fails 3 ask 'exit 3'
	eq "$out" ""
	eq "$(ask 'cat <<END
a
  b
END
printf %s c')" $'a\n  b\nc'
	eq "$(ask "head -c 300000 /dev/zero | tr '\\0' x" | wc -c)" 300000
	fails 137 vm_exec g -t 1 'sleep 100'
}

long() { # LINES: what is too long for one write
	local script
	script=$(seq -f 'x=%g' 1 "$1")
	eq "$(ask "$script; echo \$x")" "$1"
}

# SENT...: what a sender had written when it was killed
killed_after() {
	local sent
	for sent; do
		printf '%s' "$sent" >&5
		eq "$(ask 'echo first')" first
		eq "$(ask 'echo second')" second
	done
}
killed() {
	killed_after $'\n' $'\nrun' $'\nrun 1 5' $'\nrun 1 5 100' $'\nrun 1 5 7 ' $'\nrun 1 5 7 echo' \
		$'\nrun 1 5 99 touch /tmp/ran\n' $'\nrun 1 5 100\n' $'\nrun 1 5 99999999999 x\n' $'\0\001x'
	killed_after $'\n'"run 1 5 100000 $(seq -s ' ' 2000)"
	eq "$(ask 'ls /tmp')" "" "a request that was cut has been run"
}

# The receiver was killed: half of an answer is still there.
unread() {
	printf 'half' >&6
	eq "$(ask 'echo first')" first
	printf '\ndone 1-1 0 100\nhalf' >&6
	eq "$(ask 'echo second')" second
}

# A server that says more than it has.
cut() {
	local verb id
	mkdir "$VM_DIR/cut"
	mkfifo "$VM_DIR/cut"/ctl.{in,out}
	: >"$VM_DIR/cut/console.log"
	cp "$VM_DIR/g/pid" "$VM_DIR/cut/pid"
	exec 7<>"$VM_DIR/cut/ctl.in" 8<>"$VM_DIR/cut/ctl.out"
	while read -r verb id _; do
		[ "$verb" != run ] || printf '\ndone %s 0 100\nhalf' "$id"
	done <&7 >&8 7>&- &
	VM_GRACE=1 fails 125 vm_exec cut -t 1 'echo x'
	[[ $out == *'not all 100 bytes'* ]] || fail "$out"
}

run "a script's output and its status" answers
run "a script of many lines, longer than one write" long 2000
run "a sender is killed at any byte: the next requests are answered" killed
run "half of an answer is left unread: the next one is found" unread
run "an answer that is cut is none" cut
finish
