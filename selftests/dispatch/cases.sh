# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What runs inside the guest: one function a case, called under `set -ex` by
# dispatcher.sh, so that what fails is the last line of the output. The guest's
# shell is busybox's, whose own `ip` knows no XDP: ip2 is iproute2's.
#
# Ensemble 1 is there all the time, with the ports vm1, vm2, vm3 (nodes 1, 2, 3).
# A case puts back what it changes; after one that failed, tidy does.
PINS=/sys/fs/bpf/virtmesh
XDP_PINS=/sys/fs/bpf/xdp

fail() {
	echo "FAILED: $*"
	exit 1
}

eq() { [ "$1" = "$2" ] || fail "${3:-}: got '$1', want '$2'"; }

# refuses TEXT CMD...: CMD fails, with TEXT among its words
refuses() {
	text=$1
	shift
	if "$@" >/tmp/refused 2>&1; then
		fail "'$*' did not fail"
	fi
	grep -qF "$text" /tmp/refused || fail "'$*' does not say '$text': $(cat /tmp/refused)"
}

# until_done CMD...: for up to 10 s
until_done() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 500 ] || fail "waited 10 s in vain for: $*"
		usleep 20000
	done
}

# port NAME KEY: of `show --json`, which has one key a line
port() {
	virtmesh show --json | awk -F'"' -v name="$1" -v key="$2" '
		$2 == "port" { port = $4 }
		port == name && $2 == key {
			value = $3 $4
			gsub(/[:, ]/, "", value)
			print value
		}'
}

# lost PORT REASON: how many frames, of `drops`
lost() { virtmesh drops | awk -v p="$1" -v r="$2" '$1 == p && $4 == r { n = $5 } END { print n + 0 }'; }

# programs IFNAME: "PRIO NAME ..." of all that its dispatcher calls, in order
programs() { xdp-loader status "$1" | awk '$1 == "=>" { printf "%s%s %s", sep, $2, $3; sep = " " }'; }
# attached IFNAME: "xdp_dispatcher native"
attached() { xdp-loader status "$1" | awk -v i="$1" '$1 == i { print $2, $3 }'; }
# program_id IFNAME NAME
program_id() { xdp-loader status "$1" | awk -v n="$2" '$1 == "=>" && $3 == n { print $4 }'; }
# libxdp_pins IFNAME: how many dispatchers have pins for it
libxdp_pins() { find $XDP_PINS -name "dispatch-$(cat "/sys/class/net/$1/ifindex")-*" 2>/dev/null | wc -l; }

# How often `other`, loaded once, was asked.
other_seen() { bpftool map dump name other_seen | sed -n 's/.*"value": \([0-9]*\).*/\1/p'; }

mac() { printf '02:4d:00:01:00:%02x' "$1"; }
GROUP=03:4d:00:01:ff:ff
# end IFNAME: of a tap that is a port, itself; of a veth vN, its peer pN
end() {
	case $1 in
	v[0-9]) echo "p${1#v}" ;;
	*) echo "tap:$1" ;;
	esac
}

# listen NAME COUNT: start a receiver of so many frames
listen() {
	rm -f "/tmp/$1.ready"
	traffic recv --count "$2" --time 20 --seed 7 "$(end "$1")" >"/tmp/$1.got" 2>"/tmp/$1.ready" &
	echo $! >"/tmp/$1.pid"
	until_done grep -qs ready "/tmp/$1.ready"
}
# heard NAME COUNT: it got exactly these, whole and in order
heard() {
	wait "$(cat "/tmp/$1.pid")" || fail "$1 got too little: $(cat "/tmp/$1.got")"
	grep -q "^seed=7 received=$2 distinct=$2 .* reordered=0 " "/tmp/$1.got" ||
		fail "$1: $(cat "/tmp/$1.got")"
	grep -q "^total=$2 corrupt=0 foreign=0 dropped=0$" "/tmp/$1.got" || fail "$1: $(cat "/tmp/$1.got")"
}
# say NAME NODE DST COUNT [OPTION]...
say() {
	from=$1 src=$2 dst=$3 count=$4
	shift 4
	traffic send --src "$(mac "$src")" --dst "$dst" --count "$count" --seed 7 "$@" "$(end "$from")"
}

# unicast FROM NODE TO NODE SIZES: 50 frames each way
unicast() {
	listen "$3" 50
	say "$1" "$2" "$(mac "$4")" 50 --size "$5"
	heard "$3" 50
	listen "$1" 50
	say "$3" "$4" "$(mac "$2")" 50 --size "$5"
	heard "$1" 50
}

# group FROM NODE SIZES TO...
group() {
	from=$1 node=$2 sizes=$3
	shift 3
	for to in "$@"; do
		listen "$to" 20
	done
	say "$from" "$node" $GROUP 20 --size "$sizes"
	for to in "$@"; do
		heard "$to" 20
	done
}

steers() { unicast vm1 1 vm2 2 60-1514; }

tidy() {
	killall -q traffic xdpdump virtmeshd || :
	for i in t1 v1; do
		[ ! -e /sys/class/net/$i ] || ip2 link del dev $i
	done
	for i in vm4 vm5; do
		[ ! -e /sys/class/net/$i ] || virtmesh port del $i || :
	done
	[ ! -e /sys/class/net/vm1 ] || for i in $(program_id vm1 other); do
		xdp-loader unload vm1 -i "$i"
	done
}

mesh_up() {
	virtmesh ensemble add 1
	for n in 1 2 3; do
		virtmesh port add vm$n --ensemble 1 --node $n
	done
}

says_dispatcher() {
	virtmesh doctor >/tmp/doctor
	grep -q "^ok  *dispatcher .*dispatcher works" /tmp/doctor || fail "$(cat /tmp/doctor)"
	for p in vmesh0 vm1 vm2 vm3; do
		grep -q "^ok  *port $p .*native path, through the dispatcher" /tmp/doctor ||
			fail "$p: $(cat /tmp/doctor)"
		eq "$(attached $p)" "xdp_dispatcher native" $p
		eq "$(programs $p)" "50 steer" $p
	done
	virtmesh show --json >/tmp/show
	grep -q '^  "dispatcher":true' /tmp/show || fail "show: $(cat /tmp/show)"
	eq "$(grep -c '^      "dispatcher":true' /tmp/show)" 4
	eq "$(grep -c '^      "mode":"native"' /tmp/show)" 4
}

frames_unicast() {
	before=$(port vm3 tx_frames)
	unicast vm1 1 vm2 2 60-1514
	unicast vm1 1 vm3 3 3380
	eq "$(($(port vm3 tx_frames) - before))" 50 "vm3: what was for it, and nothing else"
}

frames_group() {
	before=$(port vm1 tx_frames)
	group vm1 1 60-3380 vm2 vm3
	eq "$(port vm1 tx_frames)" "$before" "back to the sender"
}

lost_full() {
	before=$(lost vm2 lost-full)
	listen vm2 4096
	kill -STOP "$(cat /tmp/vm2.pid)"
	say vm1 1 "$(mac 2)" 5000
	kill -CONT "$(cat /tmp/vm2.pid)"
	heard vm2 4096
	eq $(($(lost vm2 lost-full) - before)) $((5000 - 4096)) lost-full
}

lost_closed() {
	before=$(lost vm2 lost-closed)
	say vm1 1 "$(mac 2)" 9
	eq $(($(lost vm2 lost-closed) - before)) 9 lost-closed
}

# A group's clones are lost each at the port it was for.
lost_closed_group() {
	before2=$(lost vm2 lost-closed)
	before3=$(lost vm3 lost-closed)
	listen vm3 5
	say vm1 1 $GROUP 5
	heard vm3 5
	eq "$(($(lost vm2 lost-closed) - before2)) $(($(lost vm3 lost-closed) - before3))" "5 0"
}

other_before() {
	ours=$(program_id vm1 steer)
	xdp-loader load -P 10 -n other vm1 /other.bpf.o
	eq "$(programs vm1)" "10 other 50 steer"
	eq "$(port vm1 mode)" native
	unicast vm1 1 vm2 2 60-1514
	eq "$(other_seen)" 50 "asked first"
	xdp-loader unload vm1 -i "$(program_id vm1 other)"
	eq "$(programs vm1)" "50 steer"
	eq "$(program_id vm1 steer)" "$ours" "the same program all the time"
	steers
}

other_behind() {
	xdp-loader load -P 90 -n other vm1 /other.bpf.o
	eq "$(programs vm1)" "50 steer 90 other"
	steers
	eq "$(other_seen)" 0 "no frame is left over for it"
	xdp-loader unload vm1 -i "$(program_id vm1 other)"
	eq "$(programs vm1)" "50 steer"
}

# A new dispatcher replaces the old one at each coming and going. The frame of
# seed 8 says that no more come.
other_no_loss() {
	rm -f /tmp/vm2.ready
	traffic recv --count 1 --seed 8 --time 50 tap:vm2 >/tmp/vm2.got 2>/tmp/vm2.ready &
	receiver=$!
	until_done grep -qs ready /tmp/vm2.ready
	traffic send --src "$(mac 1)" --dst "$(mac 2)" --count 100000 --seed 7 --rate 500 tap:vm1 \
		>/tmp/vm1.sent &
	sender=$!
	for i in 1 2 3; do
		xdp-loader load -n other vm1 /other.bpf.o
		xdp-loader unload vm1 -i "$(program_id vm1 other)"
	done
	kill -TERM $sender
	wait $sender || :
	traffic send --src "$(mac 1)" --dst "$(mac 2)" --seed 8 tap:vm1
	wait $receiver || fail "$(cat /tmp/vm2.got)"
	sent=$(sed -n 's/^sent=\([0-9]*\) .*/\1/p' /tmp/vm1.sent)
	[ "$sent" -gt 100 ] || fail "only $sent frames were sent meanwhile"
	grep -q "^seed=7 received=$sent distinct=$sent .* reordered=0 " /tmp/vm2.got ||
		fail "of $sent came $(cat /tmp/vm2.got)"
}

namesake() {
	tap_new t1
	xdp-loader load -P 60 -n steer t1 /other.bpf.o
	virtmesh attach t1 --ensemble 1 --node 9
	eq "$(programs t1)" "50 steer 60 steer"
	unicast t1 9 vm1 1 60-1514
	virtmesh detach t1
	eq "$(programs t1)" "60 steer" "theirs"
	# Before ours now, and ours taken away by force: theirs is not taken for it.
	xdp-loader unload t1 --all
	virtmesh attach t1 --ensemble 1 --node 9
	xdp-loader load -P 40 -n steer t1 /other.bpf.o
	eq "$(port t1 mode)" native
	xdp-loader unload t1 -i "$(xdp-loader status t1 | awk '$1 == "=>" && $2 == 50 { print $4 }')"
	eq "$(programs t1)" "40 steer"
	eq "$(port t1 mode)" detached
	virtmesh detach t1
	eq "$(programs t1)" "40 steer" "theirs"
	xdp-loader unload t1 --all
	tap_gone t1
}

dump_start() {
	rm -f /tmp/dump.log
	xdpdump -i vm1 -w /tmp/dump.pcap >/tmp/dump.log 2>&1 &
	echo $! >/tmp/dump.pid
	until_done grep -qs listening /tmp/dump.log
}

# dispatcher.sh looks into the file.
dump() {
	dump_start
	listen vm2 40
	say vm1 1 "$(mac 2)" 40 --size 60-3380
	heard vm2 40
	kill -INT "$(cat /tmp/dump.pid)"
	wait "$(cat /tmp/dump.pid)"
	grep -q "^40 packets captured" /tmp/dump.log || fail "$(cat /tmp/dump.log)"
	eq "$(programs vm1)" "50 steer"
	steers
}

tap_new() {
	ip2 tuntap add dev "$1" mode tap vnet_hdr
	echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"
	ip2 link set dev "$1" up mtu 3366
}
tap_gone() { ip2 link del dev "$1"; }

# Somebody's program was there first, and is there last.
attach_beside_other() {
	tap_new t1
	xdp-loader load -P 10 -n other t1 /other.bpf.o
	id=$(program_id t1 other)
	virtmesh attach t1 --ensemble 1 --node 9
	eq "$(programs t1)" "10 other 50 steer"
	eq "$(port t1 dispatcher) $(port t1 mode)" "true native"
	unicast t1 9 vm1 1 60-1514
	virtmesh detach t1
	eq "$(programs t1) $(program_id t1 other)" "10 other $id"
	xdp-loader unload t1 --all
	eq "$(libxdp_pins t1)" 0
	tap_gone t1
}

# A dispatcher in the generic path: an interface has only one.
attach_beside_generic() {
	tap_new t1
	xdp-loader load -m skb -n other t1 /other.bpf.o
	virtmesh attach t1 --ensemble 1 --node 9
	eq "$(attached t1)" "xdp_dispatcher skb"
	eq "$(port t1 dispatcher) $(port t1 mode)" "true generic"
	unicast t1 9 vm1 1 60-1514
	group t1 9 60 vm1 vm2 vm3
	virtmesh detach t1
	eq "$(programs t1)" "50 other"
	xdp-loader unload t1 --all
	tap_gone t1
}

# The dispatcher has room for ten.
attach_full() {
	tap_new t1
	for i in 1 2 3 4 5; do
		xdp-loader load t1 /other.bpf.o /other.bpf.o
	done
	before=$(xdp-loader status t1)
	refuses "as many programs as it can" virtmesh attach t1 --ensemble 1 --node 9
	eq "$(xdp-loader status t1)" "$before"
	eq "$(port t1 mode)" ""
	xdp-loader unload t1 --all
	tap_gone t1
}

# MTU, ring and program. Its carrier may change by itself.
link_settings() { ip2 link show dev "$1" | grep -o 'mtu [0-9]* [^ ]*\|qlen [0-9]*\|prog/xdp .*'; }

# in_the_way MODE: a program that no dispatcher calls
in_the_way() {
	tap_new t1
	ip2 link set dev t1 "$1" obj /other.bpf.o sec xdp
	before=$(link_settings t1)
	state=$(virtmesh show --json; bpftool -j map dump pinned $PINS/nodes)
	refuses "another XDP program, other (id" virtmesh attach t1 --ensemble 1 --node 9
	refuses "ip link set dev t1 $1 off" virtmesh attach t1 --ensemble 1 --node 9
	eq "$(link_settings t1)" "$before"
	eq "$(virtmesh show --json; bpftool -j map dump pinned $PINS/nodes)" "$state"
	eq "$(libxdp_pins t1)" 0
	# What it says to do helps.
	ip2 link set dev t1 "$1" off
	virtmesh attach t1 --ensemble 1 --node 9
	unicast t1 9 vm1 1 60-1514
	virtmesh detach t1
	tap_gone t1
}

# The tap goes, and libxdp's pins for what was beside us on it.
port_del_under_other() {
	virtmesh port add vm4 --ensemble 1 --node 4
	xdp-loader load -n other vm4 /other.bpf.o
	eq "$(libxdp_pins vm4)" 1
	index=$(cat /sys/class/net/vm4/ifindex)
	virtmesh port del vm4
	eq "$(find $XDP_PINS -name "dispatch-$index-*")" "" "libxdp's pins"
	until_done no_program other
	steers
}
no_program() { ! bpftool prog show name "$1" 2>/dev/null | grep -q .; }

# Ours was unloaded by somebody, and a tap deleted: told, and mended.
taken_away() {
	virtmesh port add vm4 --ensemble 1 --node 4
	xdp-loader unload vm4 --all
	eq "$(port vm4 mode)" detached
	refuses "the steering program was taken off it" sh -c "virtmesh doctor | grep ' vm4 ' >&2; exit 1"
	virtmesh port del vm4
	virtmesh port add vm4 --ensemble 1 --node 4
	index=$(cat /sys/class/net/vm4/ifindex)
	tap_gone vm4
	virtmesh port add vm4 --ensemble 1 --node 4
	[ -z "$(find $XDP_PINS -name "dispatch-$index-*")" ] || fail "the old vm4 left libxdp's pins"
	unicast vm1 1 vm4 4 60-1514
	virtmesh port del vm4
}

# Nothing of vmesh0 is left, and a command has failed to make it again: how ports are
# attached is found out anew.
vmesh0_in_the_way() {
	ip2 link del dev vmesh0
	ip2 tuntap add dev vmesh0 mode tap
	refuses "is not the mesh's" virtmesh ensemble add 1
	ip2 link del dev vmesh0
	virtmesh ensemble add 1
	eq "$(port vmesh0 dispatcher) $(port vmesh0 mode)" "true native"
	virtmesh port add vm4 --ensemble 1 --node 4
	eq "$(port vm4 dispatcher) $(port vm4 mode)" "true native"
	unicast vm1 1 vm4 4 60-1514
	virtmesh port del vm4
}

# A command killed between attaching and the maps left the program on the interface.
left_over() {
	tap_new t1
	virtmesh attach t1 --ensemble 1 --node 9
	# shellcheck disable=SC2046 # a word a byte
	bpftool map delete pinned $PINS/ports key $(key t1)
	# shellcheck disable=SC2046
	bpftool map update pinned $PINS/port_index key $(key t1) value $(yes 0 | head -n 16)
	refuses "runs the steering program already" virtmesh attach t1 --ensemble 1 --node 9
	eq "$(programs t1)" "50 steer"
	virtmesh detach t1
	eq "$(programs t1)" ""
	virtmesh attach t1 --ensemble 1 --node 9
	unicast t1 9 vm1 1 60-1514
	virtmesh detach t1
	tap_gone t1
}
key() { index=$(cat "/sys/class/net/$1/ifindex") && echo $((index % 256)) $((index / 256)) 0 0; }

# port add was killed: its tap went with it, and no map tells of it.
killed_add() {
	virtmesh port add vm4 --ensemble 1 --node 4
	index=$(cat /sys/class/net/vm4/ifindex)
	copy=$(program_id vm4 steer)
	# shellcheck disable=SC2046 # a word a byte
	bpftool map delete pinned $PINS/ports key $(key vm4)
	# shellcheck disable=SC2046
	bpftool map update pinned $PINS/port_index key $(key vm4) value $(yes 0 | head -n 16)
	# Somebody's program on an interface that has gone as well: not ours to take away.
	tap_new t1
	xdp-loader load -n other t1 /other.bpf.o
	theirs=$(cat /sys/class/net/t1/ifindex)
	tap_gone t1
	tap_gone vm4
	[ -n "$(find $XDP_PINS -name "dispatch-$index-*")" ] || fail "libxdp left nothing: no test"
	virtmesh ensemble add 1
	eq "$(find $XDP_PINS -name "dispatch-$index-*")" "" "libxdp's pins"
	[ -n "$(find $XDP_PINS -name "dispatch-$theirs-*")" ] || fail "theirs were removed"
	xdp-loader clean
	until_done no_program_id "$copy"
	virtmesh port add vm4 --ensemble 1 --node 4
	unicast vm1 1 vm4 4 60-1514
	virtmesh port del vm4
}
no_program_id() { ! bpftool prog show id "$1" >/dev/null 2>&1; }

veth_new() {
	ip2 link add v1 type veth peer name p1
	for i in v1 p1; do
		echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6
	done
	ip2 link set dev p1 address "$(mac 8)" mtu "$1" up
	ip2 link set dev v1 mtu "$1" up
}

veth_native() {
	veth_new 3366
	virtmesh attach v1 --ensemble 1 --node 8
	eq "$(port v1 dispatcher) $(port v1 mode)" "true native"
	unicast v1 8 vm1 1 60-3380
	group vm1 1 60-1514 vm2 vm3 v1
	group v1 8 60-1514 vm1 vm2 vm3
	virtmesh detach v1
	eq "$(attached v1)" "<No XDP" "no program"
	eq "$(libxdp_pins v1)" 0
	ip2 link del dev v1
}

# libxdp cannot read its pins for a while: no reason to take the interface for gone.
pins_hidden() {
	veth_new 3366
	virtmesh attach v1 --ensemble 1 --node 8
	mv $XDP_PINS /sys/fs/bpf/hidden
	before=$(ip2 link show dev v1 | grep 'prog/xdp')
	refuses "cannot detach from v1" virtmesh detach v1
	refuses "ip link set dev v1 xdp off" virtmesh detach v1
	eq "$(ip2 link show dev v1 | grep 'prog/xdp')" "$before" "the program on v1"
	eq "$(port v1 node)" 8 "still a port"
	# libxdp has made the directory anew.
	rmdir $XDP_PINS 2>/dev/null || :
	mv /sys/fs/bpf/hidden $XDP_PINS
	virtmesh detach v1
	eq "$(attached v1)" "<No XDP" "no program"
	eq "$(libxdp_pins v1)" 0
	ip2 link del dev v1
}

# Over a page, veth has no native XDP.
veth_generic() {
	veth_new 9000
	virtmesh attach v1 --ensemble 1 --node 8 >/tmp/out 2>&1
	grep -q "native XDP path was refused (veth: .*MTU.*); using the generic one" /tmp/out ||
		fail "$(cat /tmp/out)"
	eq "$(port v1 dispatcher) $(port v1 mode)" "true generic"
	eq "$(attached v1)" "xdp_dispatcher skb"
	unicast v1 8 vm1 1 60-3380
	group vm1 1 60-1514 vm2 vm3 v1
	group v1 8 60-1514 vm1 vm2 vm3
	virtmesh detach v1
	eq "$(libxdp_pins v1)" 0
	ip2 link del dev v1
}

# Frames over a page: the native program runs in the generic path for these.
jumbo() {
	virtmesh port add vm4 --ensemble 1 --node 4 --mtu 9000
	virtmesh port add vm5 --ensemble 1 --node 5 --mtu 9000
	unicast vm4 4 vm5 5 3300-9014
	say vm4 4 "$(mac 5)" 6 --size 9014
	eq "$(lost vm5 lost-skb)" 6 "nobody reads: counted all the same"
	virtmesh port del vm4
	virtmesh port del vm5
}

# Node 0 has vmesh0 open and hears its guests; a program beside ours does not matter.
broker() {
	mkdir -p /run/virtmesh
	virtmeshd >/tmp/virtmeshd.log 2>&1 &
	pid=$!
	until_done test -S /run/virtmesh/ctl.sock
	virtmesh doctor | grep -q "^ok  *broker" || fail "doctor does not see it"
	virtmesh nodes | grep -q "absent" || fail "nodes: $(virtmesh nodes)"
	xdp-loader load -P 10 -n other vmesh0 /other.bpf.o
	before=$(port vmesh0 tx_frames)
	say vm1 1 02:4d:00:01:00:00 3 --type 0x88b5
	eq $(($(port vmesh0 tx_frames) - before)) 3
	eq "$(lost vmesh0 lost-closed)" 0
	kill $pid
	wait $pid || fail "status $?: $(cat /tmp/virtmeshd.log)"
	# Somebody's program stays: mesh_down has to cope with it.
	eq "$(programs vmesh0)" "10 other 50 steer"
}

mesh_down() {
	for n in 1 2 3; do
		virtmesh port del vm$n
	done
	virtmesh ensemble del 1
	nothing_left
}

nothing_left() {
	[ ! -e $PINS ] || fail "pins: $(find $PINS)"
	[ -z "$(find $XDP_PINS -name 'dispatch-*')" ] || fail "libxdp's pins: $(find $XDP_PINS)"
	eq "$(ls /sys/class/net)" lo interfaces
	# Freed by RCU, a moment after.
	until_done no_links
	until_done no_program steer
	until_done no_program other
	until_done no_program egress
}
no_links() { [ -z "$(bpftool link)" ]; }

# The group's map grows five times. (More ports do nothing else.)
many() {
	virtmesh ensemble add 2
	for i in $(seq 1 20); do
		virtmesh port add "n$i" --ensemble 2 --node "$i" >/dev/null
	done
	eq "$(virtmesh show --ensemble 2 | grep -c '^n[0-9]* .* native ')" 20
	eq "$(virtmesh show --ensemble 2 --json | grep -c '^      "dispatcher":true')" 21 "and vmesh0's"
	traffic recv --count 20 --time 20 tap:n20 >/tmp/n20.got 2>/tmp/n20.ready &
	pid=$!
	until_done grep -qs ready /tmp/n20.ready
	traffic send --src 02:4d:00:02:00:01 --dst 02:4d:00:02:00:14 --count 10 tap:n1
	traffic send --src 02:4d:00:02:00:02 --dst 03:4d:00:02:ff:ff --count 10 --seed 2 tap:n2
	wait $pid || fail "$(cat /tmp/n20.got)"
	grep -q "^total=20 corrupt=0" /tmp/n20.got || fail "$(cat /tmp/n20.got)"
	# Those who do not listen: each clone is counted where it was lost.
	eq "$(lost n7 lost-closed) $(lost n19 lost-closed) $(lost n20 lost-closed)" "10 10 0"
}
