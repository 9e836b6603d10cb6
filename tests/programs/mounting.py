"""What the victims in mount namespaces share: mounts, and a look at them."""
import ctypes
import os
import signal
import stat
import sys

from faults import fault, same

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC = 1, 2, 4, 8, 0x20, 0x1000, 0x4000
PRIVATE, SLAVE, SHARED = 1 << 18, 1 << 19, 1 << 20
DETACH, PIVOT_ROOT = 2, 155
HERE = os.getcwd()


def call(name, *arguments):
    arguments = [a.encode() if isinstance(a, str) else a for a in arguments]
    result = getattr(libc, name)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), "%s %r" % (name, arguments))
    return result


def mount(source, target, kind, flags=0, data=None):
    os.makedirs(target, exist_ok=True)
    call("mount", source, target, kind, ctypes.c_ulong(flags), data)


def bind(source, target):
    call("mount", source, target, None, ctypes.c_ulong(BIND), None)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def enter_root(outside=()):
    """A root directory with the files of the host's and none of its mounts."""
    mount("none", "/", None, REC | PRIVATE)
    root = os.path.join(HERE, "root")
    mount("/", root, None, BIND)
    os.chdir(root)
    mount("proc", "proc", "proc", NOSUID | NODEV | NOEXEC)
    mount("sysfs", "sys", "sysfs", RDONLY)
    mount("dev", "dev", "tmpfs", NOSUID, "mode=755,size=1m")
    for name, minor in ("null", 3), ("zero", 5), ("urandom", 9):
        os.mknod("dev/" + name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
    mount("devpts", "dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620")
    os.symlink("pts/ptmx", "dev/ptmx")
    mount("shm", "dev/shm", "tmpfs", NOSUID | NODEV)
    mount("mqueue", "dev/mqueue", "mqueue")
    for number, directory in enumerate(outside):
        mount(directory, "." + HERE + "/outside-%d" % number, None, BIND)
    # As container engines keep parts of /proc from being written or read.
    bind("proc/sys", "proc/sys")
    call("mount", None, "proc/sys", None, ctypes.c_ulong(REMOUNT | BIND | RDONLY), None)
    bind("dev/null", "proc/uptime")
    mount("tmpfs", "proc/fs", "tmpfs", RDONLY)
    call("syscall", PIVOT_ROOT, ".", ".")
    call("umount2", ".", DETACH)
    os.chdir(HERE)


def mounts():
    """All mounts, with what numbers are chosen anew by a restore taken out."""
    with open("/proc/self/mountinfo") as text:
        lines = [line.split() for line in text]
    groups = {}
    found = []
    for fields in lines:
        end = fields.index("-")
        tags = dict(tag.split(":") for tag in fields[6:end])
        found.append([fields[3:6], fields[end + 1:], tags])
        if "shared" in tags:
            groups.setdefault(tags["shared"], []).append(fields[4])
    name = lambda group: sorted(groups.get(group, ["outside"]))
    found = [[*fields, sorted((tag, name(group)) for tag, group in tags.items())]
             for *fields, tags in found]
    # The restore knows the system's root by its own path.
    return sorted(fields for fields in found if fields[0][1] != "/")


def same_at_last(what, look, expected):
    """What is read while a dump and a restore come in between may be half old and half new, as
    mountinfo is, whose numbers are other ones then."""
    try:
        found = look()
    except ValueError:
        found = None
    same(what, found if found == expected else look(), expected)


def until_not_lost(work):
    """A restore gives back neither events that nobody has read nor connections that nobody has
    accepted: what was under way in a dump is done again."""
    try:
        return work()
    except BlockingIOError:
        return work()


def start(enter):
    """Enters new pid and mount namespaces, whose first task makes its world with `enter`. What lives in
    there comes and goes with dumps and restores; this task stays."""
    call("unshare", CLONE_NEWPID)
    if os.fork() == 0:
        call("unshare", CLONE_NEWNS)
        os.setsid()
        enter()
    while True:
        signal.pause()


def start_anew(*arguments):
    """Runs the program from its beginning, with nothing open of the world outside."""
    null, log = os.open("/dev/null", os.O_RDONLY), os.open("log", os.O_WRONLY | os.O_APPEND)
    for number, file in enumerate([null, log, log]):
        os.dup2(file, number)
    os.closerange(3, 1000)
    os.execv(sys.executable, [sys.executable, sys.argv[0], "inside", *arguments])
