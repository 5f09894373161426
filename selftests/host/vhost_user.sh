#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Vhost-user ports: what `port add --vhost-user` sets up for virtmesh-port, what
# is told of it, and that it goes.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

ROOMS=/run/virtmesh/ports
OWNER=61001

add() {
	virtmesh port add "$1" --ensemble 1 --node "$2" --vhost-user --owner "$OWNER" "${@:3}"
}

room_is_right() {
	out=$(add vm1 1 --group 61002)
	says "$ROOMS/vm1/vhost-user.sock"
	eq "$(stat -c '%a %u %g' "$ROOMS"/vm1)" "2770 $OWNER 61002"
	eq "$(stat -c '%a %u %g' "$ROOMS")" "751 0 0"
	eq "$(stat -c '%a %u %g' /run/virtmesh)" "751 0 0"
	eq "$(cat /sys/class/net/vm1/owner)" "$OWNER"
	eq "$(mapdump | grep '^ports' | grep -c 'flags 12 ')" 1 "owned, vhost-user"
	eq "$(port_json vm1 vhost_user)" true
	eq "$(port_json vm1 served)" -
	virtmesh port add vm2 --ensemble 1 --node 2
	eq "$(port_json vm2 vhost_user)" false
	[ ! -e "$ROOMS"/vm2 ] || fail "a room for nobody"
	# The owner can use it and a stranger can not even look.
	setpriv --reuid "$OWNER" --regid "$OWNER" --clear-groups touch "$ROOMS"/vm1/vhost-user.sock
	eq "$(stat -c %g "$ROOMS"/vm1/vhost-user.sock)" 61002 "what is made in it is the group's"
	fails 2 setpriv --reuid 61003 --regid 61003 --clear-groups ls "$ROOMS"/vm1
	virtmesh port del vm1
	eq "$(ls "$ROOMS")" ""
	# A name that ls does not show.
	add .vm1 1
	virtmesh port del .vm1
	eq "$(ls -A "$ROOMS")" ""
}

default_owner() {
	local uid
	getent passwd virtmesh-port >/dev/null || {
		cp /etc/passwd "$tmp/passwd"
		echo "virtmesh-port:x:61007:61008::/nonexistent:/bin/false" >>"$tmp/passwd"
		mount --bind "$tmp/passwd" /etc/passwd
	}
	uid=$(id -u virtmesh-port)
	virtmesh port add vm1 --ensemble 1 --node 1 --vhost-user
	eq "$(cat /sys/class/net/vm1/owner)" "$uid"
	eq "$(stat -c '%u %g' "$ROOMS"/vm1)" "$uid $(id -g virtmesh-port)"
	virtmesh port add vm2 --ensemble 1 --node 2
	eq "$(cat /sys/class/net/vm2/owner)" 0 "of a port without --vhost-user"
	umount /etc/passwd 2>/dev/null || :
}

twice() {
	add vm1 1 --group 61002
	rm -r "$ROOMS"
	out=$(add vm1 1)
	says "exists already"
	eq "$(stat -c '%a %u' "$ROOMS"/vm1)" "2770 $OWNER" "a room that was removed comes again"
	chown 0:61005 "$ROOMS"/vm1
	out=$(virtmesh port add vm1 --ensemble 1 --node 1)
	says "vhost-user.sock"
	eq "$(stat -c '%u %g' "$ROOMS"/vm1)" "$OWNER 61005" "mended, the group kept"
	virtmesh port add vm2 --ensemble 1 --node 2
	fails 1 virtmesh port add vm2 --ensemble 1 --node 2 --vhost-user
	says "not virtmesh-port's"
	[ ! -e "$ROOMS"/vm2 ] || fail "made a room for what it refused"
	fails 1 virtmesh port add vm3 --ensemble 1 --node 1 --vhost-user
	[ ! -e "$ROOMS"/vm3 ] || fail "made a room for what it refused"
	fails 2 virtmesh port add vm4 --ensemble 1 --node 4 --group 1
	says "is for --vhost-user"
}

hostile_room() {
	mkdir "$tmp/precious"
	touch "$tmp/precious/file"
	add vm1 1
	# What its owner may leave there.
	ln -s "$tmp/precious" "$ROOMS"/vm1/link
	touch "$ROOMS"/vm1/-rf "$ROOMS"/vm1/.hidden
	virtmesh port del vm1
	[ ! -e "$ROOMS"/vm1 ] || fail "room left: $(ls -a "$ROOMS"/vm1)"
	[ -e "$tmp/precious/file" ] || fail "a link was followed"
	# A link instead of the room is not followed either.
	ln -s "$tmp/precious" "$ROOMS"/vm1
	fails 1 add vm1 1
	says "cannot make"
	[ -e "$tmp/precious/file" ] || fail "a link was followed"
	eq "$(stat -c %u "$tmp/precious")" 0
	rm "$ROOMS"/vm1
	eq "$(virtmesh show --json | grep -c '"vm1"' || :)" 0
}

# The port's own name leads to its room, whatever else the interface is called.
other_name() {
	add vm1 1
	ip link property add dev vm1 altname other 2>"$tmp/ip" || skip "no other names: $(cat "$tmp/ip")"
	out=$(add other 1; virtmesh uml-args other; virtmesh qemu-args other --memory 1G)
	[[ $out != */other/* ]] || fail "$out"
	says "port vm1 exists already"
	says "virtio_uml.device=$ROOMS/vm1/vhost-user.sock"
	says "path=$ROOMS/vm1/vhost-user.sock"
	eq "$(ls "$ROOMS")" vm1
	out=$(virtmesh port del other)
	says "port vm1 removed"
	eq "$(ls "$ROOMS")" ""
}

# The owner of the port before keeps its room from being removed, and his group's way in.
room_of_another_before() {
	add vm1 1 --group 61002
	mkdir "$ROOMS"/vm1/directory
	virtmesh port del vm1
	virtmesh port add vm1 --ensemble 1 --node 1 --vhost-user --owner 61004
	eq "$(stat -c '%a %u %g' "$ROOMS"/vm1)" "2770 61004 0"
	rm -r "$ROOMS"/vm1/directory
}

# A name is not a way to another directory: all that is below /run/virtmesh, and elsewhere.
names_that_lead_elsewhere() {
	local name before
	mkdir -p "$ROOMS"/x/y /run/virtmesh/precious "$tmp/victim"
	chmod 751 /run/virtmesh "$ROOMS"
	touch /run/virtmesh/ctl.sock /run/virtmesh/precious/file "$ROOMS"/file "$tmp/victim/file"
	chmod 750 "$tmp/victim" /run/virtmesh/precious
	before=$(everything)
	for name in .. . ../precious ../../virtmesh "$tmp/victim" ./x x/y "$ROOMS/x" \
		"$(printf '../%.0s' {1..40})run/virtmesh"; do
		fails 2 add "$name" 1
		says "name of an interface"
		fails 2 virtmesh port del "$name"
		eq "$(everything)" "$before" "$name"
	done
	rm -r /run/virtmesh/precious /run/virtmesh/ctl.sock "$ROOMS" "$tmp/victim"
}
everything() {
	find /run/virtmesh "$tmp/victim" -printf '%p %m %U %G\n' | sort
}

room_of_a_port_that_vanished() {
	local change
	virtmesh port add vm2 --ensemble 1 --node 2
	for change in "ensemble add 1" "port del vm1" "port add vm2 --ensemble 1 --node 2"; do
		add vm1 1
		ip link del vm1
		# shellcheck disable=SC2086 # words
		virtmesh $change || eq "$?" 3
		eq "$(ls "$ROOMS")" "" "after $change"
	done
}

# Whoever holds the tap: frame(1) of these tests, under another name.
served() {
	local pid
	cp "$frame" "$tmp/virtmesh-port"
	add vm1 1
	"$tmp/virtmesh-port" recv vm1 1 30 >"$tmp/vm1.frames" &
	pid=$!
	wait_until 5 grep -q ready "$tmp/vm1.frames"
	eq "$(port_json vm1 served)" port/own
	eq "$(port_json vm1 served_pid)" "$pid"
	out=$(virtmesh show)
	says "vhost-user:port/own"
	out=$(virtmesh doctor)
	says "served by virtmesh-port, pid $pid"
	fails 1 virtmesh port del vm1
	says "systemctl stop virtmesh-port@vm1"
	[ -d "$ROOMS"/vm1 ] || fail "the room of a port in use was removed"
	kill "$pid"
	wait "$pid" 2>/dev/null || :
	eq "$(port_json vm1 served)" -
}

doctor_looks_at_rooms() {
	add vm1 1
	out=$(virtmesh doctor)
	says "systemctl start virtmesh-port@vm1"
	says hugepages
	says io_uring
	chown 0 "$ROOMS"/vm1
	fails 1 virtmesh doctor
	says "is user 0's and the tap user $OWNER's"
	rm -r "$ROOMS"/vm1
	fails 1 virtmesh doctor
	says "virtmesh port add vm1 --ensemble 1 --node 1 --vhost-user"
	add vm1 1
	virtmesh doctor >/dev/null
}

args_for_vmms() {
	add vm1 1
	virtmesh port add vm2 --ensemble 1 --node 2
	fails 1 virtmesh qemu-args vm1
	says "--memory 1G"
	out=$(virtmesh qemu-args vm1 --memory 512M)
	says "-m 512M -object memory-backend-memfd,id=virtmesh-memory,share=on,size=512M"
	says "path=$ROOMS/vm1/vhost-user.sock,reconnect=1"
	says "csum=off,gso=off"
	says "mac=$(mac 1 1),"
	# A bare number: MiB, in both places.
	out=$(virtmesh qemu-args vm1 --memory 2048)
	says "-m 2048M -object memory-backend-memfd,id=virtmesh-memory,share=on,size=2048M -machine"
	out=$(virtmesh qemu-args vm1 --memory 512M --listen)
	says "path=$ROOMS/vm1/vhost-user.sock,server=on,wait=off"
	fails 1 virtmesh qemu-args vm2 --memory 512M
	fails 1 virtmesh qemu-args vm2 --listen
	for size in 0 M 12k 1.5G "1G,x=y" 9999999999 ""; do
		fails 2 virtmesh qemu-args vm1 --memory "$size"
		says "512M or 4G"
	done
	eq "$(virtmesh uml-args vm1)" "virtio_uml.device=$ROOMS/vm1/vhost-user.sock:1"
	fails 1 virtmesh uml-args vm2
	says "--vhost-user"
	fails 3 virtmesh uml-args vm3
	eq "$(json /args/0 virtmesh uml-args vm1 --json)" "$(virtmesh uml-args vm1)"
	eq "$(json /socket virtmesh qemu-args vm1 --memory 1G --json)" "$ROOMS"/vm1/vhost-user.sock
	eq "$(json /socket virtmesh port add vm1 --ensemble 1 --node 1 --json)" \
		"$ROOMS"/vm1/vhost-user.sock
}

case_on "port add --vhost-user makes a room for the port's user and the VMM's group" \
	with_mesh room_is_right
case_on "without --owner a vhost-user port is the user virtmesh-port's" with_mesh default_owner
case_on "the same vhost-user port twice mends its room, another kind is refused" with_mesh twice
case_on "what an owner leaves in a room is not followed" with_mesh hostile_room
case_on "a port that is asked for by another name of its interface" with_mesh other_name
case_on "a room that could not be removed lets nobody in of the port before" \
	with_mesh room_of_another_before
case_on "a name that leads elsewhere is refused, and nothing there changes" \
	with_mesh names_that_lead_elsewhere
case_on "the room of a port whose interface vanished goes with the next change" \
	with_mesh room_of_a_port_that_vanished
case_on "show, doctor and port del tell which process serves a port" with_mesh served
case_on "doctor finds a room that is missing or another's" with_mesh doctor_looks_at_rooms
case_on "qemu-args and uml-args of a vhost-user port" with_mesh args_for_vmms
finish
