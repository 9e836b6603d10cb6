"""The first task of pid and mount namespaces of its own, with a root of its own, that looks at its
mounts and files in every round. Its arguments are directories that it binds from outside."""
import hashlib
import mmap
import os
import pty
import socket
import stat
import sys
import time

from mounting import (BIND, RDONLY, REMOUNT, SHARED, SLAVE, bind, call, enter_root, fault, mount,
                      mounts, same, same_at_last, start, start_anew, until_not_lost, write)

IN_CREATE = 0x100


def make_mounts():
    mount("files", "files", "tmpfs", 0, "size=8m,mode=750")
    make_files()
    mount("files/a", "bound", None, BIND)
    mount(None, "bound", None, REMOUNT | BIND | RDONLY)
    write("one", "")
    bind("files/one", "one")
    mount("/etc", "etc", None, BIND)
    mount("group", "shared", "tmpfs")
    mount(None, "shared", None, SHARED)
    mount("shared", "peer", None, BIND)
    mount("shared", "slave", None, BIND)
    mount(None, "slave", None, SLAVE)
    mount("inner", "shared/inner", "tmpfs")
    mount("lower", "covered", "tmpfs")
    write("covered/hidden", "below")
    mount("upper", "covered", "tmpfs")
    write("covered/seen", "above")


def make_files():
    os.makedirs("files/a/b")
    write("files/one", "1")
    write("files/a/b/" + "n" * 200, "a long name")
    os.makedirs("files/" + "d" * 90 + "/" + "e" * 90)
    write("files/" + "d" * 90 + "/" + "e" * 90 + "/f", "a long path")
    os.link("files/one", "files/a/two")
    os.symlink("nowhere/" + "x" * 150, "files/link")
    os.mkfifo("files/fifo", 0o640)
    os.mknod("files/device", 0o600 | stat.S_IFCHR, os.makedev(1, 7))
    with open("files/sparse", "wb") as file:
        file.seek(3 << 20)
        file.write(b"end")
    os.chown("files/sparse", 1234, 5678)
    os.chmod("files/a", 0o1777)
    os.utime("files/sparse", (1e9, 1e9))


def whole_tree():
    found = {}
    for top, dirs, files in os.walk("files"):
        for name in sorted(dirs + files):
            path = os.path.join(top, name)
            info = os.lstat(path)
            what = [stat.filemode(info.st_mode), info.st_uid, info.st_gid, info.st_rdev]
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    what += [info.st_nlink, hashlib.sha256(file.read()).hexdigest()]
                what += [int(info.st_mtime)]
            if stat.S_ISLNK(info.st_mode):
                what += [os.readlink(path)]
            if not stat.S_ISSOCK(info.st_mode) and path not in ("files/open", "files/a/b"):
                found[path] = what
    return found


class Opened:
    """Files that stay open."""

    def __init__(self):
        self.file = open("files/open", "w+b")
        self.file.write(b"0123456789" * 1000)
        self.file.flush()
        self.map = mmap.mmap(self.file.fileno(), 4096)
        self.gone = open("files/gone", "w+b")
        self.gone.write(b"gone")
        self.gone.flush()
        os.unlink("files/gone")
        self.etc = open("etc/passwd", "rb")
        self.etc.seek(7)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind("files/a/socket")
        self.server.listen()
        self.server.setblocking(False)
        self.master, self.slave = pty.openpty()
        self.watch = call("inotify_init")
        os.set_blocking(self.watch, False)
        call("inotify_add_watch", self.watch, "files/a/b", IN_CREATE)
        self.number = 0

    def check(self):
        self.number += 1
        mark = b"%08d" % self.number
        self.map[:8] = mark
        self.file.seek(0)
        same("map", self.file.read(8), mark)
        self.file.seek(9990)
        same("file", self.file.read(), b"0123456789")
        self.gone.seek(0)
        same("gone", (self.gone.read(), os.fstat(self.gone.fileno()).st_nlink), (b"gone", 0))
        same("etc", self.etc.tell(), 7)
        same("pty", (os.ttyname(self.slave), os.isatty(self.master)), ("/dev/pts/0", True))
        until_not_lost(self.connect)
        same("event", until_not_lost(self.event)[16:].rstrip(b"\0"), b"new")

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.connect("files/a/socket")
        self.server.accept()[0].close()
        client.close()

    def event(self):
        write("files/a/b/new", "")
        os.unlink("files/a/b/new")
        return os.read(self.watch, 4096)


def enter(outside):
    """Makes the namespace's own world, and starts anew in it: nothing of the old one is left."""
    enter_root(outside)
    make_mounts()
    start_anew()


def inside():
    opened = Opened()
    opened.map[:8] = b"00000000"
    first_mounts, number = mounts(), 0
    opened.check()
    tree = whole_tree()
    while True:
        opened.check()
        same_at_last("tree", whole_tree, tree)
        same_at_last("mounts", mounts, first_mounts)
        with open("one") as one, open("covered/seen") as seen, open("bound/two") as two:
            same("binds", (one.read(), seen.read(), two.read()), ("1", "above", "1"))
        if os.access("bound", os.W_OK):
            fault("bound is writable")
        same("pid", (os.getpid(), sorted(p for p in os.listdir("/proc") if p.isdigit())), (1, ["1"]))
        number += 1
        print("round %d" % number, flush=True)
        time.sleep(0.01)


if sys.argv[1:] == ["inside"]:
    inside()
start(lambda: enter(sys.argv[1:]))
