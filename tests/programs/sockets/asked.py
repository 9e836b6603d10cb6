"""Sockets whose dump has to be asked for: what an option leaves out is gone after the restore.

asked.py tcp-close|skip-in-flight|ext-unix-sk [PATH]

A file `closed` says that a connection was found closed, as it may be after a restore only.
"""

import errno
import os
import socket
import struct
import sys

from rounds import chosen, go, same

TCP_CLOSE = 7
ADDRESSES = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


def listener(family, address):
    sock = socket.socket(family, socket.SOCK_STREAM)
    # As servers do: the restore binds the port while closed connections of it linger.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, 0))
    sock.listen(5)
    return sock


def is_closed(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0] == TCP_CLOSE


def accepts(server):
    """A listener takes a new connection, and bytes go through it."""
    with socket.socket(server.family, socket.SOCK_STREAM) as client:
        client.connect(server.getsockname())
        with server.accept()[0] as accepted:
            client.sendall(b"new")
            same(accepted.recv(10), b"new")
            # A reset leaves no port behind that a restore would have to wait for.
            linger = struct.pack("ii", 1, 0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def note_closed():
    with open("closed", "w"):
        pass


def tcp_close():
    """Connections that are to be closed, all of them or none, and their listeners."""
    listeners = [listener(*address) for address in ADDRESSES]
    clients, servers = [], []
    for server in listeners:
        client = socket.socket(server.family, socket.SOCK_STREAM)
        client.connect(server.getsockname())
        clients.append(client)
        servers.append(server.accept()[0])

    def ends(sock):
        try:
            sock.sendall(b"x")
        except OSError as error:
            return error.errno in (errno.EPIPE, errno.ENOTCONN)
        return False

    def one_round():
        closed = {is_closed(sock) for sock in clients + servers}
        same(len(closed), 1)
        if closed == {True}:
            same([ends(sock) for sock in clients + servers], [True] * 4)
            for server in listeners:
                accepts(server)
            note_closed()
            return
        for client, server in zip(clients, servers):
            client.sendall(b"through")
            same(server.recv(10), b"through")

    return one_round


def skip_in_flight():
    """Connections that nobody has accepted, to be left out."""
    listeners = [listener(*address) for address in ADDRESSES]
    clients = []
    for server in listeners:
        client = socket.socket(server.family, socket.SOCK_STREAM)
        client.connect(server.getsockname())
        clients.append(client)

    def is_reset(client):
        try:
            client.send(b"?")
            return False
        except OSError as error:
            return error.errno in (errno.ECONNRESET, errno.EPIPE)

    def one_round():
        # A byte to a connection that was left out is answered with a reset.
        reset = {is_reset(client) for client in clients}
        if reset == {True}:
            for server in listeners:
                accepts(server)
            note_closed()

    return one_round


def ext_unix_sk():
    """Datagrams to a socket outside of the tree, from one without and one with a name."""
    path, here = sys.argv[2], f"\0asked-{os.getpid()}"
    unnamed, named = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    named.bind(here)
    for sock in (unnamed, named):
        sock.connect(path)

    def one_round():
        same([sock.getpeername() for sock in (unnamed, named)], [path, path])
        same(named.getsockname(), here.encode())
        for sock in (unnamed, named):
            sock.send(b"out")

    return one_round


go(chosen({
    "tcp-close": tcp_close,
    "skip-in-flight": skip_in_flight,
    "ext-unix-sk": ext_unix_sk,
}))
