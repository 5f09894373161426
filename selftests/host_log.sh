# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # srctree is set by who sources this
#
# The host's kernel log, where it can be read: what came since the last look. By
# time, since the log is a ring.
#
#	klog_mark	it begins now
#	klog_check	what has come since klog_mark or the last klog_check: shown, and 1
#			returned, when a kernel complains there
klog_time() { tail -n 1 <<<"$1" | sed 's/^\[ *\([0-9.]*\).*/\1/'; }
klog_mark() {
	klog_seen=$(klog_time "$(dmesg 2>/dev/null)")
	klog_seen=${klog_seen:-0}
}
klog_check() {
	local all new
	all=$(dmesg 2>/dev/null)
	new=$(awk -v seen="$klog_seen" '
		{
			time = $0
			sub(/^\[ */, "", time)
			if (time + 0 > seen)
				print
		}
	' <<<"$all")
	klog_seen=$(klog_time "$all")
	klog_seen=${klog_seen:-0}
	"$srctree/deploy/vm/klog.sh" <<<"$new" || {
		echo "the host's kernel complained"
		return 1
	}
}
