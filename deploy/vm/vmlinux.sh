#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Take the kernel proper out of a bzImage, so that QEMU enters it directly (PVH):
# an emulated guest then boots in half the time, because it need not unpack itself.
#
#	vmlinux.sh IMAGE OUT
#
# Fails, quietly and leaving nothing, when the image is packed in a way not known
# here or has no PVH entry: boot IMAGE itself then. Where the packed kernel is
# stands in the boot protocol's header (Documentation/x86/boot.rst: setup_sects
# at 0x1f1, payload_offset at 0x248, payload_length at 0x24c).
set -euo pipefail

image=$1
out=$2
work=$(mktemp "$out.XXXXXX")
trap 'rm -f "$work"' EXIT

field() { od -An -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }

start=$((($(field $((0x1f1)) 1) + 1) * 512 + $(field $((0x248)) 4)))
bytes=$(field $((0x24c)) 4)
# Readers may stop early.
payload() { tail -c +$((start + 1)) "$image" 2>/dev/null | head -c "$bytes" 2>/dev/null || :; }

# Behind the packed kernel stands its size, which the tools take for garbage.
magic=$(payload | od -An -t x1 -N 4 | tr -d ' ')
case $magic in
fd377a58) unpack=(xz -dc --single-stream) ;;
28b52ffd) unpack=(zstd -dcq) ;;
1f8b08*) unpack=(gzip -dcq) ;;
02214c18) unpack=(lz4 -dcq) ;;
*) exit 1 ;;
esac
payload | "${unpack[@]}" >"$work" 2>/dev/null || :

# XEN_ELFNOTE_PHYS32_ENTRY is 0x12.
readelf -nW "$work" 2>/dev/null | grep -q 'Xen .*0x0*12)' || exit 1
mv "$work" "$out"
