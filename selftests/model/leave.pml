/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leaving. One member has a message out to the other, whose program takes it, or has
 * not yet, and ends. What remains of its group says LEAVE, with how far it got,
 * until that is answered; then nothing remains. The sender leaves, too, when its
 * send has ended, and answers by what a LEAVE says, because it has no group then.
 *
 * Shown: the send ends, well when the message was taken and else not, whatever is
 * lost; and both fall silent.
 *
 * Mutations:
 *	BUG_ONCE	LEAVE is said once
 *	BUG_WORDS	LEAVE does not say how far
 *	BUG_GROUP	who has left does not answer
 *	BUG_ECHO	an answer is answered
 */
#define FAULTS 3

mtype = { DATA, ACK, LEAVE, ANSWER };
chan down = [2] of { mtype, bit };
chan up = [2] of { mtype, bit }; /* ACK, LEAVE: is the message there? */

#define RUNS   0
#define DONE   1
#define FAILED 2

#define RECEIVER 0
#define SENDER	 1

byte faults, state;
bit got; /* the receiver's program has the message */
bool left[2], told[2];
bit turn;

/* What finds no room is lost. */
inline say(to, what, word)
{
	if
	:: nfull(to) -> to!what, word
	:: full(to)
	fi
}

#ifdef BUG_WORDS
#define words 0
#else
#define words got
#endif
#ifdef BUG_GROUP
#define answers(there) (there)
#else
#define answers(there) true
#endif
#ifdef BUG_ONCE
#define again false
#else
#define again true
#endif

#ifdef BUG_ECHO
#define asks(m) (m == LEAVE || m == ANSWER)
#else
#define asks(m) (m == LEAVE)
#endif

/* Nothing else can happen: time passes. One turn each, so that none waits for ever. */
#define waits(who) \
	((who == SENDER && state == RUNS) || (left[who] && !told[who] && again))
#define timer(who) (timeout && waits(who) && (turn == who || !waits(1 - who)))

active proctype receiver()
{
	mtype m;
	bit word;
end:
	do
	:: atomic { down?m, word ->
		if
		:: m == DATA && !left[RECEIVER] -> got = 1; say(up, ACK, got)
		:: m == ANSWER && left[RECEIVER] -> told[RECEIVER] = 1
		:: else
		fi;
		if
		:: asks(m) && answers(!left[RECEIVER]) -> say(up, ANSWER, 0)
		:: else
		fi;
		word = 0; m = 0 }
	:: atomic { !left[RECEIVER] -> left[RECEIVER] = 1; say(up, LEAVE, words) }
	:: atomic { timer(RECEIVER) -> turn = SENDER; say(up, LEAVE, words) }
	:: atomic { faults < FAULTS && nempty(up) -> faults++; up?_, _ }
	od
}

active proctype sender()
{
	mtype m;
	bit word;

	down!DATA, 0;
end:
	do
	:: atomic { up?m, word ->
		if
		:: state == RUNS && m == ACK -> state = DONE
		:: state == RUNS && m == LEAVE -> state = (word -> DONE : FAILED)
		:: m == ANSWER && left[SENDER] -> told[SENDER] = 1
		:: else
		fi;
		assert(state != DONE || got);
		assert(state != FAILED || !got);
		if
		:: asks(m) && answers(!left[SENDER]) -> say(down, ANSWER, 0)
		:: else
		fi;
		word = 0; m = 0 }
	:: atomic { state != RUNS && !left[SENDER] -> left[SENDER] = 1; say(down, LEAVE, 0) }
	:: atomic { timer(SENDER) -> turn = RECEIVER;
		if
		:: state == RUNS -> say(down, DATA, 0)
		:: else -> say(down, LEAVE, 0)
		fi }
	:: atomic { faults < FAULTS && nempty(down) -> faults++; down?_, _ }
	od
}
