"""A program in a user namespace of the kind that its argument names."""
import ctypes
import os
import signal
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUTS, CLONE_NEWUSER = 0x4000000, 0x10000000


def unshare(flags):
    if libc.unshare(flags) == -1:
        raise OSError(ctypes.get_errno(), "unshare")


def enter(first=0):
    """A user namespace whose only user is ours, by this id."""
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    for name, text in [
        ("setgroups", "deny"),
        ("uid_map", "%d %d 1" % (first, user)),
        ("gid_map", "%d %d 1" % (first, group)),
    ]:
        with open("/proc/self/" + name, "w") as file:
            file.write(text)


def nested():
    ready, done = os.pipe()
    if os.fork() == 0:
        enter()
        os.write(done, b"x")
        while True:
            signal.pause()
    os.read(ready, 1)


def in_a_group():
    os.setgroups([27])
    enter()


KINDS = {
    "alone": enter,
    "without-map": lambda: unshare(CLONE_NEWUSER),
    "without-root": lambda: enter(1000),
    "in-group": in_a_group,
    "nested": nested,
    "of-another-parent": lambda: (enter(), enter()),
    "below-others": lambda: (unshare(CLONE_NEWUTS), enter()),
}
KINDS[sys.argv[1]]()
number = 0
while True:
    number += 1
    print("round %d" % number, flush=True)
    time.sleep(0.01)
