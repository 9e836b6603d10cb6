"""What only the queue of a unix socket holds: a descriptor in flight that no task has open.

in_flight.py KIND: in every round it is received, checked, and sent again; what a restore cannot
set up stays where it is.
"""

import ctypes
import os
import select
import signal
import socket
import struct
import time

from rounds import LIBC, call, chosen, go, readable, same

# sys/inotify.h, linux/fanotify.h, asm/unistd_64.h
IN_CREATE, FAN_CREATE = 0x100, 0x100
FAN_REPORT_FID, FAN_MARK_ADD, FANOTIFY_INIT, FANOTIFY_MARK = 0x200, 1, 300, 301
PIDFD_OPEN = 434
TYPES = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM,
         "seqpacket": socket.SOCK_SEQPACKET}


def alone(fd, check):
    """Rounds of a descriptor that is in flight between them."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    socket.send_fds(left, [b"with"], [fd])
    os.close(fd)

    def one_round():
        data, (fd,), _, _ = socket.recv_fds(right, 4, 8)
        same(data, b"with")
        check(fd)
        socket.send_fds(left, [b"with"], [fd])
        os.close(fd)

    return one_round


def left_alone(fd):
    """Rounds of a descriptor that stays in flight."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    socket.send_fds(left, [b"with"], [fd])
    os.close(fd)
    return lambda: same((left.fileno() >= 0, right.recv(4, socket.MSG_PEEK)), (True, b"with"))


def eventfd():
    def check(fd):
        same(os.eventfd_read(fd), 7)
        os.eventfd_write(fd, 7)

    return alone(os.eventfd(7), check)


def signalfd():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    mask = struct.pack("Q", 1 << (signal.SIGUSR1 - 1))
    fd = call(LIBC.syscall(289, -1, mask, 8, 0))

    def check(fd):
        os.kill(os.getpid(), signal.SIGUSR1)
        same(readable(fd), True)
        same(struct.unpack_from("I", os.read(fd, 128))[0], signal.SIGUSR1)

    return alone(fd, check)


def received(receiver, count):
    data, fds, _, _ = socket.recv_fds(receiver, 100, 8)
    same((data, len(fds)), (b"s", count))
    return [socket.socket(fileno=fd) for fd in fds]


def sent(sender, *sockets):
    """Sends sockets with one byte; no task has them open then."""
    socket.send_fds(sender, [b"s"], [sock.fileno() for sock in sockets])
    for sock in sockets:
        sock.close()


def end(kind):
    """Rounds of an end of a pair that has something unread; its other end is open."""
    left, right = socket.socketpair()
    there, here = socket.socketpair(socket.AF_UNIX, kind)

    def send(there):
        here.send(b"to it")
        there.send(b"from it")
        sent(left, there)

    def one_round():
        there, = received(right, 1)
        same((there.recv(100), here.recv(100)), (b"to it", b"from it"))
        send(there)

    send(there)
    return one_round


def both(kind):
    """Rounds of both ends of a pair, each in a queue of its own."""
    queues = [socket.socketpair() for _ in range(2)]

    def send(ends):
        ends[0].send(b"between")
        for end, (sender, _) in zip(ends, queues):
            sent(sender, end)

    def one_round():
        ends = [received(receiver, 1)[0] for _, receiver in queues]
        same(ends[1].recv(100), b"between")
        send(ends)

    send(socket.socketpair(socket.AF_UNIX, kind))
    return one_round


def nested():
    """Rounds of a pair in flight, with one in flight in it, with an open one's end in that."""
    outer = socket.socketpair()
    here, there = socket.socketpair()

    def send(middle, inner, there):
        sent(inner[0], there)
        sent(middle[0], *inner)
        sent(outer[0], *middle)

    def one_round():
        middle = received(outer[1], 2)
        inner = received(middle[1], 2)
        there, = received(inner[1], 1)
        there.send(b"through")
        same(here.recv(100), b"through")
        send(middle, inner, there)

    send(socket.socketpair(), socket.socketpair(), there)
    return one_round


def bound():
    """Rounds of a socket that another one is connected to."""
    left, right = socket.socketpair()
    name = b"\0in flight %d" % os.getpid()
    here, there = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    there.bind(name)
    here.connect(name)

    def send(there):
        here.send(b"to it")
        sent(left, there)

    def one_round():
        there, = received(right, 1)
        same((there.recv(100), there.getsockname()), (b"to it", name))
        send(there)

    send(there)
    return one_round


def unconnected():
    return left_alone(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).detach())


def timerfd():
    return left_alone(call(LIBC.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)))


def inotify():
    fd = call(LIBC.inotify_init1(os.O_NONBLOCK))
    call(LIBC.inotify_add_watch(fd, b"/etc", IN_CREATE))
    return left_alone(fd)


def fanotify():
    fd = call(LIBC.syscall(FANOTIFY_INIT, FAN_REPORT_FID | 2, 0))
    mask = ctypes.c_uint64(FAN_CREATE)
    call(LIBC.syscall(FANOTIFY_MARK, fd, FAN_MARK_ADD, mask, -100, os.getcwd().encode()))

    def check(fd):
        os.close(os.open("made", os.O_CREAT | os.O_WRONLY))
        same(readable(fd), True)
        same(len(os.read(fd, 4096)) > 0, True)
        os.unlink("made")

    return alone(fd, check)


def pidfd():
    fd = call(LIBC.syscall(PIDFD_OPEN, os.getpid(), 0))

    def check(fd):
        with open(f"/proc/self/fdinfo/{fd}") as info:
            same([line.split() for line in info if line.startswith("Pid:")],
                 [["Pid:", str(os.getpid())]])

    return alone(fd, check)


def epoll():
    reader, writer = os.pipe()
    os.write(writer, b"x")
    instance = select.epoll()
    instance.register(reader, select.EPOLLIN)
    fd = os.dup(instance.fileno())
    instance.close()

    def check(fd):
        same(select.epoll.fromfd(fd).poll(10), [(reader, select.EPOLLIN)])

    def keeps(fd):
        check(os.dup(fd))

    return alone(fd, keeps)


def memfd():
    fd = os.memfd_create("in flight")
    os.write(fd, b"memory")
    return alone(fd, lambda fd: same((os.pread(fd, 10, 0), os.lseek(fd, 0, 1)), (b"memory", 6)))


def gone():
    fd = os.open("gone", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"deleted")
    os.unlink("gone")
    return alone(fd, lambda fd: same((os.pread(fd, 10, 0), os.lseek(fd, 0, 1)), (b"deleted", 7)))


def fifo():
    os.mkfifo("fifo")
    fd = os.open("fifo", os.O_RDWR)
    os.write(fd, b"in it")

    def check(fd):
        same(os.read(fd, 10), b"in it")
        os.write(fd, b"in it")

    return alone(fd, check)


def listening():
    server = socket.create_server(("127.0.0.1", 0))
    address = server.getsockname()

    def check(fd):
        with socket.socket(fileno=os.dup(fd)) as server:
            with socket.create_connection(address) as client:
                accepted = server.accept()[0]
                client.sendall(b"new")
                same(accepted.recv(10), b"new")
                # No port stays behind that a restore would have to wait for.
                linger = struct.pack("ii", 1, 0)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            accepted.close()

    return alone(server.detach(), check)


def connected():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    one_round = left_alone(server.accept()[0].detach())
    return lambda: same((one_round(), client.send(b"there")), (None, 5))


def udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    address = sock.getsockname()
    return alone(sock.detach(), lambda fd: same(
        socket.socket(fileno=os.dup(fd)).getsockname(), address))


def netlink():
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    sock.bind((0, 0))
    address = sock.getsockname()
    return alone(sock.detach(), lambda fd: same(
        socket.socket(fileno=os.dup(fd)).getsockname(), address))


def packet():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    return alone(sock.detach(), lambda fd: same(
        socket.socket(fileno=os.dup(fd)).family, socket.AF_PACKET))


def master():
    fd, slave = os.openpty()

    def check(fd):
        os.write(slave, b"out\n")
        same(os.read(fd, 10), b"out\r\n")

    return alone(fd, check)


def namespace():
    fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
    name = os.readlink("/proc/self/ns/uts")
    return alone(fd, lambda fd: same(os.readlink(f"/proc/self/fd/{fd}"), name))


go(chosen({kind.__name__: kind for kind in (
    nested, bound, unconnected, eventfd, signalfd, timerfd, inotify, fanotify, pidfd, epoll, memfd, gone, fifo, listening,
    connected, udp, netlink, packet, master, namespace)} | {
        f"{kind.__name__}-{name}": lambda kind=kind, value=value: kind(value)
        for kind in (end, both) for name, value in TYPES.items()}))
