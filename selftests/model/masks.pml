/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Forming without some: members that exclude different ranks agree. Each begins
 * with a mask of its own; a mask takes in those of the others it hears; a member
 * that finds itself excluded is out (EHOSTUNREACH). Shown: of two that are formed,
 * either both have the same mask and are in it with each other, or neither counts
 * on the other.
 *
 * The path from each to each is the last JOIN sent on it, which may arrive at any
 * time, repeatedly or never; nobody forms twice (form.pml), so that cookies are
 * reduced to "knows the receiver's". Two members are neutral at first, and
 * each of the two others excludes the other: less does not show what can go wrong.
 *
 * Mutations:
 *	BUG_MASK	a JOIN confirms whatever its mask
 *	BUG_GROWTH	what was confirmed stays so when the own mask grows
 *	BUG_EXCLUDED	the masks of those excluded are taken in, too
 */
#define N 4

#define FORMING 1
#define FORMED	2
#define OUT	3

#define ALL		 ((1 << N) - 1)
#define BIT(r)		 (1 << (r))
#define JOIN(peer, mask) (1 + (peer) * (ALL + 1) + (mask))

byte path[N * N]; /* from * N + to: 0, or the last JOIN */
byte state[N], mask[N];
byte knows[N], confirmed[N]; /* ranks, a bit each */

#define counts_on(a, b) (state[a] == FORMED && !(mask[a] & BIT(b)))
#define agree(a, b) \
	(state[a] != FORMED || state[b] != FORMED || mask[a] == mask[b] || \
	 (!counts_on(a, b) && !counts_on(b, a)))

inline say(to)
{
	path[self * N + to] = JOIN(((knows[self] >> to) & 1), mask[self])
}

inline input(from, peer, theirs)
{
	if
#ifndef BUG_EXCLUDED
	:: mask[self] & BIT(from) -> skip
	:: !(mask[self] & BIT(from)) ->
#else
	:: true ->
#endif
		knows[self] = knows[self] | BIT(from);
		if
		:: theirs & BIT(self) -> state[self] = OUT
		:: !(theirs & BIT(self)) ->
			if
			:: theirs & ~mask[self] ->
				mask[self] = mask[self] | theirs;
#ifndef BUG_GROWTH
				confirmed[self] = 0
#endif
			:: else
			fi;
			if
#ifdef BUG_MASK
			:: peer -> confirmed[self] = confirmed[self] | BIT(from)
#else
			:: peer && theirs == mask[self] ->
				confirmed[self] = confirmed[self] | BIT(from)
#endif
			:: else
			fi
		fi
	fi;
	if
	:: state[self] == FORMING && (confirmed[self] | mask[self] | BIT(self)) == ALL ->
		state[self] = FORMED;
		assert(agree(0, 1) && agree(0, 2) && agree(0, 3));
		assert(agree(1, 2) && agree(1, 3) && agree(2, 3))
	:: else
	fi
}

proctype member(byte self)
{
	byte r;

	atomic {
		if
		:: self >= 2 -> mask[self] = BIT(5 - self); say(0); say(1)
		:: else
		fi;
		state[self] = FORMING
	}
end:
	do
	:: atomic { self < 2 && (state[self] == FORMING || state[self] == FORMED) ->
		select(r : 0 .. (N - 1));
		if
		:: r != self -> say(r)
		:: else
		fi;
		r = 0 }
	:: atomic { state[self] == FORMING ->
		select(r : 0 .. (N - 1));
		if
		:: path[r * N + self] ->
			input(r, (path[r * N + self] > JOIN(0, ALL)),
			      ((path[r * N + self] - 1) & ALL));
			/* Their masks never grow: what they could say late, or not, is
			 * as if it had been read early. */
			if
			:: self >= 2 -> say(0); say(1)
			:: else
			fi
		:: else
		fi;
		r = 0 }
	od
}

init
{
	atomic {
		run member(0); run member(1); run member(2); run member(3)
	}
}
