// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VMM is to be told. Offloads are off because no one computes a checksum
 * or cuts a segment between two taps: a frame must be whole when it is sent.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include "cmd.h"
#include "join.h"
#include "json.h"
#include "log.h"
#include "ports.h"
#include "room.h"
#include "state.h"

#define OFFLOADS_OFF                                                     \
	"csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off," \
	"guest_ecn=off,guest_ufo=off,host_tso4=off,host_tso6=off,"       \
	"host_ecn=off,host_ufo=off"

static bool have_vhost_net(void)
{
	int fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* What is known of the port @args->name. */
static int find_port(const struct vm_args *args, struct vm_port *port)
{
	const struct vm_port_entry *entry;
	struct vm_ports *ports;
	struct vm_state st;
	int err;

	err = vm_state_read(&st);
	if (err)
		return err;
	ports = vm_ports_load(&st.maps);
	err = ports ? vm_join_find(ports, args->name, &entry) : -EIO;
	if (!err)
		*port = entry->port;
	free(ports);
	vm_state_close(&st);
	return err;
}

/* An option of QEMU's and its value. */
struct words {
	struct {
		const char *option;
		char value[512];
	} word[8];
	unsigned int count;
};

__attribute__((format(printf, 3, 4))) static void add(struct words *words, const char *option,
						      const char *fmt, ...)
{
	va_list ap;

	words->word[words->count].option = option;
	va_start(ap, fmt);
	vsnprintf(words->word[words->count].value, sizeof(words->word[0].value), fmt, ap);
	va_end(ap);
	words->count++;
}

/* Room for each byte twice. */
#define QEMU_TEXT (2 * VM_ROOM_PATH)

/* @value as QEMU takes it inside of an option's: a comma would end it there. */
static const char *escaped(const char *value, char text[QEMU_TEXT])
{
	char *to = text;

	for (; *value && to < text + QEMU_TEXT - 2; value++) {
		if (*value == ',')
			*to++ = ',';
		*to++ = *value;
	}
	*to = '\0';
	return text;
}

/*
 * What QEMU calls the port: its name, if that may be an id there (a letter, then letters,
 * digits, '-', '.', '_'), and else the node, which has one port.
 */
static const char *qemu_id(const char *name, const struct vm_port *port, char text[32])
{
	static const char takes[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	if (isascii(*name) && isalpha(*name) && !name[strspn(name, takes)])
		snprintf(text, 32, "%s", name);
	else
		snprintf(text, 32, "mesh.%u.%u", vm_addr_ensemble(port->addr),
			 vm_addr_node(port->addr));
	return text;
}

/* QEMU opens the tap itself. */
static void add_tap(struct words *words, const char *id, const char *name, bool vhost)
{
	char text[QEMU_TEXT];

	add(words, "-netdev", "tap,id=%s,ifname=%s,script=no,downscript=no%s", id,
	    escaped(name, text), vhost ? ",vhost=on" : "");
}

/*
 * QEMU meets virtmesh-port at a socket. Whoever connects comes back when the
 * other was restarted. The guest's memory is in a file that QEMU hands over,
 * which is why its size must be known here. One pair of queues: stock drivers
 * would send frames through a second one as well.
 */
static void add_vhost_user(struct words *words, const char *id, const struct vm_args *args)
{
	const char *unit = args->memory[strspn(args->memory, "0123456789")] ? "" : "M";
	char path[VM_ROOM_PATH], text[QEMU_TEXT];

	/* Without a unit a number would be MiB for -m and bytes for the object. */
	add(words, "-m", "%s%s", args->memory, unit);
	add(words, "-object", "memory-backend-memfd,id=virtmesh-memory,share=on,size=%s%s",
	    args->memory, unit);
	add(words, "-machine", "memory-backend=virtmesh-memory");
	add(words, "-chardev", "socket,id=%s-socket,path=%s,%s", id,
	    escaped(vm_room_socket(args->name, path), text),
	    args->listen ? "server=on,wait=off" : "reconnect=1");
	add(words, "-netdev", "vhost-user,id=%s,chardev=%s-socket,queues=1", id, id);
}

static int print_words(const struct words *words, const struct vm_args *args,
		       const struct vm_port *port, bool vhost)
{
	struct json_object *json, *argv;
	char path[VM_ROOM_PATH];
	__u8 mac[VM_MAC_LEN];

	if (!args->json) {
		for (unsigned int i = 0; i < words->count; i++)
			printf("%s%s %s", i ? " " : "", words->word[i].option,
			       words->word[i].value);
		printf("\n");
		return 0;
	}
	json = json_object_new_object();
	argv = json_object_new_array();
	for (unsigned int i = 0; i < words->count; i++) {
		vm_json_push(argv, json_object_new_string(words->word[i].option));
		vm_json_push(argv, json_object_new_string(words->word[i].value));
	}
	vm_addr_to_mac(port->addr, mac);
	vm_json_str(json, "port", args->name);
	vm_json_bool(json, "vhost", vhost);
	if (port->flags & VM_PORT_VHOST_USER)
		vm_json_str(json, "socket", vm_room_socket(args->name, path));
	vm_json_mac(json, "mac", mac);
	vm_json_u64(json, "mtu", port->mtu);
	vm_json_add(json, "args", argv);
	return vm_json_print(json, false);
}

/* Options that the port's kind has no use for, or cannot do without. */
static int check_options(const struct vm_args *args, const struct vm_port *port)
{
	bool vhost_user = port->flags & VM_PORT_VHOST_USER;

	if (vhost_user && !args->memory) {
		vm_err("%s is a vhost-user port: give the guest's memory, --memory 1G say; QEMU "
		       "must share it",
		       args->name);
		return -EINVAL;
	}
	if (!vhost_user && (args->memory || args->listen)) {
		vm_err("--memory and --listen are for vhost-user ports, and %s is none",
		       args->name);
		return -EINVAL;
	}
	return 0;
}

int vm_cmd_qemu_args(const struct vm_args *args)
{
	struct words words = { 0 };
	struct vm_port port;
	__u8 mac[VM_MAC_LEN];
	char id[32];
	bool vhost;
	int err;

	err = find_port(args, &port);
	if (err)
		return err;
	qemu_id(args->name, &port, id);
	vhost = !(port.flags & VM_PORT_VHOST_USER) && have_vhost_net();
	err = check_options(args, &port);
	if (err)
		return err;
	if (port.flags & VM_PORT_VHOST_USER)
		add_vhost_user(&words, id, args);
	else
		add_tap(&words, id, args->name, vhost);
	vm_addr_to_mac(port.addr, mac);
	add(&words, "-device",
	    "virtio-net-pci,netdev=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x,host_mtu=%u,"
	    "disable-legacy=on,rx_queue_size=1024," OFFLOADS_OFF,
	    id, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], port.mtu);
	return print_words(&words, args, &port, vhost);
}

int vm_cmd_uml_args(const struct vm_args *args)
{
	char path[VM_ROOM_PATH], arg[VM_ROOM_PATH + 32];
	struct json_object *json, *argv;
	struct vm_port port;
	int err;

	err = find_port(args, &port);
	if (err)
		return err;
	if (!(port.flags & VM_PORT_VHOST_USER)) {
		vm_err("%s is no vhost-user port: add it with --vhost-user", args->name);
		return -EINVAL;
	}
	vm_room_socket(args->name, path);
	snprintf(arg, sizeof(arg), "virtio_uml.device=%s:%d", path, VIRTIO_ID_NET);
	if (!args->json) {
		printf("%s\n", arg);
		return 0;
	}
	json = json_object_new_object();
	argv = json_object_new_array();
	vm_json_push(argv, json_object_new_string(arg));
	vm_json_str(json, "port", args->name);
	vm_json_str(json, "socket", path);
	vm_json_add(json, "args", argv);
	return vm_json_print(json, false);
}
