/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fencing: whom the members name when an operation cannot be completed. Each is
 * dead, or idle (alive, nothing posted: its program does something else, or is
 * stopped), or has an operation pending that waits for others: any graph of waits.
 * The deadlines of some pass, of at least one.
 *
 * Whose deadline passes says FENCE with the ranks it waits for. Who hears one and
 * has an operation pending says FENCE, too, and is excused; it adds whom it waits
 * for itself as soon as a FENCE names it. After a grace each names all that
 * anybody waited for and that did not speak; if none is left (they wait in a
 * circle), those it waits for.
 *
 * Shown, when no FENCE is later than the grace: everybody names the same ranks; all
 * of them, and only those, that are dead or idle and stand at the end of a chain of
 * waits that begins at a deadline. (Three members in any graph; four that wait for
 * one other each, and one deadline.) With LATE, when any may be: somebody is named,
 * never the member itself, nor any whose FENCE was heard, unless in a circle.
 *
 * Mutations:
 *	BUG_OWN		who hears a FENCE adds whom it waits for, named or not
 *	BUG_CHAIN	who is named adds nothing
 *	BUG_IDLE	who has nothing posted speaks, too
 *	BUG_EXCUSE	who speaks is not excused
 */
#ifndef N
#define N 3
#endif
#define ALL    ((1 << N) - 1)
#define BIT(r) (1 << (r))

byte waits[N];	  /* for ranks, a bit each; 0: dead, or idle */
bool alive[N];
bool first[N];	  /* its deadline passes */
bool begun[N];	  /* it knows of the failure */
bool spoke[N];	  /* has said FENCE */
byte own[N];	  /* what its FENCE says */
byte heard[N];	  /* ranks whose FENCE has come */
byte sum[N];	  /* all that was said */
byte path[N * N]; /* from * N + to: the last FENCE on the way, 1 + ranks; 0: none */
bool over;
byte named, reach, pending, i, j;

#define some_path(r) (path[r * N] || path[r * N + 1] || path[r * N + 2] || path[r * N + N - 1])
#define to_speak(r)  (first[r] && !own[r])
#if N == 3
#define quiet \
	!(some_path(0) || some_path(1) || some_path(2) || to_speak(0) || to_speak(1) || to_speak(2))
#else
#define quiet \
	!(some_path(0) || some_path(1) || some_path(2) || some_path(3) || \
	  to_speak(0) || to_speak(1) || to_speak(2) || to_speak(3))
#endif

/* @r adds @ranks to what it says, and says it, if that or its speaking is new. */
inline speak(r, ranks) /* the caller has a `byte k` */
{
	if
	:: !spoke[r] || ((ranks) & ~own[r]) ->
		begun[r] = 1;
		spoke[r] = 1;
		own[r] = own[r] | (ranks);
		sum[r] = sum[r] | own[r];
		for (k : 0 .. N - 1) {
			if
			:: k != r && alive[k] -> path[r * N + k] = 1 + own[r]
			:: else
			fi
		}
		k = 0
	:: else
	fi
}

inline hear(r, from)
{
	begun[r] = 1;
	heard[r] = heard[r] | BIT(from);
	sum[r] = sum[r] | (path[from * N + r] - 1);
	if
#if defined(BUG_OWN)
	:: waits[r] -> speak(r, waits[r])
#elif defined(BUG_CHAIN)
	:: waits[r] -> speak(r, 0)
#else
	:: waits[r] && ((path[from * N + r] - 1) & BIT(r)) -> speak(r, waits[r])
	:: waits[r] && !((path[from * N + r] - 1) & BIT(r)) -> speak(r, 0)
#endif
#ifdef BUG_IDLE
	:: !waits[r] -> speak(r, 0)
#else
	:: !waits[r] -> skip
#endif
	fi;
	path[from * N + r] = 0
}

inline name(r)
{
	named = sum[r] & ~BIT(r);
#ifndef BUG_EXCUSE
	named = named & ~heard[r];
#endif
	if
	:: named == 0 && own[r] -> named = own[r]
	:: named == 0 && !own[r] -> named = sum[r] & ~BIT(r)
	:: else
	fi
}

/* All who know of it, of those that live, name what the chains of waits lead to. */
inline judge()
{
	for (i : 0 .. N - 1) {
		if
		:: first[i] -> reach = reach | waits[i]
		:: else
		fi;
		if
		:: waits[i] -> pending = pending | BIT(i)
		:: else
		fi
	}
	for (i : 1 .. N) {
		for (j : 0 .. N - 1) {
			if
			:: reach & BIT(j) -> reach = reach | waits[j]
			:: else
			fi
		}
	}
	reach = reach & ~pending;
	for (i : 0 .. N - 1) {
		if
		:: alive[i] ->
			assert(begun[i]);
			name(i);
			/* Unless a circle, or one that is itself the only one to blame. */
			assert(!(reach & ~BIT(i)) || named == (reach & ~BIT(i)))
		:: else
		fi
	}
}

inline judge_late()
{
	for (i : 0 .. N - 1) {
		if
		:: alive[i] && spoke[i] ->
			name(i);
			assert(named || !(sum[i] & ~BIT(i)));
			assert(!(named & BIT(i)));
			assert(!(named & heard[i]) || !(sum[i] & ~heard[i] & ~BIT(i)))
		:: else
		fi
	}
}

proctype member(byte r)
{
	byte from, k;
end:
	do
	:: atomic { first[r] && !(own[r]) -> speak(r, waits[r]) }
	:: atomic { !over ->
		select(from : 0 .. N - 1);
		if
		:: from != r && path[from * N + r] -> hear(r, from)
		:: else
		fi;
		from = 0 }
	od
}

init
{
	byte k;

	atomic {
		for (i : 0 .. N - 1) {
			if
			:: true /* dead */
			:: alive[i] = 1 /* idle */
			:: alive[i] = 1;
#if N == 3
				select(k : 1 .. ALL);
				waits[i] = k & ~BIT(i);
#else /* for one other */
				select(k : 1 .. N - 1);
				waits[i] = BIT((i + k) % N);
#endif
				k = 0;
				if
				:: waits[i] && (N == 3 || i == 0) -> first[i] = 1; pending = 1
				:: true
				fi
			fi
		}
		if
		:: !pending -> goto done
		:: else
		fi;
		pending = 0;
		i = 0;
		for (k : 0 .. N - 1) {
			if
			:: alive[k] -> run member(k)
			:: else
			fi
		}
		k = 0
	}
#ifdef LATE
	atomic { over = 1; judge_late() }
#else
	atomic { quiet -> over = 1; judge() }
#endif
done:
	skip
}
