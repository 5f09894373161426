/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames of front-ends that have started. Numbered ones both ways between two, nodes 1
 * and 2 of ensemble 1: what comes must be the next one, none is lost, none comes twice.
 * Or out of one, for nobody. All waits end (FE_WAIT_MS without a frame). One thread; the
 * front-ends stay their owner's, who may close them and connect again between calls.
 */
#ifndef VIRTMESH_SELFTESTS_PORT_TRAFFIC_H
#define VIRTMESH_SELFTESTS_PORT_TRAFFIC_H

struct fe;

#define TRAFFIC_ENDS 2

struct traffic {
	struct fe *fe[TRAFFIC_ENDS]; /* of node 1, of node 2: set before the first call */
	unsigned int sent[TRAFFIC_ENDS], got[TRAFFIC_ENDS]; /* by, of the other's */
	long long last_ms, longest_ms; /* between two frames */
};

/*
 * Until both have got @frames more; others are on their way then. 0; -EBADMSG for a
 * frame that is not the next, and has been told of; -ETIMEDOUT.
 */
int traffic_pass(struct traffic *t, unsigned int frames);
/* Until nothing is on its way any more: all that was sent has come. The same. */
int traffic_drain(struct traffic *t);

/* One frame from end @from to the other, alone on its way. The same. */
int traffic_one(struct traffic *t, unsigned int from);

/*
 * @n frames out of node 1, to one that is not there: the device has taken all but the
 * last ringful. 0; -ETIMEDOUT.
 */
int traffic_out(struct fe *fe, unsigned int n);

#endif /* VIRTMESH_SELFTESTS_PORT_TRAFFIC_H */
