"""A program with task state of one kind, which it looks at in every round:
state.py credentials|another_user|threads|signals|timers|tree|limits [restored]"""
import ctypes
import os
import resource
import signal
import struct
import sys
import threading
import time

from faults import fault, same

libc = ctypes.CDLL(None, use_errno=True)

# Whether `criu restore` brings the program back. It forgets the personality, leaves orphans
# to init instead of their subreaper, and lets a parent run before it stops a child again.
RESTORED = sys.argv[2:] == ["restored"]

# System calls of x86-64 that Python does not have.
RT_SIGACTION, CLONE, SETRESUID, PRCTL, SIGALTSTACK = 13, 56, 117, 157, 131
CAPGET = 125
PERSONALITY, TIMER_CREATE, TIMER_SETTIME, TIMER_GETTIME = 135, 222, 223, 224
RT_SIGTIMEDWAIT, RT_SIGQUEUEINFO, GET_ROBUST_LIST = 128, 129, 274
RT_TGSIGQUEUEINFO, KCMP, SECCOMP, MEMBARRIER = 297, 312, 317, 324


def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), "system call %d" % number)
    return result


def prctl_out(option):
    value = ctypes.c_ulong(0)
    call(PRCTL, option, ctypes.byref(value), 0, 0, 0)
    return value.value


def status(tid):
    keys = ("Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp", "Sig", "Shd", "Umask", "Name")
    with open("/proc/self/task/%d/status" % tid) as lines:
        return [line for line in lines if line.startswith(keys) and not line.startswith("SigQ")]


def altstack():
    stack = (ctypes.c_ulong * 3)()
    call(SIGALTSTACK, 0, ctypes.byref(stack))
    return list(stack)


def robust_list():
    head, length = ctypes.c_ulong(), ctypes.c_ulong()
    call(GET_ROBUST_LIST, 0, ctypes.byref(head), ctypes.byref(length))
    return head.value, length.value


def action(number):
    buffer = (ctypes.c_ulong * 4)()
    call(RT_SIGACTION, number, 0, ctypes.byref(buffer), 8)
    return list(buffer)


def asked_of_itself():
    """Most of a thread's status, without its file: no restore could open that, as it is of a thread."""
    name, header = ctypes.create_string_buffer(16), (ctypes.c_uint * 2)(0x20080522, 0)
    capabilities = (ctypes.c_uint * 6)()
    call(PRCTL, 16, name, 0, 0, 0)
    call(CAPGET, ctypes.byref(header), ctypes.byref(capabilities))
    return [
        os.getresuid(), os.getresgid(), os.getgroups(), name.value, list(capabilities),
        [call(PRCTL, 23, n, 0, 0, 0) for n in range(41)],
        [call(PRCTL, 47, 1, n, 0, 0) for n in range(41)],
        call(PRCTL, 39, 0, 0, 0, 0), call(PRCTL, 21, 0, 0, 0, 0),
        signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.sigpending(),
    ]


def seen_by_thread():
    """What a thread can see of itself."""
    tid = threading.get_native_id()
    return [
        ("status", status(tid) if tid == os.getpid() else asked_of_itself()),
        ("scheduler", os.sched_getscheduler(0), os.sched_getparam(0).sched_priority),
        ("nice", os.getpriority(os.PRIO_PROCESS, 0)),
        ("altstack", altstack()),
        ("robust list", robust_list()),
        ("tid address", prctl_out(40)),
        ("parent-death signal", prctl_out(2)),
        ("securebits", call(PRCTL, 27, 0, 0, 0, 0)),
        ("dumpable", call(PRCTL, 3, 0, 0, 0, 0)),
        ("child subreaper", prctl_out(37)),
        ("THP disabled", call(PRCTL, 42, 0, 0, 0, 0)),
        ("personality", call(PERSONALITY, 0xFFFFFFFF)),
        ("limits", [resource.getrlimit(limit) for limit in range(16)]),
        ("actions", [action(n) for n in range(1, 65) if n not in (9, 19)]),
        ("oom_score_adj", open("/proc/self/oom_score_adj").read()),
        ("membarrier", call(MEMBARRIER, 512, 0, 0)),
        ("cwd", os.getcwd()),
        ("ids", os.getpid(), os.getpgid(0), os.getsid(0)),
    ]


def credentials():
    os.setgroups([4, 24, 1000000])
    call(PRCTL, 28, 0x5, 0, 0, 0)  # SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP
    call(PRCTL, 24, 21, 0, 0, 0)  # drop CAP_SYS_ADMIN from the bounding set
    os.setresgid(18943, 58467, 58468)
    os.setresuid(18943, 58467, 58468)
    call(PRCTL, 38, 1, 0, 0, 0)  # no_new_privs
    os.umask(0o27)
    return same_as_now()


def another_user():
    os.setgroups([58467])
    os.setresgid(58467, 58467, 58467)
    os.setresuid(18943, 18943, 18943)
    return same_as_now()


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 21))
    resource.setrlimit(resource.RLIMIT_NOFILE, (77, 99))
    if not RESTORED:
        call(PERSONALITY, 0x0040000)  # ADDR_NO_RANDOMIZE
    call(PRCTL, 36, 1, 0, 0, 0)  # child subreaper
    call(PRCTL, 41, 1, 0, 0, 0)  # no transparent huge pages
    call(PRCTL, 4, 0, 0, 0, 0)  # not dumpable
    call(MEMBARRIER, 1 << 4, 0, 0)
    call(MEMBARRIER, 1 << 2, 0, 0)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("77")
    os.mkdir("where it works")
    os.chdir("where it works")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    return same_as_now()


def same_as_now():
    """Expects what the calling thread sees of itself now."""
    expected = seen_by_thread()

    def check():
        for found, before in zip(seen_by_thread(), expected):
            same(found[0], found, before)

    return check


def filter_all(flags):
    """Installs a seccomp filter that allows everything."""
    instruction = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000))
    program = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", 1, ctypes.addressof(instruction))
    )
    call(SECCOMP, 1, flags, program)


def strange():
    """Makes the calling thread different from the others."""
    call(PRCTL, 15, b"strange", 0, 0, 0)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, 7)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, 40])
    call(PRCTL, 1, signal.SIGUSR2, 0, 0, 0)
    filter_all(2)
    filter_all(0)
    call(SETRESUID, 18943, 18943, 18943)
    call(PRCTL, 38, 1, 0, 0, 0)


def plain():
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(3))
    except PermissionError:  # the control group has no time for it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    signal.pthread_sigmask(signal.SIG_BLOCK, [41])


def threads():
    """Each thread looks at itself; `check` asks whether all still do."""
    rounds = {}

    def worker(setup):
        setup()
        check = same_as_now()
        while True:
            check()
            rounds[setup] = rounds.get(setup, 0) + 1
            time.sleep(0.01)

    # One after the other: a thread that changes its user changes `dumpable` of all.
    for setup in (strange, plain):
        threading.Thread(target=worker, args=(setup,), daemon=True).start()
        while setup not in rounds:
            time.sleep(0.01)
    main = same_as_now()

    def check():
        main()
        before = dict(rounds)
        while any(rounds[setup] == before[setup] for setup in before):
            time.sleep(0.01)

    return check


class Siginfo(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int), ("errno", ctypes.c_int), ("code", ctypes.c_int),
                ("pid", ctypes.c_int), ("timer_or_pid", ctypes.c_int), ("uid", ctypes.c_uint),
                ("value", ctypes.c_ulong), ("rest", ctypes.c_char * 96)]


def signals():
    """Queued signals with values: taken, looked at and queued again."""
    blocked = [signal.SIGUSR1, 40, 41]
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    pid, tid = os.getpid(), threading.get_native_id()

    def queue(number, value, private):
        info = Siginfo(number=number, code=-1, timer_or_pid=pid, uid=77, value=value)
        if private:
            call(RT_TGSIGQUEUEINFO, pid, tid, number, ctypes.byref(info))
        else:
            call(RT_SIGQUEUEINFO, pid, number, ctypes.byref(info))

    def queue_all():
        for value in (1, 2, 3):
            queue(40, 0x1234567800000000 + value, False)
        queue(41, 4, True)
        queue(signal.SIGUSR1, 5, False)
        queue(signal.SIGUSR1, 6, True)

    def take_all():
        mask = ctypes.c_ulong(sum(1 << number - 1 for number in blocked))
        taken = []
        while True:
            info = Siginfo()
            now = (ctypes.c_long * 2)(0, 0)
            try:
                call(RT_SIGTIMEDWAIT, ctypes.byref(mask), ctypes.byref(info), ctypes.byref(now), 8)
            except OSError:
                return taken
            taken.append((info.number, info.code, info.timer_or_pid, info.uid, info.value))

    queue_all()
    expected = take_all()
    same("queued signals", len(expected), 6)
    queue_all()

    def check():
        time.sleep(0.02)
        same("queued signals", take_all(), expected)
        queue_all()

    return check


def timers():
    """Timers that are far from firing."""
    kinds = [(0, 0, 40), (1, 1, 0), (2, 4, 41), (7, 0, 42)]  # clock, notify, signal
    ids = []
    for clock, notify, number in kinds:
        event = struct.pack("<Qiii", 0xABCD, number, notify, threading.get_native_id())
        event = ctypes.create_string_buffer(event, 64)
        timer = ctypes.c_int()
        call(TIMER_CREATE, clock, event, ctypes.byref(timer))
        setting = (ctypes.c_long * 4)(3, 5, 5000, 0)
        call(TIMER_SETTIME, timer.value, 0, ctypes.byref(setting), 0)
        ids.append(timer.value)
    for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(which, 5000, 7)

    def described():
        with open("/proc/self/timers") as lines:
            return lines.read()

    expected = described()

    def check():
        same("timers", described(), expected)
        for timer in ids:
            found = (ctypes.c_long * 4)()
            call(TIMER_GETTIME, timer, ctypes.byref(found))
            same("interval", (found[0], found[1]), (3, 5))
            if not 4000 < found[2] <= 5000:
                fault("timer %d has %d seconds left" % (timer, found[2]))
        for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            left, interval = signal.getitimer(which)
            same("interval", round(interval), 7)
            if not 4000 < left <= 5001:
                fault("interval timer %d has %f seconds left" % (which, left))

    return check


def sleep_forever():
    while True:
        time.sleep(1000)


def child(program):
    pid = os.fork()
    if pid == 0:
        program()
        os._exit(0)
    return pid


def tree():
    """Sessions and groups without leaders, zombies, a stopped child, a shared table."""
    call(PRCTL, 36, 1, 0, 0, 0)  # orphans come to us
    reader, writer = os.pipe()

    def lost_session():
        os.setsid()
        pid = child(sleep_forever)
        os.write(writer, b"%d\n" % pid)

    os.waitpid(child(lost_session), 0)
    orphan = int(os.read(reader, 100))
    leader = child(sleep_forever)
    os.setpgid(leader, leader)
    member = child(sleep_forever)
    os.setpgid(member, leader)
    os.kill(leader, signal.SIGKILL)
    os.waitpid(leader, 0)
    session = child(lambda: (os.setsid(), sleep_forever()))
    zombies = {child(lambda: os._exit(3)): 3}
    killed = child(sleep_forever)
    os.kill(killed, signal.SIGKILL)
    zombies[killed] = 9
    stopped = child(sleep_forever)
    os.kill(stopped, signal.SIGSTOP)
    sharer = call(CLONE, 0x400 | 17, 0, 0, 0, 0)  # CLONE_FILES, SIGCHLD
    if sharer == 0:
        sleep_forever()
    for pid in zombies:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    os.waitid(os.P_PID, stopped, os.WSTOPPED | os.WNOWAIT)
    while os.getsid(session) != session:
        time.sleep(0.01)
    everyone = [orphan, member, session, stopped, sharer, *zombies]

    def look(pid):
        with open("/proc/%d/stat" % pid, "rb") as file:
            state, parent, group, sid = file.read().rpartition(b")")[2].split()[:4]
        parent = None if RESTORED and pid == orphan else parent
        return pid, b"-" if state in b"RSD" else state, parent, group, sid

    expected = [look(pid) for pid in everyone]

    def check():
        found = [look(pid) for pid in everyone]
        # One list for both: the dump may come between two.
        while RESTORED and found[everyone.index(stopped)][1] != b"T":
            time.sleep(0.01)
            found = [look(pid) for pid in everyone]
        same("the tree", found, expected)
        same("shared descriptor table", call(KCMP, os.getpid(), sharer, 2, 0, 0), 0)
        for pid, code in zombies.items():
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            same("exit code", ended.si_status, code)

    return check


check = globals()[sys.argv[1]]()
round_number = 0
while True:
    round_number += 1
    check()
    print("round %d" % round_number, flush=True)
    time.sleep(0.03)
