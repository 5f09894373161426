/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host of its own for each test: network, mount and process state private,
 * the mesh made by the virtmesh command, and a broker that dies with the test.
 * Functions return 0 or -errno unless they say otherwise; all waits end.
 */
#ifndef VIRTMESH_SELFTESTS_BROKER_BED_H
#define VIRTMESH_SELFTESTS_BROKER_BED_H

#include <stdbool.h>
#include <sys/types.h>

#include <virtmesh/ctl.h>

#define BED_LOG	   "/run/broker.log" /* the broker's stderr, in the test's own /run */
#define BED_NOTIFY "/run/notify.sock" /* its service manager's socket: broker_proc.notify */

/*
 * Deadlines for what should take a moment: generous, since nothing waits them
 * out but a failure, and an emulated machine may be busy. The harness's own (in
 * seconds, for a whole test) must be longer.
 */
#define BED_WAIT_MS    20000
#define BED_COMMAND_MS 60000
#ifdef TEST_TIMEOUT_DEFAULT
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120
#endif

/* In a fixture's teardown: no expectation failed. The harness changed at 6.10. */
#ifdef FIXTURE_TEARDOWN_PARENT
#define BED_PASSED() __test_passed(_metadata)
#else
#define BED_PASSED() (_metadata->passed)
#endif

struct broker_proc {
	pid_t pid;
	int notify; /* what it tells the service manager; -1: none */
};

/* Enter new namespaces, with bpffs and an empty /run. */
int bed_enter(void);

/* Run the command with these words; its exit status, or -errno. Output only if it fails. */
int bed_virtmesh(const char *words, ...) __attribute__((format(printf, 1, 2)));

/* Start a broker with these options and wait until it says READY. -ECHILD: it ended instead. */
int bed_broker(struct broker_proc *broker, const char *options);
/* The same without waiting. */
int bed_broker_start(struct broker_proc *broker, const char *options);
/* Wait for a line that contains @text from the broker to its service manager. */
int bed_broker_says(struct broker_proc *broker, const char *text);
/* Send @sig (0: none) and wait for the end. Its wait status; -ETIMEDOUT: then it is killed. */
int bed_broker_end(struct broker_proc *broker, int sig);
/* Is it still there? */
bool bed_broker_runs(const struct broker_proc *broker);
/* The number behind @key in /proc/PID/status, in @base; -1: none. */
long long bed_broker_status(const struct broker_proc *broker, const char *key, int base);
/* Does its log contain @text? */
bool bed_log_has(const char *text);
/* Print the log, for a test that fails. */
void bed_log_show(void);

/* CLOCK_MONOTONIC */
long long bed_now_ms(void);

/* A client of the control socket. */

struct ctl_record {
	struct vm_ctl_msg msg;
	unsigned char payload[VM_CTL_MAX];
	size_t len; /* of payload */
};

int ctl_connect_to(const char *path); /* fd */
int ctl_connect(void);
int ctl_send_raw(int fd, const void *data, size_t len);
int ctl_send(int fd, __u16 op, __u32 cookie, const void *payload, size_t len);
/* The next record; -ETIMEDOUT; -ECONNRESET when the broker closed. */
int ctl_recv(int fd, struct ctl_record *rec, int ms);
/* Send, and receive one record, which must be for this. -(its error) if it has one. */
int ctl_ask(int fd, __u16 op, const void *payload, size_t len, struct ctl_record *rec);
int ctl_info(int fd, struct vm_ctl_info *info);
int ctl_resync(int fd);
/* -ENOENT: no such node. */
int ctl_node(int fd, __u32 addr, struct vm_ctl_node *node);
/* Until the node is in @state, by WATCH. */
int ctl_wait_state(__u32 addr, int state, struct vm_ctl_node *node);

#endif /* VIRTMESH_SELFTESTS_BROKER_BED_H */
