# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For the mesh level (source lib.sh and guests.sh first): guests on ports of real
# steering, with the real broker, and what the host counts for them.
# shellcheck disable=SC2154 # tmp and srctree are lib.sh's
# shellcheck source=../deploy/vm/mesh.sh
. "$srctree/deploy/vm/mesh.sh"

# mesh_up N ENSEMBLE...: the ensembles, the broker, and guests n1..nN as nodes
# 1..N of the first one, all joined. broker_args are virtmeshd's, guest_words are
# guests_init's, guest_mem[I] is the MiB of nI, where it is not the default.
broker_args=()
guest_words=()
guest_mem=()
mesh_up() {
	local n=$1 i e
	shift
	guests_init "${guest_words[@]}"
	for e in "$@"; do
		virtmesh ensemble add "$e" >/dev/null || bail "virtmesh ensemble add $e"
	done
	mesh_broker_start "${broker_args[@]}" || bail "the broker does not start"
	echo "$mesh_broker_pid" >"$tmp/broker.pid"
	for ((i = 1; i <= n; i++)); do
		VM_MEM=${guest_mem[i]-${VM_MEM-}} mesh_node "n$i" "$1" "$i" || bail "n$i does not start"
	done
	for ((i = 1; i <= n; i++)); do
		vm_wait "n$i" || bail "n$i does not boot"
		mesh_load "n$i" || bail "n$i does not join"
		# The stack says nothing by itself: every frame is one of a test's.
		vm_exec "n$i" 'echo 1 >/proc/sys/net/ipv6/conf/mesh0/disable_ipv6
			ip link set mesh0 up' || bail "mesh0 of n$i"
	done
	for ((i = 1; i <= n; i++)); do
		wait_until 10 peers_up "n$i" "$n" || bail "n$i does not see $n nodes up"
	done
}

# peers_up GUEST N: it sees so many nodes up
peers_up() { [ "$(vm_exec "$1" 'mesh peers' | grep -c ' UP ')" = "$2" ]; }

# json FILTER: jq's, of the JSON on stdin; what is no string in one line
json() { jq -rc "$1"; }

# info GUEST KEY; peer GUEST NODE KEY: what its driver says
info() { vm_exec "$1" 'mesh info --json; true' | json ".$2"; }
peer() { vm_exec "$1" 'mesh peers --json; true' | json ".peers[] | select(.node == $2).$3"; }
# node ENSEMBLE NODE KEY: what the broker says
node() { virtmesh nodes --json | json ".[] | select(.ensemble == $1 and .node == $2).$3"; }

# posted GUEST GROUP: there are operations of it already
posted() { vm_exec "$1" 'mesh trace --json' | grep -q "\"group\":$2[,}]"; }

is() { # is WANT CMD...: for wait_until
	local want=$1
	shift
	[ "$("$@")" = "$want" ]
}

# port PORT KEY; drops PORT REASON; lost PORT: the host's counters
port() { virtmesh show --json | json ".ports[] | select(.port == \"$1\").$2"; }
drops() { virtmesh drops --json | json ".[] | select(.port == \"$1\").drops[\"$2\"]"; }
lost() {
	virtmesh drops --json | json "[.[] | select(.port == \"$1\").drops | to_entries[] |
		select(.key | startswith(\"lost-\")).value] | add // 0"
}
# counter GUEST NAME: of ethtool -S
counter() { vm_exec "$1" "ethtool -S mesh0" | sed -n "s/^ *$2: //p"; }

# all_drops: every counter of the guests' ports that is not 0, in one line. (vmesh0, or
# a tap of the test, loses what comes while nobody holds it.) No counter at all is no 0.
all_drops() {
	local drops
	drops=$(virtmesh drops --json) || fail "the counters cannot be read"
	json '[.[] | select(.port | startswith("n"))] |
		if length == 0 or any(.[]; .drops | length == 0) then error("no counters") else . end |
		[.[] | .port as $port | .drops | to_entries[] | select(.value != 0) |
			"\($port):\(.key)=\(.value)"] | join(" ")' <<<"${drops:-null}" || fail "no counters in: $drops"
}

mac() { printf '02:4d:%02x:%02x:%02x:%02x' $(($1 >> 8)) $(($1 & 255)) $(($2 >> 8)) $(($2 & 255)); }
group() { printf '03:4d:%02x:%02x:ff:ff' $(($1 >> 8)) $(($1 & 255)); }

# received SEED: of a `traffic recv` report: how many came, how many of them new,
# and how many out of order; and the whole report's trouble
received() { sed -n "s/^seed=$1 received=\([0-9]*\) distinct=\([0-9]*\) .*reordered=\([0-9]*\).*/\1 \2 \3/p"; }

# everywhere N SECONDS COMMAND: a simple command in n1..nN at once; each must end well.
# What each has said is in $tmp/out.NAME.
everywhere() {
	local n=$1 seconds=$2 i
	shift 2
	for ((i = 1; i <= n; i++)); do
		begin "n$i" every "$*"
	done
	for ((i = 1; i <= n; i++)); do
		outcome "n$i" every "$seconds"
		echo "$out" >"$tmp/out.n$i"
	done
}

# launcher SECONDS: how job starts a program in a guest, as ssh would: GUEST COMMAND.
# And an ssh, for a command that says so, with $tmp/bin before its PATH.
launcher() {
	cat >"$tmp/in-guest" <<-END
		#!/usr/bin/env bash
		srctree=$srctree O=$O
		. "\$srctree/deploy/vm/vm.sh"
		. "\$srctree/deploy/uml/uml.sh"
		VM_DIR=$VM_DIR
		vm_exec "\$1" -t $1 "\$2"
	END
	chmod +x "$tmp/in-guest"
	mkdir -p "$tmp/bin"
	ln -sf "$tmp/in-guest" "$tmp/bin/ssh"
}
# job N ARG...: mesh run with ranks 0.. on n1..
job() {
	local n=$1
	shift
	mesh run -n "$n" -N "$(seq -s , 1 "$n")" -H "$(seq -s , -f n%g 1 "$n")" \
		-L "$tmp/in-guest %h" "$@"
}
