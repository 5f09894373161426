/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A broadcast: frames that go out once and are cloned on the way to two receivers,
 * each of which may lose its own copy. Each acknowledges for itself; what one lacks
 * is repaired to that one, under the old number, out of the slot that keeps the
 * frame until everybody has it. A receiver may restart: it says JOIN with a new
 * cookie, and knows no frame of before.
 *
 * Shown: each receiver takes each frame once, with the bytes that were sent under
 * its number; the sender calls the operation done only when both have all of it,
 * and failed only when one restarted, which it names; it ends in any case, and the
 * restarted one never takes what was meant for its earlier life.
 *
 * Mutations:
 *	BUG_FREE	a slot is free when the first receiver has its frame
 *	BUG_SHARED	what one acknowledges counts for all
 *	BUG_NO_DEDUP	a frame that came before is taken again
 *	BUG_NO_COOKIE	the restarted one takes frames of before
 *	BUG_DEAF	the sender does not heed the JOIN
 */
#define FAULTS 3
#define F      3 /* frames, 1..F */
#define SLOTS  2
#define ALL    14
#define BIT(f) (1 << (f))

#define RUNS   0
#define DONE   1
#define FAILED 2

chan down[2] = [3] of { byte, byte }; /* number, and the number its bytes were cut for */
chan up[2] = [2] of { byte };	       /* what came; JOIN: a new life */
#define JOIN 1

byte faults, next = 1, first = 1, slot[SLOTS], acked[2], got[2], life[2], state, named;
bool steady; /* nobody restarts in this run: what waits for time would wait for that */

inline lack(r)
{
	/* The timer, or a gap that an acknowledgement shows: who lacks what is sent. */
	for (f : first .. (next - 1)) {
		if
		:: !(acked[r] & BIT(f)) && len(down[r]) < 3 -> down[r]!f, slot[f % SLOTS]
		:: else
		fi
	}
	f = 0
}

inline input(r)
{
	if
	:: state == RUNS && set == JOIN -> state = FAILED; named = r; assert(life[r])
	:: state == RUNS && set != JOIN ->
		acked[r] = acked[r] | set;
#ifdef BUG_SHARED
		acked[1 - r] = acked[1 - r] | set;
#endif
		do
#ifdef BUG_FREE
		:: first < next && ((acked[0] | acked[1]) & BIT(first)) -> first++
#else
		:: first < next && (acked[0] & acked[1] & BIT(first)) -> first++
#endif
		:: else -> break
		od;
		if
		:: (acked[0] & acked[1]) == ALL ->
			state = DONE;
			assert((got[0] == ALL || life[0]) && (got[1] == ALL || life[1]))
		:: else
		fi
	:: else
	fi;
	set = 0
}

proctype sender()
{
	byte f, set;
end:
	do
	:: atomic { state == RUNS && next <= F && next - first < SLOTS ->
		slot[next % SLOTS] = next;
		if
		:: nfull(down[0]) -> down[0]!next, next
		:: full(down[0])
		fi;
		if
		:: nfull(down[1]) -> down[1]!next, next
		:: full(down[1])
		fi;
		next++ }
	:: atomic { up[0]?set -> input(0) }
	:: atomic { up[1]?set -> input(1) }
	:: atomic { timeout && state == RUNS ->
		lack(0);
		lack(1);
#ifndef BUG_DEAF
		/* It says so again, until it is heard. */
		if
		:: life[0] && len(up[0]) < 2 -> up[0]!JOIN
		:: else
		fi;
		if
		:: life[1] && len(up[1]) < 2 -> up[1]!JOIN
		:: else
		fi
#endif
	}
	od
}

proctype receiver(bit r)
{
	byte f, bytes;
end:
	do
	:: atomic { down[r]?f, bytes ->
		if
#ifndef BUG_NO_COOKIE
		:: life[r] -> skip
		:: !life[r] ->
#else
		:: true ->
			assert(!life[r]);
#endif
			assert(bytes == f);
#ifdef BUG_NO_DEDUP
			assert(!(got[r] & BIT(f)));
#endif
			got[r] = got[r] | BIT(f);
			if
			:: nfull(up[r]) -> up[r]!got[r]
			:: full(up[r])
			fi
		fi;
		f = 0; bytes = 0 }
	:: atomic { faults < FAULTS && nempty(down[r]) -> faults++;
		if
		:: down[r]?_, _
		:: nfull(down[r]) -> down[r]?<f, bytes>; down[r]!f, bytes
		:: down[r]?f, bytes; down[r]!f, bytes
		fi;
		f = 0; bytes = 0 }
	:: atomic { faults < FAULTS && nempty(up[r]) -> faults++; up[r]?_ }
	:: atomic { !steady && !life[0] && !life[1] && state == RUNS -> life[r] = 1; got[r] = 0 }
	od
}

active proctype ends()
{
	(timeout && state != RUNS);
	assert(state == DONE || life[named])
}

init
{
	atomic {
		if
		:: steady = 1
		:: steady = 0
		fi;
		run sender();
		run receiver(0);
		run receiver(1)
	}
}
