"""Netlink and packet sockets.

other.py KIND
"""

import os
import socket
import struct

from rounds import chosen, go, same

# linux/netlink.h, linux/rtnetlink.h
RTM_GETLINK, NLM_F_REQUEST, NLMSG_ERROR = 18, 1, 2
# linux/if_packet.h
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_RX_RING, PACKET_AUXDATA, PACKET_FANOUT = 263, 1, 5, 8, 18
PACKET_MR_PROMISC = 1


def netlink():
    """One bound, in a group; one fresh; both still answer."""
    bound = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    bound.bind((0, 1 << 3))
    fresh = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
    before = bound.getsockname()

    def asks(sock):
        body = struct.pack("BxHiII", 0, 0, 1, 0, 0)
        header = struct.pack("IHHII", 16 + len(body), RTM_GETLINK, NLM_F_REQUEST, 7, 0)
        sock.sendto(header + body, (0, 0))
        length, kind, _, sequence, _ = struct.unpack_from("IHHII", sock.recv(1 << 16))
        same((kind != NLMSG_ERROR, sequence), (True, 7))

    def one_round():
        same(bound.getsockname(), before)
        asks(bound)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0) as other:
            asks(other)
        same(fresh.getsockname()[1], 0)

    return one_round


def packet():
    """Bound to loopback with a ring, auxiliary data and a membership."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_RX_RING, struct.pack("IIII", 4096, 4, 2048, 8))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.bind(("lo", 0))
    member = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    index = socket.if_nametoindex("lo")
    request = struct.pack("iHH8s", index, PACKET_MR_PROMISC, 0, b"")
    member.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)

    def state():
        with open("/proc/net/packet") as table:
            lines = [line.split() for line in table]
        numbers = {os.fstat(s.fileno()).st_ino for s in (sock, member)}
        rows = sorted(row[2:6] for row in lines if row[-1].isdigit() and int(row[-1]) in numbers)
        return rows, sock.getsockname(), sock.getsockopt(SOL_PACKET, PACKET_AUXDATA)

    before = state()
    same(len(before[0]), 2)
    return lambda: same(state(), before)


def unread():
    """An answer waits."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    header = struct.pack("IHHII", 32, RTM_GETLINK, NLM_F_REQUEST, 7, 0)
    sock.sendto(header + struct.pack("BxHiII", 0, 0, 1, 0, 0), (0, 0))
    return lambda: same(len(sock.recv(1, socket.MSG_PEEK)), 1)


def family(number, kind):
    """A socket of a family that is not dumped."""
    sock = socket.socket(number, kind, 0)
    return lambda: same(sock.family, number)


go(chosen({
    "netlink": netlink,
    "packet": packet,
    "unread": unread,
    "vsock": lambda: family(socket.AF_VSOCK, socket.SOCK_STREAM),
}))
