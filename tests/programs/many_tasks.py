"""Many processes, each of which looks at what only it knows of itself."""
import ctypes
import fcntl
import os
import resource
import signal
import threading
import time

from faults import fault

TASKS = 24
PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 3, 4, 36, 37
MEMBARRIER, REGISTERED, REGISTER_PRIVATE_EXPEDITED = 324, 512, 16
libc = ctypes.CDLL(None)


def action(number):
    old = ctypes.create_string_buffer(256)
    assert libc.sigaction(number, None, old) == 0
    # Handler, the 64 signals of the mask that there are, flags, restorer (struct sigaction, signal.h).
    return old.raw[:16] + old.raw[136:140] + old.raw[144:152]


def cloexec(number):
    try:
        return fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        return None


def look():
    reaper = ctypes.c_int()
    libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(reaper), 0, 0, 0)
    return {
        "actions": [action(n) for n in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGRTMIN)],
        "limits": [resource.getrlimit(n) for n in (resource.RLIMIT_CORE, resource.RLIMIT_STACK)],
        "reaper": reaper.value,
        "dumpable": libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
        "cloexec": [cloexec(n) for n in range(80)],
        "brk": libc.sbrk(0),
        "membarrier": libc.syscall(MEMBARRIER, REGISTERED, 0, 0),
        "timer": signal.getitimer(signal.ITIMER_REAL)[0] > 0,
        "threads": threading.active_count(),
    }


def become(n):
    signal.signal(signal.SIGUSR1, (lambda *_: None) if n % 2 else signal.SIG_IGN)
    signal.siginterrupt(signal.SIGUSR1, n % 4 == 1)
    if n % 3 == 0:
        signal.signal(signal.SIGRTMIN, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (4096 * n, 1 << 20))
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, n % 2, 0, 0, 0) == 0
    os.set_inheritable(os.open("/dev/null", os.O_RDONLY), n % 3 == 0)
    if n % 5 == 0:
        for _ in range(n % 4):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
    if n % 6 == 1:
        signal.setitimer(signal.ITIMER_REAL, 86400)
    if n % 6 == 2:
        assert libc.syscall(MEMBARRIER, REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0
    if n % 6 == 3:
        assert libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0


def child(n, questions, answers):
    become(n)
    libc.sbrk.restype = ctypes.c_void_p
    before = look()
    while os.read(questions, 1):
        now = look()
        if now != before:
            fault("task %d: %s" % (n, [key for key in now if now[key] != before[key]]))
        os.write(answers, b".")
    os._exit(0)


pipes = []
for n in range(TASKS):
    questions, ask = os.pipe()
    hear, answers = os.pipe()
    if os.fork() == 0:
        os.close(ask)
        child(n, questions, answers)
    os.close(questions)
    os.close(answers)
    pipes.append((ask, hear))
round_number = 0
while True:
    round_number += 1
    for ask, hear in pipes:
        os.write(ask, b".")
        if os.read(hear, 1) != b".":
            fault("a task ended")
    print("round %d" % round_number, flush=True)
    time.sleep(0.03)
