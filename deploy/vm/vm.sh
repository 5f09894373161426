# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Guests for tests and the demo: a library for bash. Source it, then:
#
#	vm_init DIR [WORD]...	choose kernel and accelerator, make the initramfs;
#				the words are initramfs.sh's. VM_ACCEL_CACHE as in accel.sh
#	vm_start NAME [ARG]...	start a guest; the arguments are QEMU's
#	vm_wait NAME [SECONDS]	until its init takes commands
#	vm_exec NAME [-t SECONDS] SCRIPT
#				run a shell script in it: its output and its status
#	vm_put NAME FILE DEST	copy a file into it
#	vm_qmp NAME COMMAND [JSON]
#				a QMP command with its arguments; prints the return
#	vm_event NAME EVENT [SECONDS]
#				wait for a QMP event since the guest's start or the last wait
#	vm_alive NAME		is its QEMU running?
#	vm_klog NAME		its kernel log since the last call; all of it is kept in
#				DIR/NAME/dmesg.log. A dead guest's is its console
#	vm_unread NAME		what its kernels have said on the console since the last
#				vm_unread, warnings and worse, also in a life that has ended
#				since
#	vm_nic NAME		the arguments for a device on the mesh port NAME
#	vm_reset NAME		as by the button
#	vm_unplug NAME [PORT]	take away the device with the id nic-PORT (default: NAME)
#	vm_plug NAME		give the mesh port NAME's back
#	vm_stop NAME		pull the plug
#	vm_stop_all		of every guest
#
# Each guest has a directory DIR/NAME. vm_start makes these variables matter:
# VM_MEM (MiB, default 192), VM_CPUS (1), VM_APPEND (kernel command line),
# VM_CONSOLE=1 (a shell, where vm_console says).
#
# QEMU's ends of the control channel and of QMP are pairs of FIFOs, opened here
# for reading and writing so that no open ever blocks; that is why every read has
# a deadline and looks whether the guest still lives. One command at a time for
# each guest (flock): guests run in parallel, commands to one do not. Whoever
# sources this calls vm_stop_all in its EXIT trap, and should run in a process
# namespace of its own, which takes the guests along however it ends.
#
# ../uml/uml.sh makes the same of User-Mode Linux guests.
#
# Functions return 0, the script's own status (vm_exec), or 125 when the guest
# does not answer, has died or panicked, with a line on stderr.

VM_HERE=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
VM_LOST=125

vm_say() { echo "vm: $*" >&2; }

# "VERSION IMAGE TREE", as kernel.sh says.
vm_kernel() { "$VM_HERE/kernel.sh"; }

# What a mesh node needs beside its name, for the port NAME: vm_start's arguments.
# The device has an id of our own, to unplug it by.
vm_nic() {
	local args
	args=$(virtmesh qemu-args "$1") || return
	echo "${args/-device virtio-net-pci,/-device virtio-net-pci,id=nic-$1,}"
}

vm_init() {
	VM_DIR=$(realpath -m "$1")
	shift
	mkdir -p "$VM_DIR" || return
	local line
	line=$(vm_kernel) || return
	read -r VM_VERSION VM_IMAGE VM_TREE <<<"$line"
	VM_INITRAMFS=${VM_INITRAMFS:-$VM_DIR/initramfs.gz}
	"$VM_HERE/initramfs.sh" "$VM_INITRAMFS" "$VM_VERSION" "$VM_TREE" "$@" || return
	if [ -z "${VM_ACCEL-}" ]; then
		VM_ACCEL=$(VM_ACCEL_CACHE=${VM_ACCEL_CACHE-} "$VM_HERE/accel.sh" "$VM_IMAGE" "$VM_INITRAMFS") || return
	fi
	export VM_ACCEL
}

vm_alive() {
	local pid
	{ read -r pid <"$VM_DIR/$1/pid" && kill -0 "$pid"; } 2>/dev/null
}

vm_klog() {
	if vm_alive "$1" && vm_exec "$1" 'dmesg -c' >"$VM_DIR/$1/dmesg.new"; then
		tee -a "$VM_DIR/$1/dmesg.log" <"$VM_DIR/$1/dmesg.new"
	else
		cat "$VM_DIR/$1/console.log"
	fi
}

# The life of NAME's kernel is over: keep what was not read of its console. Who was
# killed may have stopped in the middle of a line; that is no reason to complain,
# since no part of a harmless line looks like a report, and the next begins anew.
vm_life_over() {
	local LC_ALL=C dir=$VM_DIR/$1
	[ -e "$dir/console.log" ] || return 0
	vm_console_unread "$1"
	[ -z "$vm_console" ] || printf '%s\n' "${vm_console%$'\n'}" >>"$dir.past"
	echo $((vm_seen + ${#vm_console})) >"$dir/console.seen"
}

# vm_console is what has come on NAME's console behind the first vm_seen bytes.
vm_console_unread() {
	{ read -r vm_seen <"$VM_DIR/$1/console.seen"; } 2>/dev/null || vm_seen=0
	vm_console=$(tail -c +$((vm_seen + 1)) "$VM_DIR/$1/console.log"; echo .)
	vm_console=${vm_console%.}
}

# The guest is asked nothing: a case's end would cost each a process.
vm_unread() {
	local LC_ALL=C dir=$VM_DIR/$1
	if [ -e "$dir.past" ]; then
		cat "$dir.past"
		rm "$dir.past"
	fi
	[ -e "$dir/pid" ] || return 0
	vm_console_unread "$1"
	# Half a line may not look like a report, nor the other half.
	vm_console=${vm_console%"${vm_console##*$'\n'}"}
	printf '%s' "$vm_console"
	echo $((vm_seen + ${#vm_console})) >"$dir/console.seen"
}

vm_start() {
	local name=$1 dir=$VM_DIR/$1 cpu console clock
	shift
	if vm_alive "$name"; then
		vm_say "$name is running already"
		return $VM_LOST
	fi
	vm_life_over "$name"
	rm -rf "$dir"
	mkdir -p "$dir" || return
	mkfifo "$dir/ctl.in" "$dir/ctl.out" "$dir/qmp.in" "$dir/qmp.out" || return
	: >"$dir/qmp.log"
	: >"$dir/ctl.lock"
	: >"$dir/qmp.lock"
	cpu=host
	clock=
	if [ "$VM_ACCEL" != kvm ]; then
		# RDRAND: or the random generator is ready only late, and to patch the running
		# kernel for that was seen to hang an emulated CPU.
		cpu=qemu64,+rdrand
		# On a busy host an emulated guest calibrates its TSC wrong, by a factor of
		# ten at times: its clock must be one that need not be calibrated.
		clock=' no_timer_check tsc=unstable'
	fi
	console="file,id=con,path=$dir/console.log"
	if [ -n "${VM_CONSOLE-}" ]; then
		console="socket,id=con,path=$dir/console.sock,server=on,wait=off,logfile=$dir/console.log"
	fi
	: >"$dir/console.log"
	qemu-system-x86_64 \
		-name "$name" -nodefaults -no-user-config -display none \
		-machine "pc,accel=$VM_ACCEL,usb=off,vmport=off,i8042=off" -cpu "$cpu" \
		-smp "${VM_CPUS:-1}" -m "${VM_MEM:-192}" \
		-chardev "$console" -serial chardev:con \
		-chardev "pipe,id=ctl,path=$dir/ctl" \
		-device virtio-serial-pci,disable-legacy=on \
		-device virtserialport,chardev=ctl,name=virtmesh.ctl \
		-chardev "pipe,id=qmp,path=$dir/qmp" -mon chardev=qmp,mode=control \
		-device virtio-rng-pci,disable-legacy=on \
		-kernel "$VM_IMAGE" -initrd "$VM_INITRAMFS" \
		-append "console=ttyS0 loglevel=5 mitigations=off random.trust_cpu=on$clock \
vm.name=$name${VM_CONSOLE:+ vm.console}${VM_APPEND:+ $VM_APPEND}" \
		"$@" </dev/null >"$dir/qemu.log" 2>&1 &
	echo $! >"$dir/pid"
	# Its end is looked for where it matters; bash need not tell of it.
	disown $!
	vm_qmp_raw "$name" '{"execute":"qmp_capabilities","id":"start"}' start 10 >/dev/null || {
		vm_say "$name did not start: $(cat "$dir/qemu.log")"
		vm_stop "$name"
		return $VM_LOST
	}
}

# Read one line of NAME's FIFO (fd $2) into vm_line, until the time $3 (ms).
vm_read_line() {
	local part
	vm_line=
	while :; do
		if IFS= read -r -t 0.5 -u "$2" part; then
			vm_line+=$part
			return 0
		fi
		vm_line+=$part
		if ! vm_alive "$1"; then
			vm_say "$1: its QEMU has ended: $(tail -n 1 "$VM_DIR/$1/qemu.log")"
			return $VM_LOST
		fi
		if grep -q 'Kernel panic' "$VM_DIR/$1/console.log"; then
			vm_say "$1: $(grep -m 1 'Kernel panic' "$VM_DIR/$1/console.log")"
			return $VM_LOST
		fi
		[ "$(vm_now)" -lt "$3" ] || return $VM_LOST
	done
}

# The library's own subshells look at each status themselves.
vm_lenient() {
	set +e
	trap - ERR
}

vm_now() { echo $((${EPOCHREALTIME//[!0-9]/} / 1000)); }

# Any number that no earlier request of this guest had.
vm_id() { echo "$BASHPID-${EPOCHREALTIME//[!0-9]/}"; }

# What must be so before `script` can be sent to NAME; may change it.
vm_prepare() { :; }

# Put $1 into the FIFO. What that may have no room for goes through cat, which can be
# stopped when nobody reads.
vm_send() {
	if [ ${#1} -lt 2000 ]; then
		printf '%s' "$1" >&7
	else
		printf '%s' "$1" | timeout $((seconds + ${VM_GRACE:-5})) cat >&7
	fi
}

vm_exec() {
	local name=$1 seconds=30 script id end verb got status bytes rc
	shift
	if [ "$1" = -t ]; then
		seconds=$2
		shift 2
	fi
	script=$*
	if ! vm_alive "$name"; then
		vm_say "$name: its QEMU does not run: $(tail -n 1 "$VM_DIR/$name/qemu.log" 2>&1)"
		return $VM_LOST
	fi
	(
		vm_lenient
		flock 9
		exec 7<>"$VM_DIR/$name/ctl.in" 8<>"$VM_DIR/$name/ctl.out" || exit $VM_LOST
		vm_prepare || exit $VM_LOST
		id=$(vm_id)
		LC_ALL=C
		# In one line (serve.c says why), which the shell writes at once.
		vm_send $'\n'"run $id $seconds ${#script} ${script//$'\n'/$'\036'}"$'\n'
		# The guest ends the script itself; a little more for a guest that boots.
		end=$(($(vm_now) + (seconds + ${VM_GRACE:-5}) * 1000))
		# An interrupted request's answer may come first: skip it.
		got=
		until [ "$got" = "$id" ]; do
			vm_read_line "$name" 8 "$end"
			rc=$?
			if [ $rc != 0 ]; then
				vm_say "$name: no answer to: ${script:0:200}"
				exit $rc
			fi
			read -r verb got status bytes <<<"$vm_line"
			[ "$verb" = 'done' ] || got=
		done
		[ "$bytes" != 0 ] || exit "$status"
		rc=0
		timeout $(((end - $(vm_now)) / 1000 + 1)) head -c "$bytes" <&8 || rc=$?
		if [ $rc = 124 ]; then
			vm_say "$name: not all $bytes bytes of the answer came to: ${script:0:200}"
			exit $VM_LOST
		fi
		exit "$status"
	) 9>"$VM_DIR/$name/ctl.lock"
}

vm_wait() {
	VM_GRACE=${2:-60} vm_exec "$1" -t 30 : || return $VM_LOST
}

vm_put() {
	local data
	data=$(gzip -9c "$2" | base64 -w 0) || return
	vm_exec "$1" "echo '$data' | base64 -d | gunzip >'$3' && chmod 755 '$3'"
}

# Send one QMP line and wait for the answer with id $3; all lines go to qmp.log.
vm_qmp_raw() {
	local name=$1 id=$3 end=$(($(vm_now) + $4 * 1000))
	(
		vm_lenient
		flock 9
		exec 7<>"$VM_DIR/$name/qmp.in" 8<>"$VM_DIR/$name/qmp.out" || exit $VM_LOST
		printf '%s\n' "$2" >&7
		while vm_read_line "$name" 8 "$end"; do
			printf '%s\n' "$vm_line" >>"$VM_DIR/$name/qmp.log"
			case $vm_line in
			*"\"id\": \"$id\""*'"error"'* | *'"error"'*"\"id\": \"$id\""*)
				vm_say "$name: $vm_line"
				exit 1
				;;
			*"\"id\": \"$id\""*)
				printf '%s\n' "$vm_line"
				exit 0
				;;
			esac
		done
		exit $VM_LOST
	) 9>"$VM_DIR/$name/qmp.lock"
}

vm_qmp() {
	local id
	id=$(vm_id)
	vm_qmp_raw "$1" "{\"execute\":\"$2\",\"id\":\"$id\"${3:+,\"arguments\":$3}}" "$id" 10
}

vm_event() {
	local name=$1 event=$2 end=$(($(vm_now) + ${3:-10} * 1000)) seen=$VM_DIR/$1/seen-$2 have
	[ -e "$seen" ] || echo 0 >"$seen"
	(
		vm_lenient
		flock 9
		exec 8<>"$VM_DIR/$name/qmp.out" || exit $VM_LOST
		while :; do
			have=$(grep -c "\"event\": \"$event\"" "$VM_DIR/$name/qmp.log")
			if [ "$have" -gt "$(cat "$seen")" ]; then
				echo $(($(cat "$seen") + 1)) >"$seen"
				exit 0
			fi
			vm_read_line "$name" 8 "$end" || exit $VM_LOST
			printf '%s\n' "$vm_line" >>"$VM_DIR/$name/qmp.log"
		done
	) 9>"$VM_DIR/$name/qmp.lock"
}

# Until the process has gone; 1 when it stays.
vm_gone() {
	local i
	for ((i = 0; i < 500; i++)); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.01
	done
	return 1
}

# Where socat finds the shell of VM_CONSOLE=1, of the guest with the directory $1.
vm_console() { echo "UNIX-CONNECT:$1/console.sock"; }

# Without a word to the guest.
vm_reset() {
	vm_qmp "$1" system_reset >/dev/null && vm_event "$1" RESET && vm_life_over "$1"
}
vm_unplug() {
	vm_qmp "$1" device_del "{\"id\":\"nic-${2-$1}\"}" >/dev/null &&
		vm_event "$1" DEVICE_DELETED 20
}
vm_plug() {
	local args
	args=$(vm_nic "$1") || return
	vm_qmp "$1" human-monitor-command \
		"{\"command-line\":\"device_add ${args#*-device }\"}" >/dev/null
}

vm_stop() {
	local pid
	pid=$(cat "$VM_DIR/$1/pid" 2>/dev/null) || return 0
	kill -9 "$pid" 2>/dev/null || :
	# Its tap is free only when it has gone.
	vm_gone "$pid" || :
	vm_life_over "$1"
	rm -f "$VM_DIR/$1/pid"
}

vm_stop_all() {
	local pid
	[ -n "${VM_DIR-}" ] || return 0
	for pid in "$VM_DIR"/*/pid; do
		[ ! -e "$pid" ] || vm_stop "$(basename "$(dirname "$pid")")"
	done
}
