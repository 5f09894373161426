#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What deploy/ ships for vhost-user ports, as far as this machine can judge it:
# the units, the users, the examples, and QEMU on a port that virtmesh-port serves.
. "$(dirname "$0")/../lib.sh"
isolate "$@"
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"

SOCKET=/run/virtmesh/ports/vm1/vhost-user.sock

units_verify() {
	command -v systemd-analyze >/dev/null || skip "no systemd-analyze"
	local unit
	mkdir "$tmp/units"
	# With programs that are there, and no manuals: verify runs man(1).
	for unit in virtmeshd.service virtmesh-port@.service; do
		sed "s|/usr/local/sbin/|/bin/true |; /^Documentation=/d; s/AssertPath.*//" \
			"$srctree/deploy/systemd/$unit" >"$tmp/units/$unit"
	done
	eq "$(systemd-analyze verify "$tmp/units/virtmesh-port@.service" 2>&1)" ""
	eq "$(systemd-analyze verify "$tmp/units/virtmeshd.service" 2>&1)" ""
	sed 's|^ExecStart=virtmesh|ExecStart=/bin/true|; /^Documentation=/d' \
		"$srctree/deploy/examples/mesh.service" >"$tmp/units/mesh.service"
	eq "$(systemd-analyze verify "$tmp/units/mesh.service" 2>&1)" ""
}

# The commands of the unit, as they stand there, twice: it may be started again.
mesh_example() {
	local words i
	for user in passwd group; do
		cp "/etc/$user" "$tmp/$user"
		grep -q '^libvirt-qemu:' "$tmp/$user" || case $user in
		passwd) echo "libvirt-qemu:x:61020:61021::/nonexistent:/bin/false" ;;
		group) echo "libvirt-qemu:x:61021:" ;;
		esac >>"$tmp/$user"
		mount --bind "$tmp/$user" "/etc/$user"
	done
	for i in 1 2; do
		while read -r words; do
			# shellcheck disable=SC2086 # words
			$words || fail "$words"
		done < <(sed -n 's/^ExecStart=//p' "$srctree/deploy/examples/mesh.service")
	done
	umount /etc/passwd /etc/group
	eq "$(port_json vm1 node) $(port_json vm3 node)" "1 3"
	eq "$(port_json vm3 vhost_user)" true
	unmesh
}

# Ends with 1 when the exposure is above the threshold (in tenths).
units_are_hardened() {
	systemd-analyze security --help 2>/dev/null | grep -q -- --offline ||
		skip "systemd-analyze cannot look at files"
	systemd-analyze security --offline=true --threshold=30 \
		"$srctree/deploy/systemd/virtmesh-port@.service" >"$tmp/port.security" ||
		fail "$(tail -1 "$tmp/port.security")"
	systemd-analyze security --offline=true --threshold=45 \
		"$srctree/deploy/systemd/virtmeshd.service" >"$tmp/broker.security" ||
		fail "$(tail -1 "$tmp/broker.security")"
}

# What the unit says must be what the program takes, and the paths the command's.
unit_fits_the_port() {
	local unit=$srctree/deploy/systemd/virtmesh-port@.service word
	grep -q "^Environment=\"VIRTMESH_PORT=--socket /run/virtmesh/ports/%i/vhost-user.sock\"" \
		"$unit"
	virtmesh port add vm1 --ensemble 1 --node 1 --vhost-user --owner 61001 >"$tmp/added"
	grep -q "$SOCKET" "$tmp/added"
	out=$("$O/host/vhost/virtmesh-port" --help)
	for word in --tap --socket --connect --poll-us; do
		says "$word"
	done
}

manual_is_complete() {
	local manual word
	manual=$(sed 's/\\-/-/g; s/\\f[BIR]//g' "$srctree/host/vhost/virtmesh-port.8")
	for word in $("$O/host/vhost/virtmesh-port" --help | grep -o -- '--[a-z-]*' | sort -u); do
		case $manual in *"$word"*) ;; *) fail "virtmesh-port.8 has nothing of $word" ;; esac
	done
}

users_are_made() {
	command -v systemd-sysusers >/dev/null || skip "no systemd-sysusers"
	mkdir -p "$tmp/root/etc"
	systemd-sysusers --root="$tmp/root" - <"$srctree/deploy/sysusers/virtmesh.conf"
	grep -q "^virtmesh-port:" "$tmp/root/etc/passwd"
	grep -q "^virtmesh:.*:virtmesh-port$" "$tmp/root/etc/group"
}

directories_are_made() {
	command -v systemd-tmpfiles >/dev/null || skip "no systemd-tmpfiles"
	getent group virtmesh >/dev/null || {
		cp /etc/group "$tmp/group"
		echo "virtmesh:x:61010:" >>"$tmp/group"
		mount --bind "$tmp/group" /etc/group
	}
	systemd-tmpfiles --create "$srctree/deploy/tmpfiles/virtmesh.conf"
	umount /etc/group 2>/dev/null || :
	eq "$(stat -c '%a %u %g' /run/virtmesh)" "751 0 0"
	eq "$(stat -c '%a %u %g' /run/virtmesh/ports)" "751 0 0"
}

# systemd gives its RuntimeDirectory, with all the rooms below, to the unit's user and
# group, unless it is theirs already: so who makes it first must make it the same.
directory_is_the_unit_s() {
	local unit=$srctree/deploy/systemd/virtmeshd.service
	grep -q '^RuntimeDirectory=virtmesh$' "$unit"
	grep -q '^RuntimeDirectoryMode=0751$' "$unit"
	eq "$(grep -E '^(User|Group)=' "$unit" || :)" "" "root's, as the directory"
	cp /etc/group "$tmp/group"
	grep -q '^virtmesh:' "$tmp/group" || echo "virtmesh:x:61010:" >>"$tmp/group"
	mount --bind "$tmp/group" /etc/group
	virtmesh port add vm1 --ensemble 1 --node 1 --vhost-user --owner 61001
	umount /etc/group
	eq "$(stat -c '%a %u %g' /run/virtmesh)" "751 0 0"
}

libvirt_example() {
	command -v xmllint >/dev/null || skip "no xmllint"
	local xml=$srctree/deploy/examples/libvirt-port.xml schema=/usr/share/libvirt/schemas/domain.rng
	xmllint --noout "$xml"
	if [ -e "$schema" ]; then
		xmllint --noout --relaxng "$schema" "$xml" 2>"$tmp/rng" || fail "$(cat "$tmp/rng")"
	fi
	# It is port vm1, node 1 of ensemble 1.
	virtmesh port add vm1 --ensemble 1 --node 1 --vhost-user --owner 61001
	eq "$(xmllint --xpath 'string(//interface/source/@path)' "$xml")" "$SOCKET"
	eq "$(xmllint --xpath 'string(//interface/mac/@address)' "$xml")" "$(port_json vm1 mac)"
	eq "$(xmllint --xpath 'string(//interface/mtu/@size)' "$xml")" "$(port_json vm1 mtu)"
	eq "$(xmllint --xpath 'string(//memoryBacking/access/@mode)' "$xml")" shared
}

# A cloud-hypervisor that only shows what it was told.
cloud_hypervisor_example() {
	virtmesh port add vm1 --ensemble 1 --node 1 --vhost-user --owner 61001
	virtmesh port add vm2 --ensemble 1 --node 2
	cat >"$tmp/ch" <<-'END'
		#!/bin/sh
		for word; do echo "$word"; done
	END
	chmod +x "$tmp/ch"
	out=$(CLOUD_HYPERVISOR=$tmp/ch "$srctree/deploy/examples/cloud-hypervisor.sh" vm1 kern img --x)
	says "vhost_user=true,socket=$SOCKET,mac=$(mac 1 1),"
	says "shared=on"
	says "--x"
}

# virtmesh-port for vm1, started with the options in $@ and killed with the case.
start_port() {
	virtmesh port add vm1 --ensemble 1 --node 1 --vhost-user --owner 61001
	"$O/host/vhost/virtmesh-port" --tap vm1 "$@" 2>"$tmp/port.log" &
	port=$!
	wait_until 20 grep -q event=ready "$tmp/port.log" || fail "$(cat "$tmp/port.log")"
}

stop_port() {
	kill "$port"
	wait "$port" || fail "virtmesh-port ended with $?: $(cat "$tmp/port.log")"
}

# QEMU of the example on the port: it negotiates, and is asked for its devices.
qemu_on_the_port() {
	command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
	[ -x "$O/host/vhost/virtmesh-port" ] || skip "virtmesh-port is not built"
	local status=0
	start_port --socket "$SOCKET"
	out=$(virtmesh show)
	says "vhost-user:port/"
	truncate -s 1M "$tmp/image"
	cat >"$tmp/qemu" <<-END
		#!/bin/sh
		exec timeout 60 qemu-system-x86_64 "\$@" -S -nodefaults -monitor stdio
	END
	chmod +x "$tmp/qemu"
	printf 'info network\nquit\n' | QEMU=$tmp/qemu ACCEL=tcg MEMORY=64M CPUS=1 \
		"$srctree/deploy/examples/qemu.sh" vm1 "$tmp/image,format=raw" -display none \
		>"$tmp/qemu.out" 2>&1 || status=$?
	eq "$status" 0 "QEMU: $(cat "$tmp/qemu.out"; cat "$tmp/port.log")"
	out=$(cat "$tmp/qemu.out")
	says "macaddr=$(mac 1 1)"
	says "type=vhost-user"
	stop_port
}

# Without its port QEMU would start with no card at all.
qemu_without_the_port() {
	printf '#!/bin/sh\ntouch %s/started\n' "$tmp" >"$tmp/qemu"
	chmod +x "$tmp/qemu"
	fails 3 env QEMU="$tmp/qemu" "$srctree/deploy/examples/qemu.sh" vm7 "$tmp/image"
	says "no interface vm7"
	[ ! -e "$tmp/started" ] || fail "QEMU was started"
}

qemu_listens() {
	command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
	[ -x "$O/host/vhost/virtmesh-port" ] || skip "virtmesh-port is not built"
	local qemu
	start_port --connect "$SOCKET"
	# As the port's user: a socket is its maker's to connect to.
	chmod 755 "$tmp"
	mkfifo "$tmp/monitor"
	# shellcheck disable=SC2046 # words for QEMU
	setpriv --reuid 61001 --regid 61001 --clear-groups \
		timeout 60 qemu-system-x86_64 -S -machine q35,accel=tcg -display none -nodefaults \
		-monitor stdio $(virtmesh qemu-args vm1 --memory 64M --listen) \
		<"$tmp/monitor" >"$tmp/qemu.out" 2>&1 &
	qemu=$!
	printf 'info network\nquit\n' >"$tmp/monitor"
	wait "$qemu" || fail "QEMU: $(cat "$tmp/qemu.out" "$tmp/port.log")"
	out=$(cat "$tmp/qemu.out")
	says "type=vhost-user"
	stop_port
}

case_on "the units are what systemd takes" units_verify
case_on "the units are hardened" units_are_hardened
case_on "the port's unit has the options and paths of its program" with_mesh unit_fits_the_port
case_on "the port's manual names all its options" manual_is_complete
case_on "sysusers makes the port's user a member of virtmesh" users_are_made
case_on "tmpfiles makes what the command would make" directories_are_made
case_on "the command makes the directory as the broker's unit wants it" \
	with_mesh directory_is_the_unit_s
case_on "the commands of the unit for each boot make the mesh, once" mesh_example
case_on "the libvirt example is a domain with port vm1 on shared memory" with_mesh libvirt_example
case_on "the cloud-hypervisor example gives socket, address and shared memory" \
	with_mesh cloud_hypervisor_example
case_on "QEMU by the example connects to virtmesh-port" with_mesh qemu_on_the_port
case_on "the example starts no QEMU without its port" with_mesh qemu_without_the_port
case_on "virtmesh-port connects to a QEMU that listens" with_mesh qemu_listens
finish
