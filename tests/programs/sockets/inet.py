"""Internet sockets: TCP in its states, UDP, raw and ICMP, over loopback.

inet.py KIND [PORT [patient]]
"""

import ctypes
import errno
import itertools
import socket
import struct
import sys
import time

from rounds import chosen, go, pattern, read_all, same

V4, V6 = (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")
SOL_RAW, SO_ATTACH_FILTER, UDP_CORK = 255, 26, 1
# linux/tcp.h, net/tcp_states.h
TCP_INFO_STATE = 0
ESTABLISHED, FIN_WAIT2, CLOSE, CLOSE_WAIT, LISTEN = 1, 5, 7, 8, 10


def tcp_state(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[TCP_INFO_STATE]


def listener(family, address):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind((address, 0))
    sock.listen(5)
    return sock


def connected(family, address):
    """Both ends of a connection, and no listener left."""
    with listener(family, address) as server:
        client = socket.socket(family, socket.SOCK_STREAM)
        client.connect(server.getsockname())
        return client, server.accept()[0]


def mapped():
    """Both ends of an IPv4 connection, between IPv6 sockets."""
    with listener(socket.AF_INET6, "::") as server:
        client = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        return client, server.accept()[0]


def connections():
    """Established ones, with bytes unread in both directions and more than the window takes."""
    pairs = [connected(*V4), connected(*V6), mapped()]
    there, back = pattern(1, 9_000), pattern(2, 100)
    much = pattern(3, 3_000_000)
    full = connected(*V4)
    full[0].setblocking(False)
    names = [(sock.getsockname(), sock.getpeername()) for pair in pairs for sock in pair]

    def queue():
        for client, server in pairs:
            client.sendall(there)
            server.sendall(back)

    def fill():
        sent = 0
        try:
            while sent < len(much):
                sent += full[0].send(much[sent:])
        except BlockingIOError:
            pass
        return sent

    sent = fill()

    def one_round():
        nonlocal sent
        for client, server in pairs:
            same(read_all(server, len(there)), there)
            same(read_all(client, len(back)), back)
        same([(s.getsockname(), s.getpeername()) for pair in pairs for s in pair], names)
        same(read_all(full[1], sent) == much[:sent], True)
        queue()
        sent = fill()

    queue()
    return one_round


def half_closed():
    """FIN-WAIT-2 and CLOSE-WAIT, with bytes before the end unread."""
    pairs = [connected(*V4), connected(*V6)]
    for client, server in pairs:
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        same(server.recv(100, socket.MSG_PEEK), b"last words")
        while tcp_state(client) != FIN_WAIT2:
            time.sleep(0.01)

    def one_round():
        for client, server in pairs:
            same((tcp_state(client), tcp_state(server)), (FIN_WAIT2, CLOSE_WAIT))
            data = server.recv(100, socket.MSG_PEEK)
            same(data, b"last words")
            server.sendall(b"reply")
            same(read_all(client, 5), b"reply")

    return one_round


def unconnected():
    """Listening with options, bound, and fresh; none of them connected."""
    servers = [listener(*V4), listener(*V6)]
    servers[0].setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    servers[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
    servers[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    only6 = socket.socket(socket.AF_INET6)
    only6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    only6.bind(("::", 0))
    fresh = socket.socket(socket.AF_INET)
    shared = [socket.socket(socket.AF_INET) for _ in range(3)]
    port = 0
    for sock in shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(3)
        port = sock.getsockname()[1]
    everything = servers + [only6, fresh] + shared
    names = [sock.getsockname() for sock in everything]

    def options():
        return [
            servers[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            servers[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            servers[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
            only6.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
            [sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) for sock in shared],
        ]

    before = options()

    def one_round():
        same([sock.getsockname() for sock in everything], names)
        same([tcp_state(sock) for sock in everything], [LISTEN] * 2 + [CLOSE] * 2 + [LISTEN] * 3)
        same(options(), before)
        for server in servers:
            with socket.socket(server.family) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.connect(server.getsockname())
                server.accept()[0].close()

    return one_round


def udp():
    """Bound, connected, shut down, UDP-Lite; IPv4 and IPv6."""
    pairs = []
    for family, address in (V4, V6):
        for protocol in (socket.IPPROTO_UDP, socket.IPPROTO_UDPLITE):
            left = socket.socket(family, socket.SOCK_DGRAM, protocol)
            right = socket.socket(family, socket.SOCK_DGRAM, protocol)
            left.bind((address, 0))
            right.connect(left.getsockname())
            left.connect(right.getsockname())
            pairs.append((left, right))
    shut = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    shut.connect(pairs[0][0].getsockname())
    shut.shutdown(socket.SHUT_WR)
    tos = pairs[0][0]
    tos.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
    tos.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 33)

    def one_round():
        for left, right in pairs:
            left.send(b"there")
            same(right.recv(10), b"there")
            right.send(b"back")
            same(left.recv(10), b"back")
        same(tos.getsockopt(socket.IPPROTO_IP, socket.IP_TOS), 0x10)
        same(tos.getsockopt(socket.IPPROTO_IP, socket.IP_TTL), 33)
        try:
            shut.send(b"x")
            raise AssertionError("sent through what was shut down")
        except BrokenPipeError:
            pass

    return one_round


def raw():
    """Raw sockets with their filters, and a ping socket."""
    icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    icmp.setsockopt(SOL_RAW, 1, struct.pack("I", 5))
    raw4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, 254)
    raw4.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)

    def state():
        return (
            icmp.getsockopt(SOL_RAW, 1, 4),
            raw4.getsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL),
            [sock.getsockname() for sock in (icmp, raw4, raw6)],
        )

    before = state()
    return lambda: same(state(), before)


def filtered():
    """A classic filter that lets the first 4 bytes of a datagram through (8 of UDP's header)."""
    left = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    left.bind(("127.0.0.1", 0))
    program = struct.pack("HBBI", 0x06, 0, 0, 12)
    buffer = ctypes.create_string_buffer(program)
    left.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(buffer)))
    right = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    right.connect(left.getsockname())

    def one_round():
        right.send(b"cut here")
        same(left.recv(100), b"cut ")

    return one_round


def multicast(family):
    """A member of a group of the loopback interface."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    loopback = socket.if_nametoindex("lo")
    if family == socket.AF_INET:
        group = socket.inet_aton("239.9.8.7")
        member = struct.pack("4s4si", group, bytes(4), loopback)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    else:
        member = struct.pack("16si", socket.inet_pton(family, "ff02::9:8:7"), loopback)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
    return lambda: same(sock.family, family)


def corked():
    """A datagram is being put together."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(V4[1:] + (9,))
    sock.setsockopt(socket.IPPROTO_UDP, UDP_CORK, 1)
    return lambda: same(sock.getsockopt(socket.IPPROTO_UDP, UDP_CORK), 1)


def in_flight():
    """A connection waits to be accepted."""
    server = listener(*V4)
    waiting = socket.create_connection(server.getsockname())
    return lambda: same((tcp_state(server), tcp_state(waiting)), (LISTEN, ESTABLISHED))


def mptcp():
    """Multipath TCP, not connected."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    return lambda: same(sock.proto, 262)


class Patient:
    """A socket whose dumper may be killed: until the caretaker is done, repair mode forbids to
    read and to write."""

    def __init__(self, sock):
        self.sock = sock

    def recv(self, length):
        return self.soon(lambda: self.sock.recv(length))

    def sendall(self, data):
        while data:
            data = data[self.soon(lambda: self.sock.send(data)):]

    def soon(self, call):
        end = time.monotonic() + 10
        while True:
            try:
                return call()
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EINVAL) or time.monotonic() > end:
                    raise
                time.sleep(0.001)


def client():
    """A stream to a server outside of the tree: what it sends comes back, byte for byte."""
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    if sys.argv[3:] == ["patient"]:
        sock = Patient(sock)
    numbers = itertools.count()
    ahead = [next(numbers) for _ in range(40)]
    for number in ahead:
        sock.sendall(pattern(number, 5_000))

    def one_round():
        # What is on its way all the time stays under way.
        same(read_all(sock, 5_000), pattern(ahead.pop(0), 5_000))
        ahead.append(next(numbers))
        sock.sendall(pattern(ahead[-1], 5_000))

    return one_round


go(chosen({
    "connections": connections,
    "half-closed": half_closed,
    "unconnected": unconnected,
    "udp": udp,
    "raw": raw,
    "filtered": filtered,
    "corked": corked,
    "multicast": lambda: multicast(socket.AF_INET),
    "multicast6": lambda: multicast(socket.AF_INET6),
    "in-flight": in_flight,
    "mptcp": mptcp,
    "client": client,
}))
