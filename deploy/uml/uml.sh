# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # VM_* are vm.sh's and for who sources this; so is vm_exec's
#
# User-Mode Linux guests for tests, demo and benches: source this after vm.sh, and
# the vm_* functions are of such guests. What is different:
#
#	vm_init DIR [WORD]...	the words are stage.sh's (a module's name is nothing to
#				do: a kernel has all its modules). UML_KERNEL=plain|debug
#	vm_nic NAME		also starts a virtmesh-port for the port NAME, which
#				vm_stop ends
#	vm_start NAME [ARG]...	the arguments are the kernel's
#	vm_reset, vm_unplug, vm_plug	as with QEMU
#
# VM_MEM (MiB), VM_APPEND and VM_CONSOLE as in vm.sh; VM_CPU is the CPU that guest and port run on
# (default: guests take turns). There is no QMP.
# VM_DIR must be short enough for the name of a socket. O= holds what make built.

UML_HERE=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
UML_O=$(realpath -m "${O:-$UML_HERE/../../build}")
PATH=$UML_O/uml:$UML_O/host/vhost:$PATH

# "RELEASE LINUX BUILD", built when it must be.
vm_kernel() { "$UML_HERE/kernel.sh" "${UML_KERNEL:-plain}"; }

vm_init() {
	VM_DIR=$(realpath -m "$1")
	shift
	mkdir -p "$VM_DIR" || return
	local line word files=()
	line=$(vm_kernel) || return
	read -r VM_VERSION UML_LINUX UML_BUILD <<<"$line"
	UML_STAGE=${UML_STAGE:-$VM_DIR/stage}
	for word; do
		case $word in
		*/*) files+=("$word") ;;
		esac
	done
	"$UML_HERE/stage.sh" "$UML_STAGE" "$VM_VERSION" "$UML_BUILD" "${files[@]}" || return
	VM_ACCEL="User-Mode Linux, ${UML_KERNEL:-plain} kernel"
}

# The port's process, when there is one, is beside the guest's directory.
uml_port_stop() {
	local pid
	pid=$(cat "$VM_DIR/$1.port.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null || :
	vm_gone "$pid" || kill -9 "$pid" 2>/dev/null
	vm_gone "$pid"
	rm -f "$VM_DIR/$1.port.pid" "$VM_DIR/$1.sock"
}

# The CPU of the guest NAME, and of its port, since they talk most with each other.
# One is all a guest can use, and moving about would cost it tenfold. Which one is the first's
# depends on the directory: those of tests that run at the same time would share it.
uml_cpu() {
	local list part nth i cpus=()
	if [ -n "${VM_CPU-}" ]; then
		echo "$VM_CPU" >"$VM_DIR/$1.cpu"
	elif [ ! -e "$VM_DIR/$1.cpu" ]; then
		nth=$(find "$VM_DIR" -maxdepth 1 -name '*.cpu' | wc -l)
		for ((i = 0; i < ${#VM_DIR}; i++)); do
			nth=$((nth + $(printf %d "'${VM_DIR:i:1}")))
		done
		list=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
		for part in ${list//,/ }; do
			mapfile -t -O "${#cpus[@]}" cpus < <(seq "${part%-*}" "${part#*-}")
		done
		echo "${cpus[nth % ${#cpus[@]}]}" >"$VM_DIR/$1.cpu"
	fi
	cat "$VM_DIR/$1.cpu"
}

# uml_port NAME ARG...: a virtmesh-port on DIR/NAME.sock, until it listens.
uml_port() {
	local name=$1 i sock=$VM_DIR/$1.sock
	shift
	uml_port_stop "$name"
	# shellcheck disable=SC2086 # words
	taskset -c "$(uml_cpu "$name")" virtmesh-port --socket "$sock" "$@" ${UML_PORT_ARGS-} \
		</dev/null >>"$VM_DIR/$name.port.log" 2>&1 &
	echo $! >"$VM_DIR/$name.port.pid"
	disown $!
	for ((i = 0; i < 500; i++)); do
		[ ! -S "$sock" ] || return 0
		kill -0 "$(cat "$VM_DIR/$name.port.pid")" 2>/dev/null || break
		sleep 0.02
	done
	vm_say "the port of $name does not listen: $(tail -n 1 "$VM_DIR/$name.port.log")"
	return "$VM_LOST"
}

vm_nic() {
	uml_port "$1" --tap "$1" || return
	echo "virtio_uml.device=$VM_DIR/$1.sock:1"
}

vm_start() {
	local name=$1 dir=$VM_DIR/$1
	shift
	if vm_alive "$name"; then
		vm_say "$name is running already"
		return "$VM_LOST"
	fi
	vm_life_over "$name"
	rm -rf "$dir"
	mkdir -p "$dir/host" || return
	mkfifo "$dir/ctl.in" "$dir/ctl.out" "$dir/shell.in" "$dir/shell.out" || return
	: >"$dir/console.log"
	: >"$dir/ctl.lock"
	ln -s console.log "$dir/qemu.log"
	printf '%s\n' "$@" >"$dir/args"
	taskset -c "$(uml_cpu "$name")" uml-box "$UML_LINUX" "mem=${VM_MEM:-128}M" \
		rootfstype=hostfs rootflags=/ ro "init=$UML_STAGE/init" loglevel=5 \
		con0=null,fd:1 con=null ssl0=fd:5,fd:6 ssl1=fd:7,fd:8 ssl=null \
		"vm.stage=$UML_STAGE" "vm.host=$dir/host" "vm.name=$name" ${VM_CONSOLE:+vm.console} "$@" ${VM_APPEND:+$VM_APPEND} \
		</dev/null >"$dir/console.log" 2>&1 5<>"$dir/ctl.in" 6<>"$dir/ctl.out" \
		7<>"$dir/shell.in" 8<>"$dir/shell.out" &
	echo $! >"$dir/pid"
	disown $!
}

vm_console() { echo "'OPEN:$1/shell.out,rdonly!!OPEN:$1/shell.in,wronly'"; }

# A serial line loses what comes before somebody has opened it, and what comes too
# fast: a script of more than a few lines goes as a file, which the guest can read.
vm_prepare() {
	local file dir=$VM_DIR/$name deadline=$(($(vm_now) + (seconds + ${VM_GRACE:-5}) * 1000))
	until [ -e "$dir/ready" ] || grep -q 'virtmesh-vm: ready' "$dir/console.log"; do
		if ! vm_alive "$name" || [ "$(vm_now)" -gt "$deadline" ]; then
			vm_say "$name does not come up: $(tail -n 1 "$dir/console.log")"
			return 1
		fi
		sleep 0.02
	done
	: >"$dir/ready"
	[ ${#script} -gt 1000 ] || return 0
	# Those of earlier requests have been read.
	rm -f "$dir/host/"script-*
	file=$(mktemp "$dir/host/script-XXXXXX") && printf '%s' "$script" >"$file" &&
		script=". /mnt/host/${file##*/}"
}

vm_put() {
	local file
	file=$(mktemp "$VM_DIR/$1/host/put-XXXXXX") && cp "$2" "$file" &&
		vm_exec "$1" "cp '/mnt/host/${file##*/}' '$3' && chmod 755 '$3'" || return
	rm "$file"
}

# Without a word to the guest, as by the button; its port lives on.
vm_reset() {
	local args
	mapfile -t args <"$VM_DIR/$1/args"
	uml_guest_stop "$1" || return
	vm_start "$1" "${args[@]}"
}

# The first device goes under its driver's feet, and comes back.
vm_unplug() { vm_exec "$1" 'echo virtio-uml.0 >/sys/bus/platform/drivers/virtio-uml/unbind'; }
vm_plug() { vm_exec "$1" 'echo virtio-uml.0 >/sys/bus/platform/drivers/virtio-uml/bind'; }

uml_guest_stop() {
	local pid
	pid=$(cat "$VM_DIR/$1/pid" 2>/dev/null) || return 0
	# To the box, which kills all at once, and ends after the last.
	kill "$pid" 2>/dev/null || :
	# One that does not would keep its port, which serves one at a time.
	vm_gone "$pid" || kill -9 "$pid" 2>/dev/null || :
	vm_gone "$pid" || {
		vm_say "$1 does not end"
		return "$VM_LOST"
	}
	vm_life_over "$1"
	rm -f "$VM_DIR/$1/pid"
}

vm_stop() {
	local status=0
	uml_guest_stop "$1" || status=$?
	uml_port_stop "$1"
	return $status
}

# What a debug kernel finds only when asked: memory that nobody can reach. It tells of an
# object that was the same in the scan before, and is 5 seconds old: so of all there are
# now when the second scan ends.
vm_leaks() {
	vm_exec "$1" -t 120 'cd /sys/kernel/debug || exit
		[ -e kmemleak ] || exit 0
		echo scan >kmemleak
		sleep 6
		echo scan >kmemleak
		cat kmemleak'
}
