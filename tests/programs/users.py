"""A tree in a user namespace of its own, with every other namespace below it, that looks at its
ids and at those of what it has in every round. The argument is what user and group 0 are outside;
a second one names something that it has and that cannot be restored, or only in part."""
import ctypes
import fcntl
import mmap
import os
import pty
import shutil
import signal
import socket
import stat
import struct
import sys
import tempfile
import time

from faults import same
from mounting import (BIND, CLONE_NEWNS, CLONE_NEWPID, DETACH, HERE, NODEV, NOEXEC, NOSUID, PIVOT_ROOT,
                      PRIVATE, REC, call, libc, mount)

CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWTIME = 0x10000000, 0x40000000, 0x80
PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_GET_SECUREBITS, PR_CAPBSET_DROP = 8, 28, 27, 24
CAPSET, CAP_CHOWN, CAP_KILL, CAP_SYS_TIME = 126, 0, 5, 25
NO_SETUID_FIXUP = 4
IPC_CREAT, IPC_SET = 0o1000, 1
F_SETOWN, F_GETOWNER_UIDS = 8, 17
KEPT = 9
STRANGE_GROUP = 27


def read(path):
    with open(path) as file:
        return file.read()


def enter_root():
    """A root directory with the files of the host's, and a /proc, for the namespaces to be made
    in: what is mounted outside of a user namespace cannot be taken apart inside."""
    call("unshare", CLONE_NEWNS)
    mount("none", "/", None, REC | PRIVATE)
    root = os.path.join(HERE, "root")
    mount("/", root, None, BIND)
    os.chdir(root)
    mount("proc", "proc", "proc", NOSUID | NODEV | NOEXEC)
    os.mknod("." + HERE + "/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.chmod("." + HERE + "/null", 0o666)
    call("syscall", PIVOT_ROOT, ".", ".")
    call("umount2", ".", DETACH)
    os.chdir(HERE)
    if OBSTACLE in ("stranger", "device"):
        mount("given", "given", "tmpfs")
        kind, uid = (stat.S_IFREG, 7) if OBSTACLE == "stranger" else (stat.S_IFCHR, FIRST)
        os.mknod("given/it", 0o666 | kind, os.makedev(1, 3))
        os.chown("given/it", uid, FIRST)
    if OBSTACLE == "memory":
        os.dup2(os.memfd_create("strange"), KEPT)
        os.fchown(KEPT, 7, FIRST)


def make_namespaces(first):
    """Starts the first task of the namespaces; the user namespace's maps come from outside."""
    ready, made = os.pipe()
    mapped, done = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([STRANGE_GROUP])
        call("unshare", CLONE_NEWUSER)
        os.write(made, b"x")
        os.read(mapped, 1)
        if OBSTACLE != "group":
            os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID)
        call("unshare", CLONE_NEWTIME)
        if os.fork() == 0:
            call("unshare", CLONE_NEWCGROUP)
            enter()
        # The first task is a child of this one, as of an engine that holds a container.
        while True:
            signal.pause()
    os.read(ready, 1)
    for name in "uid_map", "gid_map":
        with open("/proc/%d/%s" % (child, name), "w") as file:
            file.write("0 %d 1\n1 %d 1999\n100000 200000 5000\n" % (first, first + 20001))
    os.write(done, b"x")


def enter():
    """Makes the namespaces' own world, and starts anew in it: nothing of the old one is left."""
    os.setsid()
    mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    mount("pts", "pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620,gid=5")
    mount("files", "files", "tmpfs", 0, "size=8m,mode=750,uid=1000,gid=100004")
    mount("below", "given", "tmpfs")
    with open("given/hidden", "w") as file:
        file.write("below")
    mount("above", "given", "tmpfs")
    null, log = os.open("null", os.O_RDONLY), os.open("log", os.O_WRONLY | os.O_APPEND)
    for number, file in enumerate([null, log, log]):
        os.dup2(file, number)
    os.closerange(3, KEPT)
    os.closerange(KEPT + (OBSTACLE == "memory"), 1000)
    os.execv(sys.executable, [sys.executable, __file__, "inside"])


def credentials():
    lines = read("/proc/self/status").splitlines()
    kept = "Uid", "Gid", "Groups", "Cap", "NoNewPrivs"
    found = [line.split() for line in lines if line.startswith(kept)]
    return found, call("prctl", PR_GET_SECUREBITS)


def namespace():
    return [read("/proc/self/" + name).split() for name in ("uid_map", "gid_map")]


def owner(info):
    return info.st_uid, info.st_gid, stat.filemode(info.st_mode)


class User:
    """A child that is another user, with some of root's capabilities, and in a mount namespace of its
    own; it signals its parent and says who it is, when it is asked to."""

    def __init__(self):
        ask, self.asked = os.pipe()
        self.said, say = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            mine = self.mount()
            self.become()
            expected = credentials()
            same("users", expected[0][0], ["Uid:", "1000", "1001", "100002", "1001"])
            same("groups", expected[0][2], ["Groups:", "5", "100000", "104999"])
            while os.read(ask, 1):
                same("credentials of the user", credentials(), expected)
                same("maps of the user", namespace(), MAPS)
                with open("file", opener=lambda *how: os.open(*how, dir_fd=mine)) as file:
                    same("file of the user", file.read(), "mine")
                same("file that root does not see", read("given/hidden"), "below")
                os.kill(os.getppid(), signal.SIGUSR1)
                os.write(say, b"x")
            os._exit(0)
        self.ask()

    @staticmethod
    def mount():
        call("unshare", CLONE_NEWNS)
        call("umount2", "given", DETACH)
        mount("mine", "mine", "tmpfs")
        with open("mine/file", "w") as file:
            file.write("mine")
        return os.open("mine", os.O_RDONLY)

    def become(self):
        call("prctl", PR_CAPBSET_DROP, CAP_SYS_TIME)
        call("prctl", PR_SET_SECUREBITS, NO_SETUID_FIXUP)
        os.setgroups([5, 100000, 104999])
        os.setresgid(100, 100001, 100)
        os.setresuid(1000, 1001, 100002)
        header = struct.pack("Ii", 0x20080522, 0)
        kept = 1 << CAP_CHOWN | 1 << CAP_KILL
        call("syscall", CAPSET, header, struct.pack("6I", kept, kept, kept, 0, 0, 0))

    def ask(self):
        os.write(self.asked, b"x")
        os.read(self.said, 1)

    def check(self):
        same("mounts of the user", os.listdir("mine") + os.listdir("given"), [])
        same("sender", signal.sigwaitinfo({signal.SIGUSR1}).si_uid, 1000)
        self.ask()


class Owned:
    """Things that belong to users and groups of the namespace."""

    def __init__(self):
        os.makedirs("files/dir", exist_ok=True)
        for name, uid, gid in [("one", 1000, 100), ("dir/two", 100003, 0), ("sparse", 0, 104999)]:
            with open("files/" + name, "wb") as file:
                file.seek(3 << 20 if name == "sparse" else 0)
                file.write(b"end")
            os.chown("files/" + name, uid, gid)
        os.symlink("one", "files/link")
        os.chown("files/link", 1000, 1000, follow_symlinks=False)
        os.mkfifo("files/fifo", 0o640)
        os.chown("files/fifo", 1999, 1999)
        self.gone = open("files/gone", "w+b")
        self.gone.write(b"gone")
        self.gone.flush()
        os.fchown(self.gone.fileno(), 1000, 100001)
        os.unlink("files/gone")
        # A name on the host's disk that is gone, too.
        self.disk = tempfile.TemporaryFile(dir=HERE)
        os.fchown(self.disk.fileno(), 1500, 1501)
        self.memory = os.memfd_create("memory")
        os.fchown(self.memory, 1234, 100321)
        os.ftruncate(self.memory, 8192)
        self.map = mmap.mmap(self.memory, 8192)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind("files/socket")
        os.chown("files/socket", 1003, 100004)
        self.server.listen()
        self.ptmx = os.open("pts/ptmx", os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(self.ptmx, 0x40045431, struct.pack("i", 0))
        self.slave = os.open("pts/0", os.O_RDWR | os.O_NOCTTY)
        os.fchown(self.slave, 1000, 5)
        self.pipe = os.pipe()
        os.setresuid(1000, 1001, 0)
        fcntl.fcntl(self.pipe[0], F_SETOWN, os.getpid())
        os.setresuid(0, 0, 0)
        self.system_v()
        self.loopback()
        self.tcp = socket.create_server(("127.0.0.1", 0))

    @staticmethod
    def loopback():
        """Sets the interface up, and who may ping."""
        with socket.socket() as control:
            request = struct.pack("16sH22x", b"lo", 0x41)
            fcntl.ioctl(control, 0x8914, request)
        with open("/proc/sys/net/ipv4/ping_group_range", "w") as file:
            file.write("100 1500")

    @staticmethod
    def system_v():
        socket.sethostname("users")
        queue = call("msgget", 7, IPC_CREAT | 0o622)
        ids = struct.pack("IIIIIHHQQ", 7, 1000, 100004, 0, 0, 0o600, 0, 0, 0)
        # msg_qbytes is behind the times and the current number of bytes.
        call("msgctl", queue, IPC_SET, ids + struct.pack("QQQQQQ", 0, 0, 0, 0, 0, 16384) + bytes(48))
        call("semget", 9, 3, IPC_CREAT | 0o666)
        call("shmget", 11, 8192, IPC_CREAT | 0o600)

    def look(self):
        found = {}
        for top, dirs, files in os.walk("files"):
            for name in dirs + files:
                path = os.path.join(top, name)
                found[path] = owner(os.lstat(path))
        found["files"] = owner(os.stat("files"))
        for name in "gone", "disk", "memory", "slave":
            file = getattr(self, name)
            found[name] = owner(os.fstat(file if isinstance(file, int) else file.fileno()))
        found["F_SETOWN"] = struct.unpack("II", fcntl.fcntl(self.pipe[0], F_GETOWNER_UIDS, bytes(8)))
        for kind in "msg", "sem", "shm":
            head, *rows = [line.split() for line in read("/proc/sysvipc/" + kind).splitlines()]
            columns = [head.index(name) for name in ("key", "perms", "uid", "gid", "cuid", "cgid")]
            found[kind] = [[row[i] for i in columns] for row in rows]
        found["ping"] = read("/proc/sys/net/ipv4/ping_group_range").split()
        found["names"] = socket.gethostname(), self.tcp.getsockname()
        with open("/proc/self/mountinfo") as lines:
            fields = [line.split() for line in lines]
        found["mounts"] = [[f[4], f[-1]] for f in fields if "/files" in f[4] or "/pts" in f[4]]
        return found


def inside():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    call("prctl", PR_CAPBSET_DROP, CAP_SYS_TIME)
    user, owned = User(), Owned()
    expected, own = owned.look(), credentials()
    same("owner", (expected["gone"][:2], expected["files"][:2]), ((1000, 100001), (1000, 100004)))
    number = 0
    while True:
        same("maps", namespace(), MAPS)
        same("credentials", credentials(), own)
        found = owned.look()
        for name in {*expected, *found}:
            same(name, found.get(name), expected.get(name))
        user.check()
        same("pid", os.getpid(), 1)
        # It is still the root of its namespace.
        os.chown("files/one", 1000, 100)
        number += 1
        print("round %d" % number, flush=True)
        time.sleep(0.01)


if sys.argv[1:] == ["inside"]:
    MAPS = namespace()
    inside()
FIRST, OBSTACLE = int(sys.argv[1]), sys.argv[2] if sys.argv[2:] else None
for name in os.path.basename(__file__), "faults.py", "mounting.py":
    shutil.copy(os.path.join(os.path.dirname(__file__), name), HERE)
__file__ = os.path.join(HERE, os.path.basename(__file__))
enter_root()
for path in HERE, "log", "files", "pts":
    os.makedirs(path, exist_ok=True) if path != "log" else None
    os.chown(path, FIRST, FIRST)
make_namespaces(FIRST)
# What lives in the namespaces comes and goes with dumps and restores.
while True:
    signal.pause()
