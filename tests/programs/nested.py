"""The first task of pid and mount namespaces of its own, with a root of its own, and children in more
mount namespaces below; all look at their mounts and files in every round. Its argument is a
directory that one of the children has bound from outside."""
import array
import mmap
import os
import socket
import struct
import sys
import time

from mounting import (BIND, CLONE_NEWNS, DETACH, PIVOT_ROOT, SHARED, SLAVE, call, enter_root, mount,
                      mounts, same, same_at_last, start, start_anew, until_not_lost, write)

IN_CREATE = 0x100


def lasting():
    """The mounts but for what comes and goes."""
    return [found for found in mounts() if not found[0][1].endswith("/later")]


class Opened:
    """Files in one namespace that stay open, below a directory of its own."""

    def __init__(self, top, name):
        self.top, self.name = top, name
        os.makedirs(top + "/watched")
        write(top + "/file", name)
        self.file = open(top + "/file", "r+b")
        self.gone = open(top + "/gone", "w+")
        self.gone.write(name)
        self.gone.flush()
        os.unlink(top + "/gone")
        with open(top + "/mapped", "wb+") as file:
            file.truncate(4096)
            self.map = mmap.mmap(file.fileno(), 4096)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(top + "/socket")
        self.server.listen()
        self.server.setblocking(False)
        self.watch = call("inotify_init")
        os.set_blocking(self.watch, False)
        call("inotify_add_watch", self.watch, top + "/watched", IN_CREATE)
        self.mounts = lasting()

    def check(self, number):
        same_at_last(self.name + " mounts", lasting, self.mounts)
        with open(self.top + "/file", "rb") as file:
            same("file", (file.read(), os.fstat(self.file.fileno()).st_ino),
                 (self.name.encode(), os.fstat(file.fileno()).st_ino))
        self.gone.seek(0)
        same("gone", self.gone.read(), self.name)
        self.map[:8] = struct.pack("q", number)
        with open(self.top + "/mapped", "rb") as file:
            same("map", file.read(8), self.map[:8])
        until_not_lost(self.connect)
        same("event", until_not_lost(self.event)[16:].rstrip(b"\0"), b"new")

    def connect(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.top + "/socket")
            self.server.accept()[0].close()

    def event(self):
        write(self.top + "/watched/new", "")
        os.unlink(self.top + "/watched/new")
        return os.read(self.watch, 4096)


def give(channel, fd):
    channel.sendmsg([b"f"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def take(channel):
    fds = array.array("i", [0])
    _, found, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(fds.itemsize))
    fds.frombytes(found[0][2])
    return fds[1]


def inner():
    """The same root with other mounts: its own, one that hides one, one that only receives events."""
    call("unshare", CLONE_NEWNS)
    mount(None, "group", None, SLAVE)
    mount("own", "own", "tmpfs")
    mount("hiding", "files", "tmpfs")
    os.makedirs("own/part")
    mount("own/part", "part", None, BIND)
    return Opened("own/part", "inner")


def shut_in():
    """In the namespace of `inner`, below a root directory of chroot(2)."""
    write("own/part/seen", "seen")
    os.chroot("own")
    os.chdir("/part")
    return lambda _: same("chroot", (os.getcwd(), open("/part/seen").read()), ("/part", "seen"))


def other_root():
    """A root in memory, without anything of the others but one group of mounts."""
    call("unshare", CLONE_NEWNS)
    mount("root", "root", "tmpfs", 0, "size=4m")
    os.makedirs("root/here")
    mount("group", "root/group", None, BIND)
    mount("proc", "root/proc", "proc")
    os.chdir("root")
    call("syscall", PIVOT_ROOT, ".", ".")
    call("umount2", ".", DETACH)
    os.chdir("/here")
    return Opened(".", "other")


def first():
    mount("files", "files", "tmpfs")
    mount("group", "group", "tmpfs")
    mount(None, "group", None, SHARED)
    write("group/common", "common")


def child(prepare, counter):
    """A child that goes through rounds of its own, and counts them."""
    pid = os.fork()
    if pid == 0:
        check, number = prepare(), 0
        while True:
            number += 1
            check(number)
            counter[0] = number
            time.sleep(0.001)
    while counter[0] == 0:
        same("child", os.waitpid(pid, os.WNOHANG), (0, 0))
        time.sleep(0.001)
    return pid


def events(tasks):
    """What is mounted in a group is seen by all who receive its events."""
    mount("later", "group/later", "tmpfs")
    for task in tasks:
        with open("/proc/%d/mountinfo" % task) as text:
            same("event", "/later " in text.read(), True)
    call("umount2", "group/later", DETACH)


def enter():
    enter_root(sys.argv[1:])
    first()
    start_anew(*sys.argv[1:])


def inside():
    counters = mmap.mmap(-1, 4096)
    counter = [memoryview(counters)[at:at + 8].cast("q") for at in (0, 8, 16)]
    channel, theirs = socket.socketpair()

    def with_child():
        opened = inner()
        give(theirs, opened.file.fileno())
        grandchild = child(shut_in, counter[1])

        def check(number):
            opened.check(number)
            same("grandchild", os.waitpid(grandchild, os.WNOHANG), (0, 0))
        return check

    children = [child(with_child, counter[0]), child(lambda: other_root().check, counter[2])]
    if sys.argv[2:]:
        call("umount2", "outside-0", DETACH)
    given = take(channel)
    namespace = os.open("/proc/%d/ns/mnt" % children[1], os.O_RDONLY)
    opened = Opened("files", "first")
    number = 0
    while True:
        number += 1
        opened.check(number)
        same("common", open("group/common").read(), "common")
        same("given", os.pread(given, 100, 0), b"inner")
        same("namespace", os.fstat(namespace).st_ino, os.stat("/proc/%d/ns/mnt" % children[1]).st_ino)
        if number % 8 == 0:
            events(children)
        before = [one[0] for one in counter]
        while any(one[0] < least + 2 for one, least in zip(counter, before)):
            for pid in children:
                same("child", os.waitpid(pid, os.WNOHANG), (0, 0))
            time.sleep(0.001)
        print("round %d" % number, flush=True)


if sys.argv[1:2] == ["inside"]:
    inside()
start(enter)
