#!/usr/bin/env python3
"""record_nftables.py: prints the kernel's dumps of every nftables object as Tests/Fixtures/netlink/*.txt holds them.

One line a message: kind, message type, payload in hexadecimal. With netlink of its own, so that what our decoders are
tested with has not passed through our code. To record anew:

    scripts/vm -- sh -c 'nft -f Tests/Fixtures/netlink/X.nft && Tests/Interop/record_nftables.py' >X.txt
"""
import socket
import struct

SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
REQUEST_DUMP = 0x1 | 0x300
DONE, ERROR = 3, 2
TABLE, CHAIN, RULE, SET, ELEMENTS, OBJECT = 1, 4, 7, 10, 13, 19  # NFT_MSG_GET*
NAMES = {TABLE: "table", CHAIN: "chain", RULE: "rule", SET: "set", ELEMENTS: "elements", OBJECT: "object"}

NETLINK_NETFILTER = 12
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
netlink.bind((0, 0))


def attribute(number, text):
    payload = text + b"\0"
    header = struct.pack("=HH", 4 + len(payload), number)
    return header + payload + b"\0" * (-len(payload) % 4)


def attributes(payload):
    """Type and payload of each, flags taken off."""
    while payload:
        length, number = struct.unpack_from("=HH", payload)
        yield number & 0x3FFF, payload[4:length]
        payload = payload[length + 3 & ~3 :]


def dump(command, family=0, extra=b""):
    payload = struct.pack("=BBH", family, 0, 0) + extra
    netlink.send(struct.pack("=IHHII", 16 + len(payload), SUBSYSTEM | command, REQUEST_DUMP, 1, 0) + payload)
    while True:
        datagram = netlink.recv(1 << 20)
        while datagram:
            length, number = struct.unpack_from("=IH", datagram)
            if number == DONE:
                return
            if number == ERROR:
                raise OSError(-struct.unpack_from("=i", datagram, 16)[0], NAMES[command])
            yield number, datagram[16:length]
            datagram = datagram[length + 3 & ~3 :]


sets = []
for command in (TABLE, CHAIN, RULE, SET, OBJECT):
    for number, payload in dump(command):
        print(NAMES[command], number, payload.hex())
        if command == SET:
            names = dict(attributes(payload[4:]))
            sets.append((payload[0], names[1].rstrip(b"\0"), names[2].rstrip(b"\0")))
for family, table, name in sets:
    for number, payload in dump(ELEMENTS, family, attribute(1, table) + attribute(2, name)):
        print(NAMES[ELEMENTS], number, payload.hex())
