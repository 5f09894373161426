// SPDX-License-Identifier: GPL-2.0-only
/* From one input to the next. */
#include "fake.h"

void fake_kernel_begin(void)
{
	fake_context_begin();
	fake_chance_begin();
	fake_time_begin();
	fake_task_begin();
	fake_allocated = 0;
	fake_must(!fake_pages);
}

void fake_kernel_end(void)
{
	fake_task_end();
	fake_time_end();
	fake_context_end();
	fake_must(!fake_pages);
	fake_must(!fake_allocated);
}
