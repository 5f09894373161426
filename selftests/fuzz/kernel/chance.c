// SPDX-License-Identifier: GPL-2.0-only
/* What the input decides, or nobody: failures, random numbers, what is said. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/eventfd.h>
#include <linux/kernel.h>
#include <linux/uaccess.h>

#include "fake.h"

static void print(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
static unsigned int fail_after, fail_count;
static u64 chance;

void fake_chance_begin(void)
{
	fail_after = 0;
	fail_count = 0;
	chance = 1;
}

void fake_fail(unsigned int after, unsigned int count)
{
	fail_after = after;
	fail_count = count;
}

bool fake_fails(void)
{
	if (!fail_count)
		return false;
	if (fail_after) {
		fail_after--;
		return false;
	}
	fail_count--;
	return true;
}

u64 get_random_u64(void)
{
	/* Any generator will do: Knuth's. */
	chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
	return chance;
}

u32 get_random_u32(void)
{
	return get_random_u64() >> 32;
}

static void print(const char *format, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
	if (getenv("FUZZ_LOG"))
		fputs(line, stderr);
}

void fake_print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(format, args);
	va_end(args);
}

void fake_print_of(struct net_device *netdev, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(format, args);
	va_end(args);
}

void fake_broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

void ratelimit_state_init(struct ratelimit_state *state, int interval, int burst)
{
	*state = (struct ratelimit_state){
		.interval = interval,
		.burst = burst,
		.left = burst,
		.begin_ns = fake_now,
	};
}

int __ratelimit(struct ratelimit_state *state)
{
	if (fake_now - state->begin_ns > state->interval * 4000000ULL) {
		state->begin_ns = fake_now;
		state->left = state->burst;
	}
	return state->left ? state->left-- : 0;
}

/* A program's memory. */

unsigned long copy_from_user(void *to, const void *from, unsigned long n)
{
	fake_may_sleep();
	if (fake_fails())
		return n;
	if (n)
		memcpy(to, from, n);
	return 0;
}

unsigned long copy_to_user(void *to, const void *from, unsigned long n)
{
	return copy_from_user(to, from, n);
}

size_t copy_to_iter(const void *from, size_t n, struct iov_iter *to)
{
	fake_must(n <= to->left);
	if (copy_to_user(to->at, from, n))
		return 0;
	to->at += n;
	to->left -= n;
	return n;
}

bool copy_from_iter_full(void *to, size_t n, struct iov_iter *from)
{
	fake_must(n <= from->left);
	if (copy_from_user(to, from->at, n))
		return false;
	from->at += n;
	from->left -= n;
	return true;
}

struct eventfd_ctx *eventfd_ctx_fdget(int fd)
{
	return fake_fails() ? ERR_PTR(-EBADF) : malloc(1);
}

void eventfd_ctx_put(struct eventfd_ctx *ctx)
{
	free(ctx);
}

void eventfd_signal(struct eventfd_ctx *ctx)
{
	fake_must(ctx);
}
