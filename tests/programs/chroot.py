"""A task that chroot(2) has shut into a directory, and its child, shut into one below that; both
look at their files in every round. chroot.py [absolute]: with a socket that has an absolute path."""
import ctypes
import mmap
import os
import socket
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
IN_CREATE = 0x100


def fault(what):
    print("fault %s" % what, flush=True)
    os._exit(1)


def same(what, found, expected):
    if found != expected:
        fault("%s: %r was %r" % (what, found, expected))


def once_more(work):
    """Neither events that nobody has read nor connections that nobody has accepted are restored."""
    try:
        return work()
    except BlockingIOError:
        return work()


class Box:
    """A root directory with files that stay open."""

    def __init__(self, root, address):
        os.makedirs(root + "/in/watched")
        with open(root + "/in/file", "w") as file:
            file.write("in " + root)
        self.text = "in " + root
        os.chroot(root)
        os.chdir("/in")
        self.file = open("/in/file", "r+")
        self.gone = open("/in/gone", "w+")
        self.gone.write("gone")
        self.gone.flush()
        os.unlink("/in/gone")
        with open("/in/mapped", "wb+") as file:
            file.truncate(4096)
            self.map = mmap.mmap(file.fileno(), 4096)
        self.address = address
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(address)
        self.server.listen()
        self.server.setblocking(False)
        self.watch = libc.inotify_init()
        os.set_blocking(self.watch, False)
        libc.inotify_add_watch(self.watch, b"/in/watched", IN_CREATE)
        self.names = sorted(os.listdir("/in"))

    def check(self, number):
        same("names", sorted(os.listdir("/in")), self.names)
        same("directory", os.getcwd(), "/in")
        with open("file") as file:
            same("file", (file.read(), os.fstat(self.file.fileno()).st_ino),
                 (self.text, os.stat("/in/file").st_ino))
        self.gone.seek(0)
        same("gone", self.gone.read(), "gone")
        self.map[:8] = struct.pack("q", number)
        with open("mapped", "rb") as file:
            same("map", file.read(8), self.map[:8])
        once_more(self.connect)
        same("event", once_more(self.event)[16:].rstrip(b"\0"), b"new")

    def connect(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.address)
            self.server.accept()[0].close()

    def event(self):
        open("/in/watched/new", "w").close()
        os.unlink("/in/watched/new")
        return os.read(self.watch, 4096)


address = "/in/socket" if sys.argv[1:] == ["absolute"] else "socket"
os.makedirs("box/deeper")
outer = Box("box", "socket")
rounds = mmap.mmap(-1, 4096)
child = os.fork()
box = outer if child else Box("/deeper", address)
number = 0
while True:
    number += 1
    box.check(number)
    if not child:
        rounds[:8] = struct.pack("q", number)
        time.sleep(0.001)
        continue
    while struct.unpack("q", rounds[:8])[0] < number:
        same("child", os.waitpid(child, os.WNOHANG), (0, 0))
        time.sleep(0.001)
    print("round %d" % number, flush=True)
