// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>

#include "testbed.h"
#include "kselftest_harness.h"

FIXTURE(steer)
{
	struct bed bed;
	struct bed_port a, b;
};

FIXTURE_SETUP(steer)
{
	ASSERT_EQ(0, bed_open(&self->bed));
	ASSERT_EQ(0, bed_load(&self->bed));
	ASSERT_EQ(0, bed_ensemble_add(&self->bed, 7, 3366, 16));
	ASSERT_EQ(0, bed_port_add(&self->bed, &self->a, BED_TAP, 7, 1, 3366));
	ASSERT_EQ(0, bed_port_add(&self->bed, &self->b, BED_TAP, 7, 2, 3366));
}

FIXTURE_TEARDOWN(steer)
{
	bed_port_close(&self->a);
	bed_port_close(&self->b);
	bed_close(&self->bed);
}

TEST_F(steer, unicast_is_redirected)
{
	__u8 f[64], g[2048];
	__u32 v;

	bed_frame_to(f, sizeof(f), self->b.addr, self->a.addr, 1);
	ASSERT_EQ(0, bed_test_run(&self->bed, &self->a, f, sizeof(f), g, &v));
	ASSERT_EQ(XDP_REDIRECT, v);
	ASSERT_EQ(0, memcmp(f, g, sizeof(f)));
	ASSERT_EQ(0, bed_live_run(&self->bed, &self->a, f, sizeof(f), 1));
	ASSERT_EQ(64, bed_read_wait(&self->b, g, sizeof(g)));
	ASSERT_EQ(0, memcmp(f, g, sizeof(f)));
	ASSERT_EQ(64, bed_write(&self->a, f, sizeof(f)));
	ASSERT_EQ(64, bed_read_wait(&self->b, g, sizeof(g)));
}

TEST_HARNESS_MAIN
