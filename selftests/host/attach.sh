#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Interfaces of others: a VMM's tap, a veth, a container.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

# veth pair v1 - v2, both up, MTU 1500; v2 with the address of node 2.
make_veth() {
	ip link add v1 type veth peer name v2
	# The stacks of both ends stay silent.
	ip link set dev v1 addrgenmode none
	ip link set dev v2 addrgenmode none
	ip link set dev v1 up mtu 1500
	ip link set dev v2 up mtu 1500 address "$(mac 1 2)"
}

feature() {
	ethtool -k "$1" | awk -v f="$2:" '$1 == f { print $2 }'
}

foreign_tap() {
	ip tuntap add dev vmm0 mode tap vnet_hdr
	ip link set dev vmm0 up mtu 2000
	virtmesh attach vmm0 --ensemble 1 --node 5
	eq "$(port_json vmm0 mtu)" 2000
	eq "$(port_json vmm0 owned)" false
	eq "$(cat /sys/class/net/vmm0/tx_queue_len)" 4096
	out=$(virtmesh attach vmm0 --ensemble 1 --node 5)
	says "attached already"
	fails 1 virtmesh port del vmm0
	says "virtmesh detach vmm0"
	fails 1 virtmesh port add vmm0 --ensemble 1 --node 5
	says "virtmesh detach vmm0"
	virtmesh detach vmm0
	eq "$(cat /sys/class/net/vmm0/tx_queue_len)" 1000 "ring as it was"
	eq "$(cat /sys/class/net/vmm0/mtu)" 2000
	eq "$(ip link show vmm0 | grep -c xdp || :)" 0 "programs left"
	fails 3 virtmesh detach vmm0
	says "no port"
	ip link del vmm0
}

chosen_ring_is_kept() {
	ip tuntap add dev vmm0 mode tap
	ip link set dev vmm0 up mtu 2000 txqueuelen 512
	out=$(virtmesh attach vmm0 --ensemble 1 --node 5 2>&1)
	says "txqueuelen 4096"
	eq "$(cat /sys/class/net/vmm0/tx_queue_len)" 512
	virtmesh detach vmm0
	eq "$(cat /sys/class/net/vmm0/tx_queue_len)" 512
	ip link del vmm0
}

veth_here() {
	make_veth
	eq "$(feature v2 generic-receive-offload)" off
	virtmesh attach v1 --ensemble 1 --node 2
	eq "$(port_json v1 mode)" native
	eq "$(feature v2 generic-receive-offload)" on
	eq "$(feature v2 tx-checksumming)" off
	virtmesh detach v1
	eq "$(feature v2 generic-receive-offload)" off
	eq "$(feature v2 tx-checksumming)" on
	# What was so before stays so.
	ethtool -K v2 gro on tx off >/dev/null
	virtmesh attach v1 --ensemble 1 --node 2
	virtmesh detach v1
	eq "$(feature v2 generic-receive-offload)" on
	eq "$(feature v2 tx-checksumming)" off
	ip link del v1
}

veth_address_hint() {
	make_veth
	ip link set dev v2 address 02:00:00:00:00:01
	out=$(virtmesh attach v1 --ensemble 1 --node 2 2>&1)
	says "ip link set dev v2 address $(mac 1 2)"
	virtmesh detach v1
	ip link del v1
}

veth_too_long_for_native() {
	make_veth
	ip link set dev v1 mtu 9000
	ip link set dev v2 mtu 9000
	out=$(virtmesh attach v1 --ensemble 1 --node 2 2>&1)
	says "generic"
	says "MTU"
	eq "$(port_json v1 mode)" generic
	out=$(virtmesh doctor)
	says "generic path"
	virtmesh port add vm1 --ensemble 1 --node 1 --mtu 9000
	receive vm1 1
	frame send v2 "$(mac 1 1)" "$(mac 1 2)" 0x0800 9014 11
	received vm1 $! <<<"$(mac 1 1) $(mac 1 2) 0800 9014 11"
	virtmesh detach v1
	eq "$(ip link show v1 | grep -c xdp || :)" 0 "programs left"
	ip link del v1
}

veth_with_too_few_queues_for_native() {
	ip link add numtxqueues 1 numrxqueues 1 name w1 type veth peer name w2 numtxqueues 4 numrxqueues 4
	ip link set dev w1 addrgenmode none up mtu 1500
	ip link set dev w2 addrgenmode none up mtu 1500 address "$(mac 1 2)"
	out=$(virtmesh attach w1 --ensemble 1 --node 2 2>&1)
	says "the native XDP path was refused"
	eq "$(port_json w1 mode)" generic
	virtmesh port add vm1 --ensemble 1 --node 1
	receive vm1 1
	frame send w2 "$(mac 1 1)" "$(mac 1 2)" 0x0800 1000 12
	received vm1 $! <<<"$(mac 1 1) $(mac 1 2) 0800 1000 12"
	virtmesh detach w1
	ip link del w1
}

in_other_netns() {
	[ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$1/ns/net")" ]
}

# A container: its end of the veth is in another network namespace.
container() {
	local ns pid
	make_veth
	unshare --net sleep 1000 &
	ns=$!
	wait_until 5 in_other_netns "$ns"
	ip link set dev v2 netns "$ns"
	nsenter -t "$ns" -n ip link set dev v2 addrgenmode none
	nsenter -t "$ns" -n ip link set dev v2 up
	wait_until 5 eval "nsenter -t $ns -n ip link show v2 | grep -q 'state UP'"
	out=$(virtmesh attach v1 --ensemble 1 --node 2 2>&1)
	says "ethtool -K PEER gro on tx off"
	nsenter -t "$ns" -n ethtool -K v2 gro on tx off >/dev/null
	virtmesh port add vm1 --ensemble 1 --node 1

	receive vm1 3
	pid=$!
	nsenter -t "$ns" -n "$frame" send v2 "$(mac 1 1)" "$(mac 1 2)" 0x88b5 60 1
	nsenter -t "$ns" -n "$frame" send v2 "$(mac 1 1)" "$(mac 1 2)" 0x0800 1514 2
	nsenter -t "$ns" -n "$frame" send v2 ff:ff:ff:ff:ff:ff "$(mac 1 2)" 0x0806 60 3
	received vm1 "$pid" <<-END
		$(mac 1 1) $(mac 1 2) 88b5 60 1
		$(mac 1 1) $(mac 1 2) 0800 1514 2
		ff:ff:ff:ff:ff:ff $(mac 1 2) 0806 60 3
	END

	nsenter -t "$ns" -n "$frame" recv v2 2 5 >"$tmp/v2.frames" &
	pid=$!
	wait_until 5 grep -q ready "$tmp/v2.frames"
	frame send vm1 "$(mac 1 2)" "$(mac 1 1)" 0x0800 1514 4
	frame send vm1 03:4d:00:01:ff:ff "$(mac 1 1)" 0x88b5 200 5
	received v2 "$pid" <<-END
		$(mac 1 2) $(mac 1 1) 0800 1514 4
		03:4d:00:01:ff:ff $(mac 1 1) 88b5 200 5
	END
	eq "$(port_json v1 drops)" 0
	eq "$(port_json v1 lost)" 0
	kill "$ns"
	wait "$ns" || :
	# The kernel takes the namespace down by and by, and both ends of the veth with it.
	wait_until 10 test ! -e /sys/class/net/v1
	virtmesh port del vm1
	eq "$(mapdump | grep -c '^nodes' || :)" 0 "nodes left"
}

program_in_the_way() {
	local before mode remedy
	[ "$(json /dispatcher virtmesh show --json)" = false ] ||
		skip "libxdp's dispatcher works here: they live together"
	for mode in drv skb; do
		make_veth
		xdppass v1 "$mode"
		before=$(mapdump; ip link show v1)
		fails 1 virtmesh attach v1 --ensemble 1 --node 2
		says "another XDP program, somebody (id"
		eq "$(mapdump; ip link show v1)" "$before"
		eq "$(feature v2 generic-receive-offload)" off
		# The remedy that is told works.
		remedy=${out#*remove it (}
		remedy=${remedy%%)*}
		$remedy
		virtmesh attach v1 --ensemble 1 --node 2
		virtmesh detach v1
		ip link del v1
	done
}

detach_leaves_others() {
	make_veth
	virtmesh attach v1 --ensemble 1 --node 2
	ip link set dev v1 xdpdrv off
	xdppass v1 drv
	eq "$(port_json v1 mode)" detached
	virtmesh detach v1
	ip -d link show v1 | grep -q "name somebody" || fail "took away another's program"
	ip link del v1
}

unfit() {
	local before
	make_veth
	before=$(mapdump)
	fails 1 virtmesh attach lo --ensemble 1 --node 2
	says "no Ethernet interface"
	fails 3 virtmesh attach nothing --ensemble 1 --node 2
	says "virtmesh port add nothing"
	fails 1 virtmesh attach v1 --ensemble 1 --node 2 --mtu 3000
	says "ip link set dev v1 mtu 3000"
	ip link set dev v1 mtu 1000
	fails 1 virtmesh attach v1 --ensemble 1 --node 2
	says "ip link set dev v1 mtu 3366"
	fails 1 virtmesh attach vmesh0 --ensemble 1 --node 2
	says "broker's"
	eq "$(mapdump)" "$before"
	ip link set dev v1 mtu 1500
	virtmesh port add vm1 --ensemble 1 --node 2
	fails 1 virtmesh attach v1 --ensemble 1 --node 2
	says "has a port already: vm1"
	ip link set dev v1 down
	out=$(virtmesh attach v1 --ensemble 1 --node 3 2>&1)
	says "ip link set dev v1 up"
	virtmesh detach v1
	ip link del v1
}

# By a typo the host would be cut off: from a NIC, a bridge, or what a bridge has.
not_the_hosts_own() {
	local before kind made=
	for kind in dummy bridge macvlan; do
		case $kind in
		macvlan) ip link add x1 type veth peer name x2 && ip link add h1 link x1 type macvlan ;;
		*) ip link add h1 type "$kind" ;;
		esac 2>"$tmp/ip" || {
			ip link del x1 2>/dev/null || :
			continue
		}
		ip link set dev h1 up mtu 1500
		before=$(mapdump)
		fails 1 virtmesh attach h1 --ensemble 1 --node 2
		says "neither a tap nor a veth but $kind"
		fails 1 virtmesh ensemble faults 1 --through h1
		says "neither a tap nor a veth but $kind"
		eq "$(mapdump)" "$before"
		eq "$(ip link show h1 | grep -c xdp || :)" 0 "programs"
		ip link del h1
		ip link del x1 2>/dev/null || :
		made+=" $kind"
	done
	[ -n "$made" ] || skip "neither dummy, bridge nor macvlan here: $(cat "$tmp/ip")"
}

belongs_to_a_bridge() {
	ip link add br1 type bridge 2>"$tmp/ip" || skip "no bridge here: $(cat "$tmp/ip")"
	make_veth
	ip link set dev v1 master br1
	fails 1 virtmesh attach v1 --ensemble 1 --node 2
	says "v1 belongs to br1"
	says "ip link set dev v1 nomaster"
	ip link set dev v1 nomaster
	virtmesh attach v1 --ensemble 1 --node 2
	virtmesh detach v1
	ip link del v1
	ip link del br1
}

moved_away() {
	local ns
	make_veth
	virtmesh attach v1 --ensemble 1 --node 2
	unshare --net sleep 1000 &
	ns=$!
	wait_until 5 in_other_netns "$ns"
	ip link set dev v1 netns "$ns"
	eq "$(port_json "(gone)" node)" 2
	virtmesh ensemble add 1
	eq "$(mapdump | grep -c '^nodes' || :)" 0 "nodes left"
	kill "$ns"
	wait "$ns" || :
	wait_until 10 test ! -e /sys/class/net/v2
}

# Detach cannot put back what it cannot reach, and says it.
peer_moved_away() {
	local ns
	make_veth
	ethtool -K v2 gro on >/dev/null
	virtmesh attach v1 --ensemble 1 --node 2
	unshare --net sleep 1000 &
	ns=$!
	wait_until 5 in_other_netns "$ns"
	ip link set dev v2 netns "$ns"
	out=$(virtmesh detach v1 2>&1)
	says "ethtool -K PEER tx on (PEER is its interface"
	kill "$ns"
	wait "$ns" || :
	wait_until 10 test ! -e /sys/class/net/v1
}

# The devmaps have lost it: it would be a port that sends and never receives.
moved_away_and_back() {
	local ns
	make_veth
	virtmesh attach v1 --ensemble 1 --node 2
	unshare --net sleep 1000 &
	ns=$!
	wait_until 5 in_other_netns "$ns"
	ip link set dev v1 netns "$ns"
	nsenter --net=/proc/"$ns"/ns/net ip link set dev v1 netns $$
	ip link set dev v1 up
	eq "$(port_json "(gone)" node)" 2
	out=$(virtmesh ensemble add 1 2>&1)
	says "forgetting node 2"
	eq "$(ip link show v1 | grep -c xdp || :)" 0 "its program"
	virtmesh attach v1 --ensemble 1 --node 2
	mapdump | grep -q "^taps .*: ifindex $(cat /sys/class/net/v1/ifindex) " || fail "no target"
	virtmesh detach v1
	ip link del v1
	kill "$ns"
	wait "$ns" || :
}

case_on "a foreign tap becomes a port and stops being one" with_mesh foreign_tap
case_on "a ring that somebody chose is not touched" with_mesh chosen_ring_is_kept
case_on "a veth's peer gets GRO and loses checksum offload, and gets it back" with_mesh veth_here
case_on "the address a veth's peer must have is told" with_mesh veth_address_hint
case_on "a veth too long for native XDP is attached in the generic path, with the reason" \
	with_mesh veth_too_long_for_native
case_on "a veth with too few queues for native XDP is attached in the generic path" \
	with_mesh veth_with_too_few_queues_for_native
case_on "bytes cross between a tap and a container's veth, and the container ends" \
	with_mesh container
case_on "another program in the way is refused by name, and left alone" \
	with_mesh program_in_the_way
case_on "detach does not take another's program away" with_mesh detach_leaves_others
case_on "interfaces that cannot be ports are refused, and nothing changes" with_mesh unfit
case_on "a NIC, a bridge, a macvlan are refused" with_mesh not_the_hosts_own
case_on "a veth that belongs to a bridge is refused, until it does not" with_mesh belongs_to_a_bridge
case_on "an interface that moves to another namespace is forgotten" with_mesh moved_away
case_on "and comes back: it is no port any more, and may become one" with_mesh moved_away_and_back
case_on "a veth's peer that moved away: detach says how to put it back" with_mesh peer_moved_away
finish
