"""The first task of a pid namespace of its own: everything that carries a pid is looked at in
every round, by the ids that the namespace has."""
import ctypes
import fcntl
import os
import pty
import signal
import struct
import termios
import threading
import time

from faults import fault, same

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWPID = 0x20000000
SIGEV_THREAD_ID = 4
TIMER_CREATE, TGKILL = 222, 234
F_SETOWN_EX, F_GETOWN_EX = 15, 16
F_OWNER_PID, F_OWNER_PGRP = 1, 2


def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def owner(file):
    return struct.unpack("ii", fcntl.fcntl(file, F_GETOWN_EX, bytes(8)))


def owned_by(kind, pid):
    reader, writer = os.pipe()
    fcntl.fcntl(reader, F_SETOWN_EX, struct.pack("ii", kind, pid))
    return reader, writer, (kind, pid)


class Signaller:
    """A child in a session of its own that sends SIGUSR1 to its parent when it is asked to, with
    a terminal that it controls and a child of its own."""

    def __init__(self):
        ask, self.asked = os.pipe()
        self.master, slave = pty.openpty()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            if os.fork() == 0:
                while True:
                    signal.pause()
            while os.read(ask, 1):
                os.kill(os.getppid(), signal.SIGUSR1)
            os._exit(0)
        os.close(slave)
        while os.tcgetpgrp(self.master) != self.pid:
            time.sleep(0.001)
        self.ask()

    def ask(self):
        os.write(self.asked, b"x")
        while signal.SIGUSR1 not in signal.sigpending():
            time.sleep(0.001)

    def check(self):
        same("sender", signal.sigwaitinfo({signal.SIGUSR1}).si_pid, self.pid)
        self.ask()
        same("session", os.getsid(self.pid), self.pid)
        same("terminal", os.tcgetpgrp(self.master), self.pid)


class Locker:
    """A child with a lock on a file."""

    def __init__(self):
        self.file = os.open("locked", os.O_RDWR | os.O_CREAT)
        ready, done = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            fcntl.lockf(self.file, fcntl.LOCK_EX)
            os.write(done, b"x")
            while True:
                signal.pause()
        os.read(ready, 1)

    def check(self):
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        found = struct.unpack("hhqqi4x", fcntl.fcntl(self.file, fcntl.F_GETLK, lock))
        same("lock", (found[0], found[4]), (fcntl.F_WRLCK, self.pid))


def timer_for(tid):
    """A timer far away that will signal one thread."""
    event = struct.pack("qiii44x", 0, signal.SIGRTMIN, SIGEV_THREAD_ID, tid)
    call("syscall", TIMER_CREATE, 1, event, ctypes.byref(ctypes.c_int()))


def zombie():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def inside():
    os.setsid()
    same("pid", (os.getpid(), os.getppid(), os.getsid(0)), (1, 0, 1))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    signaller, locker, dead = Signaller(), Locker(), zombie()
    tids = []
    threading.Thread(target=lambda: (tids.append(threading.get_native_id()), time.sleep(1e6)),
                     daemon=True).start()
    while not tids:
        time.sleep(0.001)
    owners = [owned_by(F_OWNER_PID, locker.pid), owned_by(F_OWNER_PGRP, signaller.pid)]
    timer_for(tids[0])
    pidfd = os.pidfd_open(signaller.pid)
    number = 0
    while True:
        same("pid", (os.getpid(), os.getppid(), os.getsid(0)), (1, 0, 1))
        signaller.check()
        locker.check()
        for reader, _, expected in owners:
            same("owner", owner(reader), expected)
        signal.pidfd_send_signal(pidfd, 0)
        call("syscall", TGKILL, 1, tids[0], 0)
        found = os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
        same("zombie", (found.si_pid, found.si_status), (dead, 7))
        number += 1
        print("round %d" % number, flush=True)
        time.sleep(0.01)


if __name__ == "__main__":
    call("unshare", CLONE_NEWPID)
    if os.fork() == 0:
        inside()
    # What lives in the namespace comes and goes with dumps and restores.
    while True:
        signal.pause()
