// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "libprint.h"
#include "log.h"

/* How libbpf passes on a netlink answer's extended acknowledgement. */
#define KERNEL_SAYS "Kernel error message: "

static char kernel[160];

static int print(const char *lib, const char *fmt, va_list ap)
{
	char *text, *rest, *line;
	const char *said;

	if (vasprintf(&text, fmt, ap) < 0)
		return 0;
	said = strstr(text, KERNEL_SAYS);
	if (said) {
		snprintf(kernel, sizeof(kernel), "%s", said + strlen(KERNEL_SAYS));
		kernel[strcspn(kernel, "\n")] = '\0';
	}
	/* A verifier's log comes as one text of thousands of lines. */
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			vm_debug("%s: %s", lib, line);
	free(text);
	return 0;
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return print("libbpf", fmt, ap);
}

static int print_libxdp(enum libxdp_print_level level, const char *fmt, va_list ap)
{
	return print("libxdp", fmt, ap);
}

void vm_libprint_init(void)
{
	libbpf_set_print(print_libbpf);
	libxdp_set_print(print_libxdp);
}

void vm_libprint_reset(void)
{
	kernel[0] = '\0';
}

const char *vm_libprint_kernel(void)
{
	return kernel;
}
