"""tun and tap devices in a network namespace of its own.

Attached by one descriptor, by several, by one that is detached, persistent, and a descriptor that
is attached to none. In every round a packet goes in each direction.

tun.py [left|offload|limit]: with what a restore would lose.
"""

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sockets"))
from rounds import go, same  # noqa: E402

# linux/sched.h, linux/if_tun.h
CLONE_NEWNET = 0x40000000
TUNSETIFF, TUNSETPERSIST, TUNSETOWNER = 0x400454CA, 0x400454CB, 0x400454CC
TUNSETOFFLOAD, TUN_F_CSUM = 0x400454D0, 1
TUNGETIFF, TUNGETSNDBUF, TUNSETSNDBUF = 0x800454D2, 0x800454D3, 0x400454D4
TUNGETVNETHDRSZ, TUNSETVNETHDRSZ, TUNSETQUEUE = 0x800454D7, 0x400454D8, 0x400454D9
IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 1, 2, 0x1000, 0x4000
IFF_MULTI_QUEUE, IFF_DETACH_QUEUE = 0x100, 0x400
# linux/sockios.h: SIOCGIFINDEX, SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFHWADDR
INTERFACE = 0x8933, 0x8913, 0x8921, 0x8927
NONBLOCK = os.O_RDWR | os.O_NONBLOCK

if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
    sys.exit("unshare")


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def number(fd, request):
    return struct.unpack("i", fcntl.ioctl(fd, request, struct.pack("i", 0)))[0]


def attach(name, flags):
    fd = os.open("/dev/net/tun", NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name, flags))
    return fd


def state(fd):
    """What a descriptor says of its device."""
    name, flags = struct.unpack("16sH22x", fcntl.ioctl(fd, TUNGETIFF, bytes(40)))
    return name, flags, number(fd, TUNGETSNDBUF), number(fd, TUNGETVNETHDRSZ)


def links():
    """What the namespace says of its interfaces. Not asked with a netlink socket, which has unread
    messages while it is answered."""
    with open("/proc/net/dev") as table:
        names = [line.split(":")[0].strip() for line in table if ":" in line]
    requests = {name: struct.pack("16s24x", name.encode()) for name in sorted(names)}
    return {name: [fcntl.ioctl(receiver, number, request)[16:] for number in INTERFACE]
            for name, request in requests.items()}


def passes(send, end, receive, wanted):
    """What is sent arrives; what was on its way when the tree was dumped is sent again."""
    for _ in range(20):
        send()
        while select.select([end], [], [], 1)[0]:
            if receive() == wanted:
                return
    raise AssertionError(f"no {wanted!r}")


def checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def datagram(port, data):
    """From 10.8.0.2 to 10.8.0.1, with no checksum of its own."""
    udp = struct.pack(">HHHH", 7, port, 8 + len(data), 0) + data
    ends = socket.inet_aton("10.8.0.2") + socket.inet_aton("10.8.0.1")
    start = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP)
    header = start + struct.pack(">H", checksum(start + bytes(2) + ends)) + ends
    return header + udp


ip("link", "set", "lo", "up")
tun = attach(b"tun0", IFF_TUN | IFF_NO_PI)
tap = attach(b"tap0", IFF_TAP | IFF_VNET_HDR)
fcntl.ioctl(tap, TUNSETVNETHDRSZ, struct.pack("i", 12))
queues = [attach(b"many0", IFF_TUN | IFF_MULTI_QUEUE) for _ in range(2)]
fcntl.ioctl(queues[1], TUNSETQUEUE, struct.pack("16sH22x", b"", IFF_DETACH_QUEUE))
lasting = attach(b"last0", IFF_TAP | IFF_VNET_HDR)
fcntl.ioctl(lasting, TUNSETOWNER, 1234)
fcntl.ioctl(lasting, TUNSETPERSIST, 1)
if sys.argv[1:] == ["left"]:
    os.close(lasting)
    lasting = tun
if sys.argv[1:] == ["offload"]:
    fcntl.ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM)
if sys.argv[1:] == ["limit"]:
    fcntl.ioctl(tun, TUNSETSNDBUF, struct.pack("i", 123_456))
none = os.open("/dev/net/tun", NONBLOCK)

with open("/proc/sys/net/ipv6/conf/tun0/disable_ipv6", "w") as setting:
    setting.write("1")
ip("addr", "add", "10.8.0.1/24", "dev", "tun0")
ip("link", "set", "tun0", "mtu", "1400", "up")
ip("link", "set", "tap0", "address", "02:00:00:00:00:07")
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("10.8.0.1", 0))

attached = [tun, tap, *queues, lasting]
states, interfaces = [state(fd) for fd in attached], links()


def one_round():
    same([state(fd) for fd in attached], states)
    same(links(), interfaces)
    try:
        state(none)
        raise AssertionError("attached")
    except OSError:
        pass
    inwards = datagram(receiver.getsockname()[1], b"inwards")
    passes(lambda: os.write(tun, inwards), receiver, lambda: receiver.recv(100), b"inwards")
    passes(lambda: receiver.sendto(b"outwards", ("10.8.0.2", 9)), tun,
           lambda: os.read(tun, 2000)[28:], b"outwards")


go(one_round)
