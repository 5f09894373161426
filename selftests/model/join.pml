/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Forming comes to an end: two members that both call it are both formed in the
 * end, however many JOINs are lost as long as not all are, and then fall silent.
 * form.pml has what else may happen meanwhile; here the path keeps order, loses
 * up to LOSSES frames, and a full channel loses what is sent into it.
 *
 * A JOIN says whether its sender still needs one (`answer`): "knows us" is not
 * "was confirmed by us", and the receiver cannot tell which of its own were lost.
 *
 * Mutations:
 *	BUG_NO_ANSWER	only what is news, or shows that the sender does not know us,
 *			is answered
 *	BUG_ECHO	every JOIN is answered
 *	BUG_ONCE	the timer does not send again
 */
#define LOSSES 3

#define FORMING 1
#define FORMED	2

chan net[2] = [3] of { bit, bit, bit }; /* towards: knows us, is news, answer */
byte lost;

byte state[2];
bool knows[2], confirmed[2], told[2]; /* told: has sent its first JOIN */

#define other (1 - self)

inline say(to, peer, news, answer)
{
	if
	:: nfull(net[to]) -> net[to]!peer, news, answer
	:: full(net[to])
	:: lost < LOSSES -> lost++
	fi
}

proctype member(bit self)
{
	bit peer, news, answer, fresh;

	atomic {
		state[self] = FORMING;
		say(other, knows[self], 1, 1)
	}
end:
	do
	:: atomic { net[self]?peer, news, answer ->
		fresh = !knows[self];
		knows[self] = 1;
		if
		:: peer && !confirmed[self] && state[self] == FORMING ->
			confirmed[self] = 1;
			state[self] = FORMED;
		:: else
		fi;
		if
#if defined(BUG_ECHO)
		:: state[self] -> say(other, 1, 0, (!confirmed[self]))
#elif defined(BUG_NO_ANSWER)
		:: state[self] && (fresh || !peer) -> say(other, 1, 0, (!confirmed[self]))
#else
		:: state[self] && answer -> say(other, 1, 0, (!confirmed[self]))
#endif
		:: else
		fi;
		peer = 0; news = 0; answer = 0; fresh = 0 }
#ifndef BUG_ONCE
	/* Nothing else can happen: time passes. One turn each, so that none waits for ever. */
	:: atomic { timeout && state[0] && state[1] && !told[self] &&
		(state[0] == FORMING || state[1] == FORMING) ->
		told[self] = 1;
		if
		:: told[other] -> told[0] = 0; told[1] = 0
		:: else
		fi;
		if
		:: state[self] == FORMING -> say(other, knows[self], 0, 1)
		:: else
		fi }
#endif
	od
}

/* When all is quiet, both are in. */
active proctype quiet()
{
	(timeout && state[0] == FORMED && state[1] == FORMED);
	assert(empty(net[0]) && empty(net[1]))
}

init { atomic { run member(0); run member(1) } }
