"""The first task of pid and mount namespaces of its own, which mounts on demand (autofs(5)). Whenever
there is a file `ask`, and twice at first, it has children ask for mounts, and looks whether it is told
of that. automount.py [without-device|bare]: with no /dev/autofs, or in a mount namespace alone, with the
directories of the system."""
import errno
import fcntl
import os
import select
import stat
import struct
import sys
import time

from mounting import (CLONE_NEWNS, HERE, PRIVATE, REC, call, enter_root, mount, same, start,
                      start_anew, write)

# linux/auto_fs.h: what to do with a request, and for a mount as a whole.
READY, FAIL, CATATONIC, SET_TIMEOUT = 0x9360, 0x9361, 0x9362, 0xC0089364
MISSING_INDIRECT, MISSING_DIRECT = 3, 5
AUTOFS_DEVICE = os.makedev(10, 235)


class Automount:
    """An autofs, and the daemon's end of its pipe."""

    def __init__(self, point, mode, timeout, keeps_write_end=True):
        self.point, self.mode = point, mode
        self.requests, given = os.pipe()
        options = "fd=%d,pgrp=%d,minproto=5,maxproto=5,%s" % (given, os.getpgrp(), mode)
        mount("automount", point, "autofs", 0, options)
        self.root = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(self.root, SET_TIMEOUT, struct.pack("L", timeout))
        if not keeps_write_end:
            os.close(given)

    def request(self):
        """The next request: its kind, its token, and the name that is asked for."""
        same("asked", bool(select.select([self.requests], [], [], 20)[0]), True)
        packet = os.read(self.requests, 4096)
        _, kind, token = struct.unpack_from("iiI", packet)
        size = struct.unpack_from("I", packet, 40)[0]
        return kind, token, packet[44:44 + size].rstrip(b"\0").decode()

    def answer(self, what, token):
        fcntl.ioctl(self.root, what, token)


def asking(path):
    """A child that looks at what is mounted on a path, and ends with the error that it got."""
    child = os.fork()
    if child == 0:
        # The daemon's own process group is not made to wait.
        os.setpgid(0, 0)
        try:
            os.stat(path + "/.")
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    return child


def ended(child, expected):
    same("the child's error", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), expected)


def abandon(point):
    """An autofs whose daemon has ended."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        Automount(point, "indirect", 60)
        os._exit(0)
    ended(child, 0)


def enter(has_device):
    enter_root()
    if has_device:
        os.mknod("/dev/autofs", 0o600 | stat.S_IFCHR, AUTOFS_DEVICE)
    start_anew()


def options():
    """Of each autofs: where it is, its mode, and after how long its mounts may go."""
    with open("/proc/self/mountinfo") as text:
        lines = [line.split() for line in text if " - autofs " in line]
    kept = lambda option: option.split("=")[0] in ("timeout", "direct", "indirect", "offset")
    return sorted([line[4], *filter(kept, line[-1].split(","))] for line in lines)


def refuse(automount, path, kind, name):
    """Something is asked for that is not there."""
    child = asking(path)
    found, token, asked = automount.request()
    automount.answer(FAIL, token)
    ended(child, errno.ENOENT)
    same("kind", found, kind)
    if name:
        same("name", asked, name)


def inside():
    indirect = Automount("indirect", "indirect", 300)
    direct = Automount("direct", "direct", 0, keeps_write_end=False)
    offset = Automount("offset", "offset", 7)
    quiet = Automount("quiet", "indirect", 60)
    fcntl.ioctl(quiet.root, CATATONIC, 0)
    abandon("abandoned")
    device = os.open("/dev/autofs", os.O_RDONLY) if os.path.exists("/dev/autofs") else None

    child = asking("indirect/kept")
    _, token, name = indirect.request()
    mount("kept", "indirect/" + name, "tmpfs")
    indirect.answer(READY, token)
    ended(child, 0)
    write("indirect/kept/file", "kept")
    first, number = options(), 0
    while True:
        asked = os.path.exists("ask")
        if asked or number < 2:
            number += 1
            name = "missing-%d" % number
            refuse(indirect, "indirect/" + name, MISSING_INDIRECT, name)
            refuse(direct, "direct", MISSING_DIRECT, None)
            refuse(offset, "offset", MISSING_DIRECT, None)
            ended(asking("quiet/" + name), errno.ENOENT)
            # The kernel finds out when it is asked, which is to be after a dump.
            if asked:
                ended(asking("abandoned/" + name), errno.ENOENT)
            ended(asking("indirect/kept"), 0)
            with open("indirect/kept/file") as file:
                same("file", file.read(), "kept")
            same("options", options(), first)
            if device is not None:
                same("device", os.fstat(device).st_rdev, AUTOFS_DEVICE)
            if asked:
                os.unlink("ask")
            print("round %d" % number, flush=True)
        time.sleep(0.01)


if sys.argv[1:] == ["inside"]:
    inside()
if sys.argv[1:] == ["bare"]:
    call("unshare", CLONE_NEWNS)
    mount("none", "/", None, REC | PRIVATE)
    os.chdir(HERE)
    start_anew()
start(lambda: enter(sys.argv[1:] != ["without-device"]))
