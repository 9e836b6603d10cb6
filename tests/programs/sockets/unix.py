"""Unix sockets with their queues, peers and names.

unix.py KIND: in every round what was queued in the round before is read, checked, and queued again.
"""

import ctypes
import os
import socket
import struct
import time

from rounds import chosen, go, pattern, read_all, same, soon

SO_PEEK_OFF = 42
STREAM, DGRAM, SEQPACKET = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET


def pair(kind):
    return socket.socketpair(socket.AF_UNIX, kind)


def stream():
    """Bytes wait on both ends of a pair."""
    left, right = pair(STREAM)
    there, back = pattern(1, 50_000), pattern(2, 7)

    def queue():
        left.sendall(there)
        right.sendall(back)

    def one_round():
        same(read_all(right, len(there)), there)
        same(read_all(left, len(back)), back)
        queue()

    queue()
    return one_round


def messages(kind):
    """Messages of every size wait, an empty one among them."""
    left, right = pair(kind)
    wanted = [pattern(n, size) for n, size in enumerate((1, 60_000, 0, 5, 4096))]

    def queue():
        for message in wanted:
            left.send(message)

    def one_round():
        # After a dumper that was killed another process puts it back, a moment later.
        soon(lambda: right.getsockopt(socket.SOL_SOCKET, SO_PEEK_OFF), -1)
        same([right.recv(1 << 17) for _ in wanted], wanted)
        right.setblocking(False)
        try:
            right.recv(1)
            raise AssertionError("one message too many")
        except BlockingIOError:
            right.setblocking(True)
        queue()

    queue()
    return one_round


def rights():
    """Descriptors are in flight with the bytes of a stream, and a socket in flight has a
    queue with a descriptor of its own."""
    left, right = pair(STREAM)
    kept = []

    def queue():
        reader, writer = os.pipe()
        inner_left, inner_right = pair(DGRAM)
        socket.send_fds(inner_left, [b"inner"], [writer])
        socket.send_fds(left, [b"with"], [reader, inner_right.fileno()])
        left.sendall(b"after")
        os.close(reader)
        os.close(writer)
        kept[:] = [inner_left, inner_right]

    def one_round():
        data, fds, _, _ = socket.recv_fds(right, 4, 8)
        same((data, len(fds)), (b"with", 2))
        reader, inner = fds[0], socket.socket(fileno=fds[1])
        data, writers, _, _ = socket.recv_fds(inner, 100, 8)
        same((data, len(writers)), (b"inner", 1))
        os.write(writers[0], b"through")
        same(os.read(reader, 100), b"through")
        same(read_all(right, 5), b"after")
        os.close(reader)
        os.close(writers[0])
        inner.close()
        queue()

    queue()
    return one_round


def timer_alone():
    """A timer is in flight, and no task has it open."""
    left, right = pair(STREAM)
    timer = ctypes.CDLL(None).timerfd_create(time.CLOCK_MONOTONIC, 0)
    socket.send_fds(left, [b"with"], [timer])
    os.close(timer)
    return lambda: same(right.recv(10, socket.MSG_PEEK), b"with")


def credentials():
    """Unread bytes carry the sender's credentials."""
    left, right = pair(STREAM)
    right.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    left.sendall(b"signed")
    return lambda: same(right.recv(10, socket.MSG_PEEK), b"signed")


def senders():
    """Datagrams of two senders with names wait in a third socket."""
    names = [b"\0sender-%d-%d" % (os.getpid(), at) for at in range(3)]
    receiver, *others = (socket.socket(socket.AF_UNIX, DGRAM) for _ in names)
    for sock, name in zip((receiver, *others), names):
        sock.bind(name)
    for sock in others:
        sock.sendto(b"hello", names[0])
    return lambda: same(receiver.recvfrom(10, socket.MSG_PEEK), (b"hello", names[1]))


def outside():
    """Connected to a task outside of the tree: one that a second fork has orphaned."""
    left, right = pair(STREAM)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            left.close()
            while right.recv(10):
                pass
        os._exit(0)
    os.wait()
    right.close()
    return lambda: same(left.send(b"x"), 1)


def half_shut():
    """Each direction of a pair, and both, are shut down, with bytes still to be read."""
    pairs = [pair(STREAM) for _ in range(3)]
    for left, _ in pairs:
        left.sendall(b"last words")
    pairs[0][0].shutdown(socket.SHUT_WR)
    pairs[1][1].shutdown(socket.SHUT_RD)
    pairs[2][0].shutdown(socket.SHUT_RDWR)

    def sends(sock):
        try:
            return sock.send(b"x", socket.MSG_NOSIGNAL) == 1
        except BrokenPipeError:
            return False

    def one_round():
        same([left.recv(1, socket.MSG_DONTWAIT) if ended else None
              for ended, (left, _) in zip((False, False, True), pairs)], [None, None, b""])
        same([sends(left) for left, _ in pairs], [False, False, False])
        same(pairs[0][1].recv(100, socket.MSG_PEEK), b"last words")
        same(sends(pairs[0][1]), True)
        same(pairs[0][0].recv(100), b"x")

    return one_round


def names():
    """Bound to a path, relative paths, an abstract name, a path that is gone and one whose
    directory is gone, too; connected to."""
    here = os.getcwd()
    os.mkdir("below")
    os.chdir("below")
    abstract = b"\0victim-%d" % os.getpid()
    addresses = [here + "/named", "relative", "./dotted", "../above", abstract, here + "/gone"]
    bound = []
    for address in addresses:
        sock = socket.socket(socket.AF_UNIX, DGRAM)
        sock.bind(address)
        bound.append(sock)
    os.chmod(here + "/named", 0o640)
    client = socket.socket(socket.AF_UNIX, DGRAM)
    client.connect(here + "/gone")
    os.unlink(here + "/gone")
    os.mkdir("lost")
    os.chdir("lost")
    lost, finder = (socket.socket(socket.AF_UNIX, DGRAM) for _ in range(2))
    lost.bind("with its directory")
    finder.connect("with its directory")
    os.unlink("with its directory")
    os.chdir("..")
    os.rmdir("lost")

    def one_round():
        same((lost.getsockname(), os.path.exists("lost")), ("with its directory", False))
        finder.send(b"to what is lost")
        same(lost.recv(100), b"to what is lost")
        same([sock.getsockname() for sock in bound], addresses)
        same(os.stat(here + "/named").st_mode & 0o777, 0o640)
        same(os.path.exists(here + "/gone"), False)
        with socket.socket(socket.AF_UNIX, DGRAM) as sender:
            for sock, address in list(zip(bound, addresses))[:-1]:
                sender.sendto(b"to a name", address)
                same(sock.recv(100), b"to a name")
        client.send(b"to what is gone")
        same(bound[-1].recv(100), b"to what is gone")

    return one_round


def waiting():
    """Two connections wait to be accepted, on a stream and a seqpacket listener."""
    listeners = []
    for kind in (STREAM, SEQPACKET):
        listener = socket.socket(socket.AF_UNIX, kind)
        listener.bind(f"{os.getcwd()}/listener-{kind}")
        listener.listen(7)
        listeners.append(listener)
    clients = []

    def queue():
        for listener in listeners:
            for _ in range(2):
                client = socket.socket(socket.AF_UNIX, listener.type)
                client.connect(listener.getsockname())
                clients.append(client)

    def one_round():
        for listener in listeners:
            for _ in range(2):
                accepted = listener.accept()[0]
                client = clients.pop(0)
                client.send(b"question")
                same(accepted.recv(100), b"question")
                accepted.send(b"answer")
                same(client.recv(100), b"answer")
                accepted.close()
                client.close()
        queue()

    queue()
    return one_round


def options():
    """Every option of the socket level that the images keep."""
    sock, other = pair(STREAM)
    settings = {
        socket.SO_SNDBUF: 100_000,
        socket.SO_RCVBUF: 90_000,
        socket.SO_PRIORITY: 3,
        socket.SO_RCVLOWAT: 17,
        socket.SO_MARK: 0x77,
        socket.SO_PASSCRED: 1,
        socket.SO_PASSSEC: 1,
        socket.SO_BROADCAST: 1,
        socket.SO_KEEPALIVE: 1,
        socket.SO_OOBINLINE: 1,
        socket.SO_DONTROUTE: 1,
    }
    for name, value in settings.items():
        sock.setsockopt(socket.SOL_SOCKET, name, value)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 9))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 5, 250_000))

    def state():
        values = [sock.getsockopt(socket.SOL_SOCKET, name) for name in settings]
        structs = [
            sock.getsockopt(socket.SOL_SOCKET, name, size)
            for name, size in ((socket.SO_LINGER, 8), (socket.SO_RCVTIMEO, 16))
        ]
        return values + structs + [other.getsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED)]

    before = state()
    return lambda: same(state(), before)


go(chosen({
    "stream": stream,
    "dgram": lambda: messages(DGRAM),
    "seqpacket": lambda: messages(SEQPACKET),
    "rights": rights,
    "timer-alone": timer_alone,
    "credentials": credentials,
    "senders": senders,
    "outside": outside,
    "half-shut": half_shut,
    "names": names,
    "waiting": waiting,
    "options": options,
}))
