# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For tests of the command (source lib.sh first): what they all ask.
# lib.sh's: a directory, and what `fails` caught.
: "${tmp:?lib.sh comes first}" "${out=}"

# The programs beside the tests: installed, or still where they were built.
PATH=$(dirname "$(realpath "$0")"):$O/selftests/host:$PATH
# shellcheck disable=SC2034 # for commands that look for themselves
frame=$(command -v frame) || bail "the tests' programs are not built"
PINS=/sys/fs/bpf/virtmesh

# Every case starts and ends with nothing there.
nothing_left() {
	[ ! -e $PINS ] || fail "pins left: $(find $PINS)"
	[ -z "$(find /sys/fs/bpf/xdp -type f 2>/dev/null)" ] || fail "libxdp's pins left"
	eq "$(interfaces)" lo "interfaces left"
}

# Take away whatever a case left, so that the next one starts clean.
sweep() {
	local link
	mount -o remount,rw /sys/fs/bpf
	rm -rf "$PINS"
	for link in $(interfaces); do
		[ "$link" = lo ] || ip link del "$link" 2>/dev/null || :
	done
}

interfaces() {
	local path
	for path in /sys/class/net/*; do
		echo "${path##*/}"
	done
}

# case_on "what happens" FUNCTION: as run(), and nothing may be left in the end.
case_on() {
	local name=$1
	shift
	run "$name" clean_case "$@"
	sweep
}

clean_case() {
	"$@"
	nothing_left
}

# One ensemble, number 1, around what a case does.
with_mesh() {
	virtmesh ensemble add 1
	"$@"
	unmesh
}

# Remove all ports and ensembles there are, by the command.
unmesh() {
	local port e
	for port in $(ports true); do
		[ "$port" = "(gone)" ] || virtmesh port del "$port"
	done
	for port in $(ports false); do
		[ "$port" = "(gone)" ] || virtmesh detach "$port"
	done
	for e in $(virtmesh ensemble list | awk 'NR > 1 { print $1 }'); do
		virtmesh ensemble del "$e"
	done
}

# Names of the ports that are owned ($1 true) or were attached ($1 false).
ports() {
	virtmesh show --json | awk -F'"' -v owned="$1" '
		$2 == "port" { name = $4 }
		$2 == "owned" && $3 ~ owned && name != "vmesh0" { print name }
	'
}

# json PATH CMD...: what stands at PATH (RFC 6901) in what CMD writes.
json() {
	local path=$1
	shift
	"$@" | jsonget "$path"
}

# port_json NAME KEY: of `show --json`
port_json() {
	local i name
	virtmesh show --json >"$tmp/show.json"
	for ((i = 0; ; i++)); do
		name=$(jsonget "/ports/$i/port" <"$tmp/show.json") || fail "there is no port $1"
		[ "$name" = "$1" ] && break
	done
	jsonget "/ports/$i/$2" <"$tmp/show.json"
}

# What refused must be said in a line that tells what to do: $out has $1.
says() {
	case $out in
	*"$1"*) ;;
	*) fail "does not say '$1': $out" ;;
	esac
}

mac() {
	printf '02:4d:%02x:%02x:%02x:%02x' $(($1 >> 8)) $(($1 & 255)) $(($2 >> 8)) $(($2 & 255))
}

# Start a receiver on interface $1 for $2 frames; its output goes to $tmp/$1.frames.
receive() {
	rm -f "$tmp/$1.frames"
	frame recv "$1" "$2" "${3:-5}" >"$tmp/$1.frames" &
	wait_until 5 grep -q ready "$tmp/$1.frames"
}

# Wait for the receiver on $1, and look that it got exactly the lines on stdin.
received() {
	wait "$2" || fail "$1 got too little: $(cat "$tmp/$1.frames")"
	diff <(sed 1d "$tmp/$1.frames") - || fail "$1 got other frames"
}
