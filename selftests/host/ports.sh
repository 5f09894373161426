#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Ports that the command makes: taps, their maps, and what is refused.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

tap_is_right() {
	virtmesh port add vm1 --ensemble 1 --node 1 --owner 12345 --mtu 1500
	eq "$(cat /sys/class/net/vm1/mtu)" 1500
	eq "$(cat /sys/class/net/vm1/tx_queue_len)" 4096
	eq "$(cat /sys/class/net/vm1/owner)" 12345
	eq "$(cat /sys/class/net/vm1/tun_flags)" 0x5802 "tap, no pi, vnet header, persistent"
	ip link show vm1 | grep -q "[<,]UP[,>]" || fail "not up"
	ip -d link show vm1 | grep -q "addrgenmode none" || fail "makes IPv6 addresses"
	eq "$(ip addr show vm1 | grep -c inet || :)" 0 "addresses"
	eq "$(port_json vm1 mode)" native
	virtmesh port add vm2 --ensemble 1 --node 2
	eq "$(cat /sys/class/net/vm2/mtu)" 3366 "default MTU"
	eq "$(cat /sys/class/net/vm2/owner)" 0
	eq "$(cat /sys/class/net/vmesh0/owner)" 0
}

maps_are_right() {
	local if1 if2
	virtmesh port add vm1 --ensemble 1 --node 1 --mtu 1500
	virtmesh port add vm2 --ensemble 1 --node 300
	if1=$(cat /sys/class/net/vm1/ifindex)
	if2=$(cat /sys/class/net/vm2/ifindex)
	diff <(mapdump | grep -v "^meta\|_index\|addr 00000000\|^taps 0") - <<-END
		ports $if1: addr 00010001 slot 2 mtu 1500 flags 2 prog 1
		ports $if2: addr 0001012c slot 3 mtu 3366 flags 2 prog 1
		nodes 00010001: slot 2 mtu 1500 ifindex $if1
		nodes 0001012c: slot 3 mtu 3366 ifindex $if2
		taps 2: ifindex $if1 prog 0
		taps 3: ifindex $if2 prog 0
		ensembles 1: members 2 mtu 1500
		groups 1
		groups 1 2: ifindex $if1 prog 1
		groups 1 3: ifindex $if2 prog 1
	END
	# The hints say the same.
	eq "$(mapdump | grep -c '^port_index')" 3
	eq "$(mapdump | grep '^node_index' | sed 's/.*: //')" "addr 00010001 slot 2 mtu 1500
addr 0001012c slot 3 mtu 3366"
	# The smaller MTU goes, the group's rises; the slot is used again.
	virtmesh port del vm1
	eq "$(mapdump | grep '^ensembles')" "ensembles 1: members 1 mtu 3366"
	virtmesh port add vm3 --ensemble 1 --node 2
	eq "$(mapdump | grep -c ' slot 2 ')" 4 "ports, nodes, and both hints"
}

counters_start_at_0() {
	virtmesh port add vm1 --ensemble 1 --node 1
	frame send vm1 "$(mac 1 2)" "$(mac 9 9)" 0x88b5 64 1 5
	eq "$(port_json vm1 rx_frames)" 5
	eq "$(port_json vm1 drops)" 5
	virtmesh port del vm1
	virtmesh port add vm2 --ensemble 1 --node 2
	eq "$(port_json vm2 slot)" 2
	eq "$(port_json vm2 rx_frames)" 0
	eq "$(port_json vm2 drops)" 0
}

twice() {
	local before
	virtmesh port add vm1 --ensemble 1 --node 1 --mtu 1500 --owner 7
	before=$(mapdump)
	out=$(virtmesh port add vm1 --ensemble 1 --node 1 --mtu 1500 --owner 7)
	says "exists already"
	fails 1 virtmesh port add vm1 --ensemble 1 --node 1 --mtu 1500 --owner 8
	says "belongs to user 7, not 8"
	out=$(virtmesh port add vm1 --ensemble 1 --node 1)
	says "exists already"
	eq "$(mapdump)" "$before"
	virtmesh port del vm1
	fails 3 virtmesh port del vm1
	says "no interface vm1"
}

conflicts() {
	local before long=abcdefghijklmnop name verb
	virtmesh ensemble add 2
	virtmesh port add vm1 --ensemble 1 --node 1
	ip tuntap add dev mine mode tap
	before=$(mapdump; interfaces)
	fails 1 virtmesh port add vm2 --ensemble 1 --node 1
	says "has a port already: vm1"
	fails 1 virtmesh port add vm1 --ensemble 1 --node 2
	says "vm1 is the port of node 1 in ensemble 1"
	fails 1 virtmesh port add vm1 --ensemble 2 --node 1
	says "vm1 is the port of node 1 in ensemble 1"
	fails 1 virtmesh port add vm1 --ensemble 1 --node 1 --mtu 1500
	says "MTU 3366 instead of 1500"
	fails 3 virtmesh port add vm2 --ensemble 3 --node 1
	says "ensemble add 3"
	fails 1 virtmesh port add mine --ensemble 1 --node 2
	says "virtmesh attach mine"
	fails 1 virtmesh port add lo --ensemble 1 --node 2
	fails 1 virtmesh port add vmesh0 --ensemble 1 --node 2
	says "is the broker's"
	fails 2 virtmesh port add "$long" --ensemble 1 --node 2
	says "1 to 15 characters"
	for name in "" "a/b" "a b" "a:b" . .. "vm%d" /run ../x $'a\n' $'a\xa0'; do
		fails 2 virtmesh port add "$name" --ensemble 1 --node 2
		says "name of an interface"
		for verb in "port del" detach qemu-args uml-args "attach --ensemble 1 --node 2"; do
			# shellcheck disable=SC2086 # words
			fails 2 virtmesh $verb -- "$name"
			says "name of an interface"
		done
	done
	fails 1 virtmesh attach vm1 --ensemble 1 --node 1
	says "port del vm1"
	fails 1 virtmesh detach vm1
	says "port del vm1"
	fails 1 virtmesh port del vmesh0
	says "the broker's"
	fails 3 virtmesh port del mine
	says "no port"
	fails 3 virtmesh port del nothing
	eq "$(mapdump; interfaces)" "$before"
	# The same node in another ensemble is another node.
	virtmesh port add vm2 --ensemble 2 --node 1
	ip link del mine
}

# Every frame's tap is held open, as by a VM.
del_while_used() {
	local before pid
	virtmesh port add vm1 --ensemble 1 --node 1
	receive vm1 1 30
	pid=$!
	before=$(mapdump)
	fails 1 virtmesh port del vm1
	says "stop its VM first"
	eq "$(mapdump)" "$before"
	# It is a port as before.
	virtmesh port add vm2 --ensemble 1 --node 2
	frame send vm2 "$(mac 1 1)" "$(mac 1 2)" 0x0800 100 7
	received vm1 "$pid" <<<"$(mac 1 1) $(mac 1 2) 0800 100 7"
	virtmesh port del vm1
}

# A process calls itself what it likes, and root reads it.
odd_holder() {
	local name=$'a\033\xff' pid
	virtmesh port add vm1 --ensemble 1 --node 1
	cp "$frame" "$tmp/$name"
	"$tmp/$name" recv vm1 1 30 >"$tmp/odd.frames" &
	pid=$!
	wait_until 5 grep -q ready "$tmp/odd.frames"
	eq "$(port_json vm1 served)" "a??"
	fails 1 virtmesh port del vm1
	says "in use by a??, pid $pid"
	{
		echo "$out"
		virtmesh show
		virtmesh show --json
		virtmesh doctor || :
		virtmesh doctor --json || :
	} >"$tmp/odd.out"
	if LC_ALL=C grep '[^[:print:][:space:]]' "$tmp/odd.out"; then
		fail "not to be printed"
	fi
	kill "$pid"
	wait "$pid" || :
	virtmesh port del vm1
}

no_tun() {
	local before
	before=$(mapdump)
	mount --bind /dev/null /dev/net/tun
	fails 1 virtmesh port add vm1 --ensemble 1 --node 1
	umount /dev/net/tun
	mount -t tmpfs tmpfs /dev/net
	fails 3 virtmesh port add vm1 --ensemble 1 --node 1
	says "modprobe tun"
	fails 1 virtmesh doctor
	says "modprobe tun"
	umount /dev/net
	eq "$(mapdump)" "$before"
}

gone_is_forgotten() {
	local before
	before=$(mapdump)
	virtmesh port add vm1 --ensemble 1 --node 1
	virtmesh port add vm2 --ensemble 1 --node 2
	ip link del vm1
	eq "$(port_json "(gone)" node)" 1
	out=$(virtmesh port del vm2 2>&1)
	says "forgetting node 1 of ensemble 1"
	eq "$(mapdump)" "$before"
	# And the node may come again, with the same name.
	virtmesh port add vm1 --ensemble 1 --node 1
	ip link del vm1
	virtmesh port add vm1 --ensemble 1 --node 1
}

# Interfaces that come from another namespace keep their numbers, if nobody has them here.
number_is_anothers() {
	local if1 if0
	virtmesh ensemble add 1
	virtmesh port add vm1 --ensemble 1 --node 1
	if1=$(cat /sys/class/net/vm1/ifindex)
	if0=$(cat /sys/class/net/vmesh0/ifindex)
	ip link del vm1
	ip link del vmesh0
	ip link add index "$if1" name other type veth peer index "$if0" name peer
	eq "$(cat /sys/class/net/peer/ifindex)" "$if0"
	eq "$(virtmesh show --json | grep -c '"gone":true')" 2
	out=$(virtmesh port add vm2 --ensemble 1 --node 2 2>&1)
	says "forgetting node 1 of ensemble 1"
	says "made vmesh0 again"
	# The group's map is made anew for a second port.
	virtmesh port add vm1 --ensemble 1 --node 1
	eq "$(mapdump | grep -cE "^groups 1 .*ifindex ($if0|$if1) " || :)" 0 "group frames for others"
	fails 3 virtmesh port del other
	says "is no port"
	unmesh
	[ -e /sys/class/net/peer ] || fail "removed what is somebody else's"
	ip link del other
}

# The group's map is replaced while some of its members have gone and are not forgotten yet.
# With an argument, that node stays.
many_gone() {
	local before alive=${1-} n
	[ -z "$alive" ] || virtmesh port add "vm$alive" --ensemble 1 --node "$alive"
	before=$(mapdump)
	for n in 1 2 3 4 5 6 7 8; do
		[ "$n" = "$alive" ] || virtmesh port add vm"$n" --ensemble 1 --node "$n" >/dev/null
	done
	eq "$(SIZES=1 mapdump | grep room)" "groups 1: room for 8"
	for n in 1 2 3 4 5 6 7 8; do
		[ "$n" = "$alive" ] || ip link del vm"$n"
	done
	virtmesh ensemble add 1
	eq "$(mapdump)" "$before"
	eq "$(SIZES=1 mapdump | grep room)" "groups 1: room for 2"
}

renamed() {
	virtmesh port add vm1 --ensemble 1 --node 1
	ip link set dev vm1 down
	ip link set dev vm1 name vm9
	eq "$(port_json vm9 node)" 1
	fails 3 virtmesh port del vm1
	virtmesh port del vm9
}

left_overs_are_swept() {
	local before key
	virtmesh port add vm1 --ensemble 1 --node 1
	before=$(mapdump)
	# A node, a hint and a clone target that no port stands behind.
	bpftool map update pinned "$PINS"/nodes key hex 07 00 01 00 value hex 09 00 26 0d 63 00 00 00
	# Its hint stands six places behind that of node 1.
	key=$(($(mapdump | sed -n 's/^node_index \([0-9]*\):.*/\1/p') + 6))
	bpftool map update pinned "$PINS"/node_index \
		key hex "$(printf %02x $((key & 255)))" "$(printf %02x $((key >> 8)))" 00 00 \
		value hex 07 00 01 00 09 00 26 0d
	mapdump | grep -q "^node_index $key: addr 00010007"
	virtmesh ensemble add 1
	eq "$(mapdump)" "$before"
}

group_grows_and_shrinks() {
	local n
	for n in 1 2 3 4 5; do
		virtmesh port add vm"$n" --ensemble 1 --node "$n" >/dev/null
	done
	eq "$(SIZES=1 mapdump | grep room)" "groups 1: room for 8"
	eq "$(mapdump | grep -c '^groups 1 ')" 5
	for n in 1 2 3; do
		virtmesh port del vm"$n" >/dev/null
	done
	eq "$(SIZES=1 mapdump | grep room)" "groups 1: room for 2"
	eq "$(mapdump | grep '^groups 1 ' | sed 's/:.*//')" "groups 1 5
groups 1 6"
}

at_once() {
	local n
	for n in $(seq 20); do
		virtmesh port add vm"$n" --ensemble 1 --node "$n" >/dev/null &
	done
	wait
	eq "$(mapdump | grep -c '^nodes')" 20
	eq "$(mapdump | grep -c '^groups 1 ')" 20
	for n in $(seq 20); do
		virtmesh port del vm"$n" >/dev/null &
	done
	wait
	eq "$(mapdump | grep -c '^nodes' || :)" 0
}

# Ifindexes that meet in one hint: the second has none, and works by the hash.
hints_that_meet() {
	local first second
	virtmesh port add vm1 --ensemble 1 --node 1
	first=$(cat /sys/class/net/vm1/ifindex)
	second=$((first + 4096))
	ip link add index "$second" name v1 type veth peer name v2
	ip link set dev v1 up mtu 1500
	ip link set dev v2 up mtu 1500
	virtmesh attach v1 --ensemble 1 --node 2
	eq "$(mapdump | grep -c "^port_index.* ifindex $first ")" 1
	eq "$(mapdump | grep -c "^port_index.* ifindex $second " || :)" 0
	receive vm1 1
	frame send v2 "$(mac 1 1)" "$(mac 1 2)" 0x0800 100 3
	received vm1 $! <<<"$(mac 1 1) $(mac 1 2) 0800 100 3"
	# Taking away the one without a hint leaves the other's.
	virtmesh detach v1
	eq "$(mapdump | grep -c "^port_index.* ifindex $first ")" 1
	ip link del v1
}

# What the broker wrote of a port tells nothing of the next one with its address.
state_of_the_one_before() {
	local key
	virtmesh port add vm1 --ensemble 1 --node 1
	eq "$(port_json vm1 state)" absent
	key=$(cat /sys/class/net/vm1/ifindex)
	# Incarnation 5, up, MTU 1500; then the low half of the port's added_ns.
	# shellcheck disable=SC2046 # a word a byte
	bpftool map update pinned "$PINS"/members key 1 0 1 0 value 5 0 0 0 1 0 220 5 0 0 0 0 \
		$(bpftool -j map lookup pinned "$PINS"/ports key $((key % 256)) $((key / 256)) 0 0 |
			grep -o '"value":\[[^]]*' | grep -o '0x..' | sed -n 25,28p) $(yes 0 | head -n 16)
	eq "$(port_json vm1 state) $(port_json vm1 incarnation)" "up 5"
	virtmesh port del vm1
	virtmesh port add vm1 --ensemble 1 --node 1
	eq "$(port_json vm1 state) $(port_json vm1 incarnation)" "absent 0"
}

case_on "port add makes the tap that was asked for" with_mesh tap_is_right
case_on "port add and del write exactly the entries they should" with_mesh maps_are_right
case_on "a slot that is used again starts counting at 0" with_mesh counters_start_at_0
case_on "the same port twice is told, removing twice is refused" with_mesh twice
case_on "what contradicts is refused, and changes nothing" with_mesh conflicts
case_on "a tap in use is not removed, and goes on working" with_mesh del_while_used
case_on "a process with an odd name holds a tap: told in plain characters" with_mesh odd_holder
case_on "without /dev/net/tun: refused, nothing left" with_mesh no_tun
case_on "an interface that vanished is shown as gone and forgotten by the next change" \
	with_mesh gone_is_forgotten
case_on "another interface has the number of one that vanished: no port, and left alone" \
	number_is_anothers
case_on "eight that vanished are forgotten by one command" with_mesh many_gone
case_on "the same, when the node with the highest number is left" with_mesh many_gone 8
case_on "a renamed interface stays the port it was" with_mesh renamed
case_on "entries that no port stands behind are swept by the next change" \
	with_mesh left_overs_are_swept
case_on "a group grows and shrinks with its members" with_mesh group_grows_and_shrinks
case_on "twenty ports added at once, then removed at once" with_mesh at_once
case_on "two interfaces that meet in one hint both work" with_mesh hints_that_meet
case_on "a new port has not the state of the one before it" with_mesh state_of_the_one_before
finish
