/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leaving while others form. A member forms with two: one that confirms, is killed
 * at any time, says LEAVE, and may come again in a new life; and one that is late and
 * confirms whenever it likes. When LEAVE was answered it is not said again, so it has
 * to count in whatever state it is met.
 *
 * Shown: once the member has taken the LEAVE of a cookie, it is never formed with
 * that cookie, or it has noticed that it has lost it.
 *
 * The network is the set of what was ever said, as in form.pml: any loss, repetition
 * and order. A JOIN confirms here (masks.pml and form.pml are about when it does).
 *
 * Mutations, each of which must break it:
 *	BUG_FORMED	LEAVE counts only in a group that is formed
 *	BUG_LATE	a JOIN with a cookie that has left confirms
 *	BUG_AGAIN	forming again forgets who has left
 */
#define K 2 /* lives of the one that is killed; their cookies in order */

#define IDLE	0
#define FORMING 1
#define FORMED	2

bool joined[K + 1], leaves[K + 1]; /* said by the life with that cookie */

byte state;
byte known; /* cookie of the one that is killed */
bool confirmed, late, lost;
bool departed; /* `known` has said LEAVE */
bool heard[K + 1]; /* ghost: that its LEAVE was taken */

inline look()
{
	if
	:: state == FORMING && confirmed && late -> state = FORMED; lost = 0
	:: else
	fi;
	assert(state != FORMED || !heard[known] || lost)
}

inline join_input(c)
{
	if
	:: c > known ->
		known = c;
		departed = 0;
		if
		:: state == FORMED -> lost = 1
		:: else
		fi;
		confirmed = (state == FORMING)
#ifdef BUG_LATE
	:: c == known && state == FORMING -> confirmed = 1
#else
	:: c == known && state == FORMING && !departed -> confirmed = 1
#endif
	:: else
	fi;
	look()
}

inline leave_input(c)
{
	if
#ifdef BUG_FORMED
	:: c == known && state == FORMED ->
		departed = 1; lost = 1;
#else
	:: c == known ->
		departed = 1;
		if
		:: state == FORMED -> lost = 1
		:: state == FORMING -> confirmed = 0
		:: else
		fi;
#endif
	:: else
	fi;
	/* Answered in any case, as if it had been understood. */
	if
	:: c == known -> heard[c] = 1
	:: else
	fi;
	look()
}

active proctype member()
{
	byte c;
end:
	do
	:: atomic { state != FORMING ->
		state = FORMING; confirmed = 0; late = 0; lost = 0;
#ifdef BUG_AGAIN
		departed = 0;
#endif
		look() }
	:: atomic { state == FORMING -> state = IDLE; confirmed = 0 } /* its time passed */
	:: atomic { state == FORMING && !late -> late = 1; look() }
	:: atomic { select(c : 1 .. K);
		if
		:: joined[c] -> join_input(c)
		:: else
		fi;
		c = 0 }
	:: atomic { select(c : 1 .. K);
		if
		:: leaves[c] -> leave_input(c)
		:: else
		fi;
		c = 0 }
	od
}

active proctype killed()
{
	byte c = 1;
end:
	do
	:: atomic { c <= K && !joined[c] -> joined[c] = 1 }
	:: atomic { c <= K && joined[c] && !leaves[c] -> leaves[c] = 1; c++ }
	od
}
