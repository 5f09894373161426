#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Read a kernel log, and print what should not be in it with what follows:
# warnings with a trace, oopses, sanitizers, lockdep, stalls, our own errors; at
# most 150 lines of it, since the first tells most.
# Exit status: 1 when there was anything.
exec awk '
	/WARNING: (CPU|at|possible|suspicious|inconsistent|bad)|BUG:|Oops|Kernel panic|general protection fault|KASAN|UBSAN|KFENCE|kmemleak: [0-9]+ new/ ||
	/stack-protector|refcount_t:|list_(add|del) corruption|double free|use-after-free/ ||
	/possible (recursive|irq lock|circular lock)|inconsistent lock state|bad unlock balance/ ||
	/suspicious RCU|RCU.*stall|rcu.*detected stall|soft lockup|hard LOCKUP|blocked for more than/ ||
	/sleeping function called|scheduling while atomic|page allocation failure/ ||
	/unregister_netdevice: waiting|NETDEV WATCHDOG|Call Trace:|Unknown symbol|disagrees about/ ||
	/virtmesh.*([Ee]rror|broken)/ { show = 40; bad = 1 }
	show > 0 && lines < 150 { print; show--; lines++ }
	END { exit bad }
'
