// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vector registers hold what a thread put there: over system calls, beside a thread
 * of the same process and another process, through signals whose handler has others.
 *
 *	fpregs ROUNDS			exit 0; 1: they did not; 4: not on this processor
 */
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGISTERS 16
#define WIDTH	  32 /* bytes: half of that is used without AVX */

struct registers {
	uint8_t bytes[REGISTERS][WIDTH];
};

static unsigned long rounds;
static volatile sig_atomic_t signals;

#ifdef __x86_64__

#define EACH(op)                                                                                \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) \
		op(14) op(15)
#define LOAD_X(n)  "movdqu " #n "*32(%[in]), %%xmm" #n "\n"
#define STORE_X(n) "movdqu %%xmm" #n ", " #n "*32(%[out])\n"
#define LOAD_Y(n)  "vmovdqu " #n "*32(%[in]), %%ymm" #n "\n"
#define STORE_Y(n) "vmovdqu %%ymm" #n ", " #n "*32(%[out])\n"
#define CLOBBERS                                                                                \
	"rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
		"xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static bool wide(void)
{
	return __builtin_cpu_supports("avx");
}

/* Fill them from @in, call the kernel, and look what they are: no compiler in between. */
static void call_with(const struct registers *in, struct registers *out)
{
	long nr = SYS_sched_yield;

	if (wide())
		__asm__ __volatile__(EACH(LOAD_Y) "syscall\n" EACH(STORE_Y) "vzeroupper\n"
				     : "+a"(nr)
				     : [in] "r"(in), [out] "r"(out)
				     : CLOBBERS);
	else
		__asm__ __volatile__(EACH(LOAD_X) "syscall\n" EACH(STORE_X)
				     : "+a"(nr)
				     : [in] "r"(in), [out] "r"(out)
				     : CLOBBERS);
}

#else

static bool wide(void)
{
	exit(4);
}

static void call_with(const struct registers *in, struct registers *out)
{
}

#endif

static void fill(struct registers *r, uint64_t key)
{
	uint8_t *at = (uint8_t *)r;

	for (size_t i = 0; i < sizeof(*r); i++) {
		key = key * 6364136223846793005ULL + 1442695040888963407ULL;
		at[i] = (uint8_t)(key >> 56);
	}
}

static void other_registers(int sig)
{
	struct registers in, out;

	fill(&in, 77);
	call_with(&in, &out);
	signals++;
}

static void *holds(void *arg)
{
	uint64_t key = (uintptr_t)arg << 32;
	size_t width = wide() ? WIDTH : WIDTH / 2;

	for (unsigned long i = 0; i < rounds; i++) {
		struct registers in, out;

		fill(&in, key + i);
		call_with(&in, &out);
		for (int r = 0; r < REGISTERS; r++)
			if (memcmp(in.bytes[r], out.bytes[r], width))
				errx(1, "round %lu: register %d is not as it was", i, r);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = other_registers };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	pthread_t thread;
	pid_t child;
	int status;

	rounds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	if (!rounds)
		errx(2, "fpregs ROUNDS");
	wide();
	child = fork();
	if (child < 0)
		err(2, "fork");
	if (sigaction(SIGALRM, &sa, NULL) || setitimer(ITIMER_REAL, &often, NULL))
		err(2, "timer");
	if (pthread_create(&thread, NULL, holds, (void *)(uintptr_t)(child ? 1 : 3)))
		errx(2, "no thread");
	holds((void *)(uintptr_t)(child ? 2 : 4));
	pthread_join(thread, NULL);
	if (!signals)
		errx(2, "no signal came: more ROUNDS");
	if (!child)
		return 0;
	while (waitpid(child, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
