/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Forming: two members, each of which may form again (or restart: a later life's
 * cookies count as higher ones) at any moment. Shown: nothing that was sent to one
 * forming of a member is delivered to another one.
 *
 * The network is the set of what was ever sent: anything in it may arrive at any
 * time, any number of times, or never. That covers loss, duplicates, any order and
 * any delay at once. A frame of data carries, beside what is on the wire, the ghost
 * `meant`: the cookie that its sender held to be the receiver's when it sent.
 *
 * Mutations, each of which must break it:
 *	BUG_UNORDERED	an old JOIN counts as news, as with cookies without an order
 *	BUG_ANSWER	a member whose forming has ended still answers a JOIN
 *	BUG_CONFIRM	a JOIN that names any cookie of ours confirms
 *	BUG_KEEP	what was parked before a new cookie is kept
 *	BUG_NO_COOKIE	data are taken whatever their cookie
 */
#define K 3 /* cookies 1..K, in order; the second member has one forming less */

#define IDLE	0
#define FORMING 1
#define FORMED	2

/* A JOIN is (cookie, peer_cookie, answer); data are (cookie, meant). One bit each. */
#define JOIN(c, p, a) (1 << ((((c) - 1) * (K + 1) + (p)) * 2 + (a)))
#define DATA(c, meant) (1 << (((c) - 1) * K + (meant) - 1))

int joins[2]; /* sent by */
int datas[2];

typedef node {
	byte state;
	byte cookie;
	byte known;	/* the other's cookie, 0: none yet */
	bool confirmed;
	int parked;	/* ghost: `meant` of data that came while forming, a bit each */
};
node n[2];

#define me n[self]
#define other (1 - self)

inline say(answer)
{
	joins[self] = joins[self] | JOIN(me.cookie, me.known, answer)
}

inline end_forming()
{
	me.state = IDLE;
	me.confirmed = 0;
	me.parked = 0
}

inline confirm()
{
	me.confirmed = 1;
	if
	:: me.state == FORMING ->
		me.state = FORMED;
		/* What was parked is delivered now. */
		assert((me.parked & ~(1 << me.cookie)) == 0);
		me.parked = 0
	:: else
	fi
}

inline join_input(c, p, a)
{
	if
#ifdef BUG_UNORDERED
	:: c != me.known ->
#else
	:: c > me.known ->
#endif
		me.known = c;
		me.confirmed = 0;
#ifndef BUG_KEEP
		me.parked = 0;
#endif
		if
		:: me.state == FORMED -> end_forming()
		:: else
		fi
	:: else
	fi;
	if
	:: c == me.known && me.state != IDLE ->
		if
#ifdef BUG_CONFIRM
		:: p != 0 -> confirm()
#else
		:: p == me.cookie -> confirm()
#endif
		:: else
		fi;
		if
		:: a -> say((!me.confirmed))
		:: else
		fi
#ifdef BUG_ANSWER
	:: c == me.known && me.state == IDLE && me.cookie && a -> say(0)
#endif
	:: else
	fi
}

inline data_input(c, meant)
{
	if
	:: c > me.known && me.state == FORMED -> end_forming()
#ifdef BUG_NO_COOKIE
	:: me.state == FORMED -> assert(meant == me.cookie)
#else
	:: c == me.known && me.state == FORMED -> assert(meant == me.cookie)
#endif
	:: c == me.known && me.state == FORMING -> me.parked = me.parked | (1 << meant)
	:: else
	fi
}

proctype member(bit self)
{
	byte c, p, a;
end:
	do
	/* The program forms the group, again or in a new life, from any state. */
	:: atomic { me.cookie < K - self ->
		end_forming();
		me.cookie++;
		me.state = FORMING }
	:: atomic { me.state == FORMING && !me.confirmed &&
		!(joins[self] & JOIN(me.cookie, me.known, 1)) -> say(1) }
	:: atomic { me.state == FORMED && !(datas[self] & DATA(me.cookie, me.known)) ->
		datas[self] = datas[self] | DATA(me.cookie, me.known) }
	/* A deadline, a lost node, a program that gave up. */
	:: atomic { me.state != IDLE -> end_forming() }
	:: atomic { joins[other] ->
		select(c : 1 .. K); select(p : 0 .. K); select(a : 0 .. 1);
		if
		:: joins[other] & JOIN(c, p, a) -> join_input(c, p, a)
		:: else
		fi;
		c = 0; p = 0; a = 0 }
	:: atomic { datas[other] ->
		select(c : 1 .. K); select(p : 1 .. K);
		if
		:: datas[other] & DATA(c, p) -> data_input(c, p)
		:: else
		fi;
		c = 0; p = 0 }
	od
}

init { atomic { run member(0); run member(1) } }
