/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Credits and the order of operations. A sender has posted, all at once, two
 * collectives and a message on one group and a collective on another; its receiver
 * posts one after the other, each when the last is whole, in any order that is
 * allowed: the collectives of a group as they were posted, the rest anyhow. Frames of
 * what is not posted yet park and take window. Nothing is lost here (flow.pml).
 *
 * Shown: it never stands still before all is done. Each frame goes out and is
 * parked or placed in one step: the worst the receiver can do is to be slow.
 *
 * Mutations:
 *	BUG_ORDER	the second collective's flow does not wait for the first's
 *	BUG_CLASS	one window for messages and collectives
 *	BUG_GROUPS	one window for all groups of the pair
 */
#define MESSAGE 0
#define FIRST	1
#define SECOND	2
#define ELSE	3 /* on another group */
#define OPS	4
#define LEN	3 /* frames of each */
#define W	2 /* window of a class of a group */

byte sent[OPS];
bool posted[OPS];
byte at = OPS; /* what the receiver waits for */

#define parks(op) (posted[op] -> 0 : sent[op])
#if defined(BUG_GROUPS)
#define room(op) \
	((op) == MESSAGE -> W - parks(MESSAGE) : W - parks(FIRST) - parks(SECOND) - parks(ELSE))
#elif defined(BUG_CLASS)
#define room(op) \
	((op) == ELSE -> W - parks(ELSE) : W - parks(MESSAGE) - parks(FIRST) - parks(SECOND))
#else
#define room(op) \
	((op) == ELSE -> W - parks(ELSE) : \
		((op) == MESSAGE -> W - parks(MESSAGE) : W - parks(FIRST) - parks(SECOND)))
#endif

active proctype sender()
{
end:
	do
	:: atomic { sent[MESSAGE] < LEN && room(MESSAGE) > 0 -> sent[MESSAGE]++ }
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
			:: !posted[MESSAGE] -> at = MESSAGE
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
