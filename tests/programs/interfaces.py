"""A network namespace with the interfaces of a container: one end of a veth pair whose other end
is outside, a pair of its own, a bridge, and routes by rules, of both versions of IP.

interfaces.py [lossy|fatal]: with more than the images have a place for, or than can be restored.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
# bits/ioctls.h
SIOCGIFNAME, SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFHWADDR = 0x8910, 0x8913, 0x8921, 0x8927

BUILD = """
link set lo up
link add eth0 address 02:00:00:00:00:02 mtu 1400 type veth peer name host0 netns {outside}
addr add 10.1.0.2/24 dev eth0
-6 addr add fd00::2/64 dev eth0 nodad
link set eth0 up
link add inner0 type veth peer name inner1
link add br0 address 02:00:00:00:00:03 type bridge
link set inner1 master br0
link set inner0 up
link set inner1 up
link set br0 up
addr add 10.2.0.1/24 dev br0
link add br1 address 02:00:00:00:00:04 type bridge
link set br1 up
addr add 10.3.0.1/24 dev br1
route add 198.51.100.0/24 nexthop via 10.3.0.2 nexthop via 10.1.0.1
route add 192.0.2.0/24 via 10.1.0.1
rule add to 203.0.113.0/24 lookup 100
route add 203.0.113.0/24 dev eth0 table 100
-6 rule add to 2001:db8::/32 lookup 100
-6 route add 2001:db8::/32 dev eth0 table 100
"""
LOSSY = """
neigh add 10.1.0.7 lladdr 02:00:00:00:00:07 dev eth0
link set eth0 alias uplink
link set inner1 txqueuelen 77
link set br0 type bridge ageing_time 500
link set inner1 type bridge_slave hairpin on
"""
FATAL = """
nexthop add id 7 dev lo
"""


def has_v6():
    """Whether a new namespace has IP version 6."""
    try:
        with open("/proc/sys/net/ipv6/conf/default/disable_ipv6") as setting:
            return setting.read() == "0\n"
    except FileNotFoundError:
        return False


def ip(lines):
    for words in map(str.split, lines.splitlines()):
        if words and (V6 or words[0] != "-6"):
            subprocess.run(["ip", *words], check=True)


def build(more):
    """The other end of the pair goes to a child that has stayed outside."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        sys.exit("unshare")
    global V6
    V6 = has_v6()
    ip(BUILD.format(outside=child) + more)
    os.close(writer)
    os.close(reader)
    os.waitpid(child, 0)


def ask(request, name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, request, struct.pack("16s24x", name.encode()))
        return answer[16:24]


def interfaces():
    """All of them by number. Not if_nameindex(3): a dump may come while its netlink socket has
    messages that are not read, which it refuses."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(1, 32):
            try:
                answer = fcntl.ioctl(sock, SIOCGIFNAME, struct.pack("16xi20x", number))
            except OSError:
                continue
            found.append((number, answer[:16].split(b"\0")[0]))
    return found


def source(family, address):
    """Which address a packet to there would come from; it says, too, that there is a route."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((address, 9))
        return sock.getsockname()[0]


def state():
    names = ["lo", "eth0", "inner0", "inner1", "br0"]
    up = [name for name in names if ask(SIOCGIFFLAGS, name)[0] & 1]
    return (
        interfaces(),
        up,
        [struct.unpack_from("i", ask(SIOCGIFMTU, name)) for name in names],
        [ask(SIOCGIFHWADDR, name) for name in names],
        source(socket.AF_INET, "192.0.2.1"),
        source(socket.AF_INET, "203.0.113.1"),
        V6 and source(socket.AF_INET6, "2001:db8::1"),
        source(socket.AF_INET, "10.2.0.9"),
    )


build({"lossy": LOSSY, "fatal": FATAL}.get("".join(sys.argv[1:]), ""))
before = state()
turn = 0
while True:
    turn += 1
    now = state()
    if now != before:
        print(f"fault {now} instead of {before}", flush=True)
        break
    print(f"round {turn}", flush=True)
    time.sleep(0.02)
