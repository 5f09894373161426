/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two senders, one receiver: frames of messages, each of one frame, that the
 * receiver's program takes in order and when it likes. What came before that lies
 * parked and shrinks the window. The receiver's ring is bounded and shared; what
 * finds it full is lost. The path may lose, repeat and swap frames of either
 * direction, FAULTS times in all, and a timer may fire too early.
 *
 * Shown: each message is delivered once and in order; a frame's first sending never
 * finds the ring full, nor parked frames their share, as long as no copies are out;
 * both senders end with everything acknowledged (any cycle is an error: there is
 * nothing that may go on for ever), and never stand still before.
 *
 * Mutations:
 *	BUG_NO_DEDUP	a frame that came before is taken again
 *	BUG_NO_CREDIT	the window is ignored
 *	BUG_PARKED	the window is not less what is parked
 *	BUG_STALE	the window of an ACK that was overtaken counts
 *	BUG_NO_TIMER	nothing is sent again unless an ACK shows a gap
 *	BUG_NO_PROBE	the timer sends frames again, but does not ask for the window
 *	BUG_DELTA	an ACK says by how much the window grew, not how large it is
 */
#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define F      3 /* messages of each sender: 1..F */
#define W      2 /* share of each: frames on the way to the receiver, or parked there */
#define RING   (SENDERS * W)
#define ALL    14 /* bits 1..F */
#define BIT(f) (1 << (f))
#define HAS(set, f) (((set) >> (f)) & 1)
#define COUNT(set)  (HAS(set, 1) + HAS(set, 2) + HAS(set, 3))
#define PROBE  0

chan up[2] = [RING] of { byte };
/* What came, the window, the answer to a probe?, and a serial number. */
chan down[2] = [2] of { byte, byte, bit, byte };
byte faults, copies; /* copies: a frame is or was out twice */

/* senders */
byte sent[2], acked[2], again[2];
byte window[2], newest[2];


/* the receiver */
byte got[2], posted[2], serial[2], delta[2];
byte delivered[2]; /* messages, in order */

#define out(s)	  COUNT(sent[s] & ~acked[s])
#define parked(s) (COUNT(got[s]) - delivered[s])
#define done(s)	  (acked[s] == ALL || (s) >= SENDERS)
#define ring	  (len(up[0]) + len(up[1]))

inline transmit(s, f)
{
	if
	:: ring < RING -> up[s]!f
	:: ring >= RING -> assert(f == PROBE || copies)
	fi
}

inline tell(s, answer)
{
#if defined(BUG_DELTA)
	if
	:: nfull(down[s]) -> down[s]!got[s], delta[s], answer, 0
	:: full(down[s])
	fi;
	delta[s] = 0
#else
	serial[s] = (serial[s] + 1) % 64;
	if
#ifdef BUG_PARKED
	:: nfull(down[s]) -> down[s]!got[s], W, answer, serial[s]
#else
	:: nfull(down[s]) -> down[s]!got[s], (W - parked(s)), answer, serial[s]
#endif
	:: full(down[s])
	fi
#endif
}

/* Those that @s owes an acknowledgement for, of @set, once more. */
inline repair(s, set)
{
	for (f : 1 .. F) {
		if
		:: sent[s] & ~acked[s] & (set) & BIT(f) ->
			again[s] = again[s] | BIT(f);
			copies = 1;
			transmit(s, f)
		:: else
		fi
	}
	f = 0
}

inline timer(s)
{
	copies = 1;
	for (f : 1 .. F) {
		if
		:: sent[s] & ~acked[s] & BIT(f) ->
			transmit(s, f);
			break
		:: else
		fi
	}
	f = 0;
#ifndef BUG_NO_PROBE
	transmit(s, PROBE)
#endif
}

/* What can be delivered now is. */
inline deliver(s)
{
	do
	:: delivered[s] < posted[s] && HAS(got[s], delivered[s] + 1) ->
		delivered[s]++;
		delta[s]++
	:: else -> break
	od
}

inline input(s, f)
{
	if
	:: f == PROBE -> tell(s, 1)
#ifndef BUG_NO_DEDUP
	:: f != PROBE && HAS(got[s], f) -> tell(s, 0)
	:: f != PROBE && !HAS(got[s], f) ->
#else
	:: f != PROBE ->
		assert(!HAS(got[s], f)); /* its message would be there twice */
#endif
		got[s] = got[s] | BIT(f);
		deliver(s);
		assert(parked(s) <= W);
		tell(s, 0)
	fi;
	f = 0;
	s = 0
}

/* The program posts its next receive; the sender is told of the window, or not. */
inline post(s)
{
	posted[s]++;
	deliver(s);
	if
	:: tell(s, 0)
	:: true
	fi;
	s = 0
}

proctype sender(bit s)
{
	byte f, set, w, number;
	bit answer;

	window[s] = W;

	do
	/* The next new frame. */
#ifdef BUG_NO_CREDIT
	:: atomic { sent[s] != ALL ->
#else
	:: atomic { sent[s] != ALL && out(s) < window[s] ->
#endif
		f = COUNT(sent[s]) + 1;
		sent[s] = sent[s] | BIT(f);
#ifdef BUG_DELTA
		window[s]--;
#endif
		transmit(s, f);
		f = 0 }
	:: atomic { down[s]?set, w, answer, number ->
		acked[s] = acked[s] | set;
#if defined(BUG_DELTA)
		window[s] = window[s] + w;
#elif defined(BUG_STALE)
		window[s] = w;
#else
		if
		:: (number + 64 - newest[s]) % 64 < 32 -> window[s] = w; newest[s] = number
		:: else
		fi;
#endif
		if
		:: answer -> repair(s, ALL)
		/* What is missing before what came, once; then it is the timer's. */
		:: !answer && (set & BIT(3)) -> repair(s, ~again[s])
		:: !answer && !(set & BIT(3)) && (set & BIT(2)) ->
			repair(s, (BIT(1) & ~again[s]))
		:: else
		fi;
		set = 0; w = 0; answer = 0; number = 0 }
	:: done(s) && empty(down[s]) -> break
	od
}

proctype receiver()
{
	byte f;
	bit s;
end:
	do
	:: atomic { up[0]?f -> s = 0; input(s, f) }
	:: atomic { up[1]?f -> s = 1; input(s, f) }
	:: atomic { posted[0] < F -> s = 0; post(s) }
	:: atomic { posted[1] < F && SENDERS == 2 -> s = 1; post(s) }
	od
}


/* The path, and time. */
proctype world()
{
	byte f, set, w, number;
	bit answer, s;
end:
	do
	:: atomic { faults < FAULTS && (len(up[0]) || len(up[1]) || len(down[0]) || len(down[1])) ->
		faults++;
		if
		:: len(up[0]) || len(down[0]) -> s = 0
		:: len(up[1]) || len(down[1]) -> s = 1
		fi;
		if
		:: len(up[s]) -> up[s]?f /* lost */
		:: len(down[s]) -> down[s]?set, w, answer, number
		:: len(up[s]) && ring < RING -> up[s]?<f>; copies = 1; up[s]!f /* twice */
		:: len(up[s]) > 1 -> up[s]?f; up[s]!f /* overtaken */
		:: len(down[s]) > 1 ->
			down[s]?set, w, answer, number; down[s]!set, w, answer, number
		fi;
		f = 0; set = 0; w = 0; answer = 0; number = 0; s = 0 }
	:: atomic { faults < FAULTS && sent[0] != acked[0] -> faults++; timer(0) }
#ifndef BUG_NO_TIMER
	:: atomic { timeout && !(done(0) && done(1)) ->
		if
		:: !done(0) -> timer(0)
		:: else
		fi;
		if
		:: !done(1) -> timer(1)
		:: else
		fi }
#endif
	od
}

init
{
	atomic {
		run sender(0);
		if
		:: SENDERS == 2 -> run sender(1)
		:: else
		fi;
		run receiver();
		run world()
	}
}
