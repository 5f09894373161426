// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an MPI makes of the collectives that the mesh has, measured as `mesh perf`
 * does: each rank times each iteration, the slowest rank's median counts.
 *
 *	mpirun .. mpi BYTES COUNT
 *
 * Rank 0 writes "allgather=NS barrier=NS". The payload of the last round is looked at.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The median of @n times in seconds, of the rank that has the largest, in ns. */
static double slowest(double *s, int n)
{
	double mine, all;

	qsort(s, (size_t)n, sizeof(*s), by_value);
	mine = s[n / 2];
	MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
	return all * 1e9;
}

int main(int argc, char **argv)
{
	int len, count, size, rank, wrong = 0;
	double *s, gather, barrier;
	char *in, *out;

	MPI_Init(&argc, &argv);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	len = argc > 1 ? atoi(argv[1]) : 16384;
	count = argc > 2 ? atoi(argv[2]) : 500;
	out = malloc((size_t)len);
	in = malloc((size_t)len * (size_t)size);
	s = malloc((size_t)count * sizeof(*s));
	if (!out || !in || !s || len < 1 || count < 1)
		MPI_Abort(MPI_COMM_WORLD, 1);
	memset(out, 'a' + rank, (size_t)len);

	for (int i = -20; i < count; i++) {
		double from = MPI_Wtime();

		MPI_Allgather(out, len, MPI_BYTE, in, len, MPI_BYTE, MPI_COMM_WORLD);
		if (i >= 0)
			s[i] = MPI_Wtime() - from;
	}
	for (int i = 0; i < len * size; i++)
		wrong |= in[i] != 'a' + i / len;
	gather = slowest(s, count);
	for (int i = -20; i < count; i++) {
		double from = MPI_Wtime();

		MPI_Barrier(MPI_COMM_WORLD);
		if (i >= 0)
			s[i] = MPI_Wtime() - from;
	}
	barrier = slowest(s, count);
	if (wrong)
		MPI_Abort(MPI_COMM_WORLD, 1);
	if (rank == 0)
		printf("allgather=%.0f barrier=%.0f\n", gather, barrier);
	MPI_Finalize();
	free(in);
	free(out);
	free(s);
	return 0;
}
