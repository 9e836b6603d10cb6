"""A tree in three network namespaces: the root in one, each of its children in another. A veth pair
leads from the root's to the first child's and one from there to the second's. The root holds a
socket of the first child's namespace, and a file of that.

networks.py [ambiguous|outer|inner|empty]: with what cannot be dumped: two interfaces of one name that
lead outside; a root, or a child, in the namespace of whoever started it; a socket of a namespace
that nobody lives in.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
ODD = "".join(sys.argv[1:])


def own_network():
    if LIBC.unshare(CLONE_NEWNET) != 0:
        sys.exit("unshare")
    ip("link set lo up")


def enter(namespace):
    if LIBC.setns(namespace, CLONE_NEWNET) != 0:
        sys.exit("setns")


def ip(words):
    subprocess.run(["ip", *words.split()], check=True)


def child(work, *arguments):
    """Forks a task that works in a network namespace of its own, and waits until that is there."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(ready)
        own_network()
        os.write(told, b"!")
        os.close(told)
        try:
            work(*arguments)
        finally:
            os._exit(1)
    os.close(told)
    if os.read(ready, 1) != b"!":
        sys.exit("a child")
    os.close(ready)
    return pid


def appears(name):
    while not os.path.exists(f"/proc/sys/net/ipv4/conf/{name}"):
        time.sleep(0.01)


def connection(address):
    """To where somebody will listen."""
    while True:
        try:
            return socket.create_connection(address)
        except OSError:
            time.sleep(0.01)


def receive(sock):
    data = sock.recv(100)
    if not data:
        os._exit(1)
    return data


def second():
    """Answers, as who listens at the end of the second pair."""
    appears("inner")
    ip("addr add 10.5.0.2/24 dev inner")
    ip("link set inner up")
    with socket.create_server(("10.5.0.2", 7000)) as listener:
        peer, _ = listener.accept()
        while True:
            peer.sendall(b"second " + receive(peer))


def first(partner, other):
    """Answers with what the second says; and tells the root's socket in this namespace."""
    appears("middle")
    ip("addr add 10.4.0.2/24 dev middle")
    ip("link set middle up")
    ip(f"link add outer type veth peer name inner netns {other}")
    ip("addr add 10.5.0.1/24 dev outer")
    ip("link set outer up")
    if ODD == "ambiguous":
        ip(f"link add twin type veth peer name apart netns {partner}")
    forward = connection(("10.5.0.2", 7000))
    with socket.create_server(("10.4.0.2", 7000)) as listener:
        peer, _ = listener.accept()
        teller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            message = receive(peer)
            forward.sendall(message)
            answer = receive(forward)
            teller.sendto(message, ("127.0.0.1", 7001))
            peer.sendall(b"first " + answer)


partner = os.getppid()
if ODD == "inner" and os.fork() == 0:
    time.sleep(1000)
if ODD != "outer":
    own_network()
other = child(second)
middle = child(first, partner, other)
namespace = os.open(f"/proc/{middle}/ns/net", os.O_RDONLY)
here = os.open("/proc/self/ns/net", os.O_RDONLY)
enter(namespace)
abroad = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
abroad.bind(("127.0.0.1", 7001))
enter(here)
if ODD == "empty":
    own_network()
    lone = socket.create_server(("127.0.0.1", 0))
    enter(here)
os.close(here)
if ODD != "outer":
    ip(f"link add left type veth peer name middle netns {middle}")
    ip("addr add 10.4.0.1/24 dev left")
    ip("link set left up")
    if ODD == "ambiguous":
        ip(f"link add twin type veth peer name twin0 netns {partner}")
    talk = connection(("10.4.0.2", 7000))

turn = 0
while True:
    turn += 1
    if ODD != "outer":
        message = b"%d" % turn
        talk.sendall(message)
        if (answer := receive(talk)) != b"first second " + message:
            print(f"fault {answer}", flush=True)
            break
        if (heard := abroad.recv(100)) != message:
            print(f"fault {heard}", flush=True)
            break
    if os.fstat(namespace).st_ino != os.stat(f"/proc/{middle}/ns/net").st_ino:
        print("fault the file of a namespace", flush=True)
        break
    if os.stat(f"/proc/{middle}/ns/net").st_ino == os.stat(f"/proc/{other}/ns/net").st_ino:
        print("fault one namespace in place of two", flush=True)
        break
    print(f"round {turn}", flush=True)
    time.sleep(0.01)
