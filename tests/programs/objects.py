"""Objects of the kernel behind descriptors: timers, marks, namespaces, pipes of packets.

objects.py KIND
"""

import ctypes
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sockets"))
from rounds import LIBC, call, chosen, go, readable, same  # noqa: E402

MILLISECOND = 1_000_000
# asm-generic/fcntl.h
F_SETOWN_EX, F_GETOWN_EX, F_OWNER_TID = 15, 16, 0
# sys/timerfd.h, sys/eventfd.h, sys/inotify.h, linux/fanotify.h, asm/unistd_64.h
CLOCK_MONOTONIC, CLOCK_BOOTTIME_ALARM = 1, 9
IN_CREATE, IN_ALL_EVENTS, IN_DONT_FOLLOW = 0x100, 0xFFF, 0x0200_0000
FAN_REPORT_FID, FAN_MARK_ADD, FAN_MARK_FILESYSTEM, FAN_CREATE = 0x200, 0x1, 0x100, 0x100
FAN_MARK_IGNORE_SURV, FAN_CLOSE_WRITE, FAN_OPEN, FAN_EVENT_ON_CHILD = 0x440, 0x8, 0x20, 0x0800_0000
FANOTIFY_INIT, FANOTIFY_MARK, AT_FDCWD = 300, 301, -100
# linux/eventpoll.h
EPIOCSPARAMS, EPIOCGPARAMS = 0x40088A01, 0x80088A02
# linux/prctl.h
PR_MCE_KILL, PR_MCE_KILL_GET, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY = 33, 34, 1, 1
PR_SET_MDWE, PR_GET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 66, 1


def ticking():
    """A periodic timer ticks unread; it ticks on after it was read."""
    timer = call(LIBC.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK))
    interval = 5 * MILLISECOND
    call(LIBC.timerfd_settime(timer, 0, struct.pack("4q", 0, interval, 0, interval), None))

    def one_round():
        # The first read gives what went by since the round before, the second what comes.
        for _ in range(2):
            same(readable(timer), True)
            same(struct.unpack("Q", os.read(timer, 8))[0] > 0, True)

    return one_round


def alarm():
    """A timer that wakes the machine up."""
    timer = call(LIBC.timerfd_create(CLOCK_BOOTTIME_ALARM, 0))
    return lambda: os.fstat(timer)


def no_write_execute():
    """The task gives itself no memory that it may write and execute."""
    call(LIBC.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
    return lambda: same(LIBC.prctl(PR_GET_MDWE, 0, 0, 0, 0), PR_MDWE_REFUSE_EXEC_GAIN)


def semaphore():
    """An eventfd of which a read takes one."""
    counter = os.eventfd(5, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)
    return lambda: os.fstat(counter)


def exclusive():
    """A terminal that nobody else may open."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCEXCL)
    return lambda: os.fstat(master)


def marks(fd):
    """The watches and marks of a descriptor, as the kernel tells them."""
    with open(f"/proc/self/fdinfo/{fd}") as info:
        return [line for line in info if line.startswith(("fanotify", "inotify"))]


def file_system():
    """A mark on a whole file system."""
    group = call(LIBC.syscall(FANOTIFY_INIT, FAN_REPORT_FID | 2, 0))
    flags, mask = FAN_MARK_ADD | FAN_MARK_FILESYSTEM, ctypes.c_uint64(FAN_CREATE)
    call(LIBC.syscall(FANOTIFY_MARK, group, flags, mask, AT_FDCWD, os.getcwd().encode()))
    before = marks(group)

    def one_round():
        same(marks(group), before)
        with open("made", "w"):
            pass
        same(readable(group) and len(os.read(group, 1 << 16)) > 0, True)
        os.unlink("made")

    return one_round


def newer_ignore():
    """A mark that watches some events of a directory, and ignores others with flags of their own."""
    group = call(LIBC.syscall(FANOTIFY_INIT, 2, 0))
    os.mkdir("marked")
    for flags, mask in ((FAN_MARK_ADD, FAN_CLOSE_WRITE | FAN_OPEN | FAN_EVENT_ON_CHILD),
                        (FAN_MARK_ADD | FAN_MARK_IGNORE_SURV, FAN_OPEN | FAN_EVENT_ON_CHILD)):
        mask = ctypes.c_uint64(mask)
        call(LIBC.syscall(FANOTIFY_MARK, group, flags, mask, AT_FDCWD, b"marked"))
    before = marks(group)

    def one_round():
        same(marks(group), before)
        with open("marked/made", "w"):
            pass
        same(readable(group), True)
        # struct fanotify_event_metadata: its length and version come first.
        mask = struct.unpack_from("IHHQ", os.read(group, 24))[3]
        same(mask, FAN_CLOSE_WRITE)

    return one_round


def link():
    """A watch on a symbolic link."""
    group = call(LIBC.inotify_init1(os.O_NONBLOCK))
    os.symlink("nowhere", "link")
    call(LIBC.inotify_add_watch(group, b"link", IN_ALL_EVENTS | IN_DONT_FOLLOW))
    return lambda: same(len(marks(group)), 1)


def watches():
    """Watches around the working directory."""
    group = call(LIBC.inotify_init1(os.O_NONBLOCK))
    os.makedirs("outer/inner")
    for path in (b".", b"outer", b"outer/inner", b"/etc"):
        call(LIBC.inotify_add_watch(group, path, IN_CREATE))
    before = len(marks(group))

    def one_round():
        same(len(marks(group)), before)
        with open("outer/inner/made", "w"):
            pass
        same(readable(group) and len(os.read(group, 1 << 16)) > 0, True)
        os.unlink("outer/inner/made")

    return one_round


def namespaces():
    """The namespaces that the tree lives in."""
    names = ("pid", "net", "ipc", "uts", "mnt", "user", "cgroup")
    files = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in names]
    before = [os.readlink(f"/proc/self/ns/{name}") for name in names]
    return lambda: same([os.readlink(f"/proc/self/fd/{fd}") for fd in files], before)


def packets():
    """An empty pipe in packet mode."""
    reader, writer = os.pipe2(os.O_DIRECT)
    before = fcntl.fcntl(reader, fcntl.F_GETFL), fcntl.fcntl(writer, fcntl.F_GETFL)
    same(before[1] & os.O_DIRECT, os.O_DIRECT)
    return lambda: same((fcntl.fcntl(reader, fcntl.F_GETFL), fcntl.fcntl(writer, fcntl.F_GETFL)),
                        before)


def unread_packets():
    """Two packets in a pipe."""
    reader, writer = os.pipe2(os.O_DIRECT)
    os.write(writer, b"one")
    os.write(writer, b"two")
    return lambda: os.fstat(reader)


def thread_owner():
    """A pipe that tells a thread when it can be read."""
    reader, writer = os.pipe()
    started, tid = threading.Event(), []

    def thread():
        tid.append(threading.get_native_id())
        started.set()
        while True:
            time.sleep(1)

    threading.Thread(target=thread, daemon=True).start()
    started.wait()
    owner = struct.pack("ii", F_OWNER_TID, tid[0])
    fcntl.fcntl(reader, F_SETOWN_EX, owner)
    return lambda: same((fcntl.fcntl(reader, F_GETOWN_EX, bytes(8)), os.fstat(writer).st_size),
                        (owner, 0))


def thread_entry():
    """The file of a thread in /proc."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    tid = next(tid for tid in os.listdir("/proc/self/task") if int(tid) != os.getpid())
    status = open("/proc/self/task/%s/status" % tid)
    return lambda: same(os.pread(status.fileno(), 5, 0), b"Name:")


def deleted_socket():
    """The file of a socket that has lost its name."""
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    path = os.open("socket", os.O_PATH)
    os.unlink("socket")
    return lambda: same((os.fstat(path).st_nlink, server.getsockname()), (0, "socket"))


def leader_owner():
    """The same with the thread that a restore makes first."""
    reader, writer = os.pipe()
    owner = struct.pack("ii", F_OWNER_TID, os.getpid())
    fcntl.fcntl(reader, F_SETOWN_EX, owner)
    return lambda: same((fcntl.fcntl(reader, F_GETOWN_EX, bytes(8)), os.fstat(writer).st_size),
                        (owner, 0))


def lost_number():
    """An epoll instance watches a pipe under two numbers, of which one is closed by now."""
    instance = select.epoll()
    reader, writer = os.pipe()
    closed = os.dup(reader)
    spare = os.dup(reader)
    instance.register(reader, select.EPOLLIN)
    instance.register(closed, select.EPOLLIN)
    os.close(closed)
    wanted = sorted([(reader, select.EPOLLIN), (closed, select.EPOLLIN)])
    os.write(writer, b"x")

    def one_round():
        same(os.fstat(spare).st_ino, os.fstat(reader).st_ino)
        same(sorted(instance.poll(10)), wanted)

    return one_round


def one_event():
    """An epoll instance has told its one event of a pipe."""
    instance = select.epoll()
    reader, writer = os.pipe()
    instance.register(reader, select.EPOLLIN | select.EPOLLONESHOT)
    os.write(writer, b"x")
    same(instance.poll(10), [(reader, select.EPOLLIN)])
    return lambda: same(instance.poll(0), [])


def busy_poll():
    """An epoll instance that polls network devices for 100 microseconds, 8 packets at a time."""
    instance = select.epoll()
    wanted = struct.pack("IHBx", 100, 8, 1)
    fcntl.ioctl(instance, EPIOCSPARAMS, wanted)
    return lambda: same(fcntl.ioctl(instance, EPIOCGPARAMS, bytes(8)), wanted)


def notify():
    """A directory that signals what becomes of its files."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    directory = os.open(".", os.O_RDONLY)
    fcntl.fcntl(directory, fcntl.F_NOTIFY, fcntl.DN_MULTISHOT | fcntl.DN_CREATE)
    return lambda: os.fstat(directory)


def lost_option():
    """A socket whose multicast goes further than usual."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 9)
    return lambda: os.fstat(sender.fileno())


def memory_errors():
    """The task is told early when its memory fails."""
    call(LIBC.prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0))
    return lambda: same(LIBC.prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_EARLY)


go(chosen({
    "newer-ignore": newer_ignore,
    "one-event": one_event,
    "busy-poll": busy_poll,
    "notify": notify,
    "lost-option": lost_option,
    "memory-errors": memory_errors,
    "ticking": ticking,
    "alarm": alarm,
    "no-write-execute": no_write_execute,
    "semaphore": semaphore,
    "exclusive": exclusive,
    "file-system": file_system,
    "link": link,
    "watches": watches,
    "namespaces": namespaces,
    "packets": packets,
    "unread-packets": unread_packets,
    "lost-number": lost_number,
    "thread-owner": thread_owner,
    "deleted-socket": deleted_socket,
    "thread-entry": thread_entry,
    "leader-owner": leader_owner,
}))
