/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Credits and the order of operations. A sender has posted, all at once, two
 * collectives and a message on one group and a collective on another; its receiver
 * posts one after the other, each when the last is whole, in any order that is
 * allowed: the collectives of a group as they were posted, the message after them,
 * the rest anyhow. Frames of what is not posted yet park and take window. Nothing is
 * lost here (flow.pml).
 *
 * Shown: it never stands still before all is done. Each frame goes out and is
 * parked or placed in one step: the worst the receiver can do is to be slow.
 *
 * Mutations:
 *	BUG_ORDER	the second collective's flow does not wait for the first's
 *	BUG_HALF	a message may take all of the window
 *	BUG_GROUPS	one window for all groups of the pair
 *
 * A limit: MESSAGE_FIRST, the receiver waits for the message before it posts the
 * collectives. These may hold all of the window, and it ends by a deadline.
 */
#define MESSAGE 0
#define FIRST	1
#define SECOND	2
#define ELSE	3 /* on another group */
#define OPS	4
#define LEN	3 /* frames of each */
#define W	2 /* window of a group */

byte sent[OPS];
bool posted[OPS];
byte at = OPS; /* what the receiver waits for */

#define parks(op) (posted[op] -> 0 : sent[op])
#ifdef BUG_GROUPS
#define room(op) (W - parks(MESSAGE) - parks(FIRST) - parks(SECOND) - parks(ELSE))
#else
#define room(op) \
	((op) == ELSE -> W - parks(ELSE) : W - parks(MESSAGE) - parks(FIRST) - parks(SECOND))
#endif

active proctype sender()
{
end:
	do
#ifdef BUG_HALF
	:: atomic { sent[MESSAGE] < LEN && room(MESSAGE) > 0 -> sent[MESSAGE]++ }
#else
	:: atomic { sent[MESSAGE] < LEN && room(MESSAGE) > W / 2 -> sent[MESSAGE]++ }
#endif
	:: atomic { sent[FIRST] < LEN && room(FIRST) > 0 -> sent[FIRST]++ }
#ifdef BUG_ORDER
	:: atomic { sent[SECOND] < LEN && room(SECOND) > 0 -> sent[SECOND]++ }
#else
	:: atomic { sent[SECOND] < LEN && sent[FIRST] == LEN && room(SECOND) > 0 ->
		sent[SECOND]++ }
#endif
	:: atomic { sent[ELSE] < LEN && room(ELSE) > 0 -> sent[ELSE]++ }
	od
}

active proctype receiver()
{
	byte n;

	do
	:: n < OPS ->
		atomic {
			if
#ifdef MESSAGE_FIRST
			:: !posted[MESSAGE] -> at = MESSAGE
#else
			:: !posted[MESSAGE] && posted[SECOND] -> at = MESSAGE
#endif
			:: !posted[FIRST] -> at = FIRST
			:: !posted[SECOND] && posted[FIRST] -> at = SECOND
			:: !posted[ELSE] -> at = ELSE
			fi;
			posted[at] = 1
		}
		(sent[at] == LEN);
		n++
	:: n == OPS -> break
	od
}
