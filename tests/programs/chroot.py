"""A task that chroot(2) has shut into a directory, and its child, shut into one below that; both
look at their files in every round. chroot.py [absolute|own|unshared]: with a socket that has an
absolute path, in a mount namespace of its own, or with the child in one."""
import mmap
import os
import socket
import struct
import sys
import time

from mounting import CLONE_NEWNS, call, same, until_not_lost

IN_CREATE = 0x100


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
        self.watch = call("inotify_init")
        os.set_blocking(self.watch, False)
        call("inotify_add_watch", self.watch, "/in/watched", IN_CREATE)
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
        until_not_lost(self.connect)
        same("event", until_not_lost(self.event)[16:].rstrip(b"\0"), b"new")

    def connect(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.address)
            self.server.accept()[0].close()

    def event(self):
        open("/in/watched/new", "w").close()
        os.unlink("/in/watched/new")
        return os.read(self.watch, 4096)


if sys.argv[1:] == ["own"]:
    call("unshare", CLONE_NEWNS)
address = "/in/socket" if sys.argv[1:] == ["absolute"] else "socket"
os.makedirs("box/deeper")
outer = Box("box", "socket")
rounds = mmap.mmap(-1, 4096)
child = os.fork()
box = outer if child else Box("/deeper", address)
if sys.argv[1:] == ["unshared"] and not child:
    call("unshare", CLONE_NEWNS)
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
