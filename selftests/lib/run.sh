#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mesh run where no mesh is needed for it: all ranks here, nodes that are only numbers.
# What comes out of it, and that all it has started ends with it.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
isolate "$@"

# ranks N ARG...
ranks() { mesh run -n "$1" -N "$(seq -s , 1 "$1")" "${@:2}"; }

full_disk() {
	# What is written on the way, and what is written at the end.
	fails 1 to_full ranks 1 -- echo word
	eq "$out" "mesh: cannot write all of it"
	fails 1 to_full mesh --version
	# The kernel's runner makes every line a write, so that the last may find nothing to say.
	[[ $out == 'mesh: cannot write'* ]] || fail "$out"
	fails 1 to_full mesh help
	fails 1 to_full mesh run --help
	# Its own failure is what counts.
	fails 7 to_full ranks 1 -- sh -c 'echo word; exit 7'
}
to_full() { { "$@" 2>&1 >&3 | cat; return "${PIPESTATUS[0]}"; } 3>/dev/full; }

# A line without an end comes out, too, though somebody else holds the pipe.
last_words() {
	eq "$(ranks 1 -- sh -c 'printf out; printf err >&2; setsid sleep 60 & exit 0' 2>&1 | sort)" "[0] err
[0] out"
}

run "what a program said last comes out, whoever has its output still" last_words
run "a disk that is full is a failure" full_disk
finish
