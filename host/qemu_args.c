// SPDX-License-Identifier: GPL-2.0-only
/*
 * What QEMU is to be told. Offloads are off because no one computes a checksum
 * or cuts a segment between two taps: a frame must be whole when it is sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "join.h"
#include "json.h"
#include "log.h"
#include "ports.h"
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

int vm_cmd_qemu_args(const struct vm_args *args)
{
	const struct vm_port_entry *entry;
	char netdev[160], device[512];
	struct json_object *json, *argv;
	bool vhost = have_vhost_net();
	struct vm_ports *ports;
	struct vm_port port;
	__u8 mac[VM_MAC_LEN];
	struct vm_state st;
	int err;

	err = vm_state_read(&st);
	if (err)
		return err;
	ports = vm_ports_load(&st.maps);
	err = ports ? vm_join_find(ports, args->name, &entry) : -EIO;
	if (!err)
		port = entry->port;
	free(ports);
	vm_state_close(&st);
	if (err)
		return err;

	vm_addr_to_mac(port.addr, mac);
	snprintf(netdev, sizeof(netdev), "tap,id=%s,ifname=%s,script=no,downscript=no%s",
		 args->name, args->name, vhost ? ",vhost=on" : "");
	snprintf(device, sizeof(device),
		 "virtio-net-pci,netdev=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x,host_mtu=%u,"
		 "disable-legacy=on,rx_queue_size=1024," OFFLOADS_OFF,
		 args->name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], port.mtu);
	if (!args->json) {
		printf("-netdev %s -device %s\n", netdev, device);
		return 0;
	}
	json = json_object_new_object();
	argv = json_object_new_array();
	vm_json_push(argv, json_object_new_string("-netdev"));
	vm_json_push(argv, json_object_new_string(netdev));
	vm_json_push(argv, json_object_new_string("-device"));
	vm_json_push(argv, json_object_new_string(device));
	vm_json_str(json, "port", args->name);
	vm_json_bool(json, "vhost", vhost);
	vm_json_mac(json, "mac", mac);
	vm_json_u64(json, "mtu", port.mtu);
	vm_json_add(json, "args", argv);
	return vm_json_print(json, false);
}
