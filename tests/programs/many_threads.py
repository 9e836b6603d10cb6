"""A program with many threads, each of which looks at what only it knows of itself."""
import ctypes
import os
import signal
import threading
import time

from faults import fault

THREADS = 60
PR_SET_PDEATHSIG, PR_GET_PDEATHSIG = 1, 2
libc = ctypes.CDLL(None)


class Stack(ctypes.Structure):
    _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def look():
    death, stack = ctypes.c_int(), Stack()
    libc.prctl(PR_GET_PDEATHSIG, ctypes.byref(death), 0, 0, 0)
    libc.sigaltstack(None, ctypes.byref(stack))
    return death.value, stack.sp, stack.flags, stack.size


def run(n, barrier):
    memory = ctypes.create_string_buffer(16384)
    if n % 2:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGRTMIN) + n % 8, 0, 0, 0)
    if n % 3:
        stack = Stack(ctypes.addressof(memory), 0, 16384 - 16 * n)
        libc.sigaltstack(ctypes.byref(stack), None)
    before = look()
    while True:
        barrier.wait()
        if look() != before:
            fault("thread %d: %r was %r" % (n, look(), before))
        barrier.wait()


# The parent of a restored program is the restorer, which ends.
for n in range(8):
    signal.signal(signal.SIGRTMIN + n, signal.SIG_IGN)
barrier = threading.Barrier(THREADS + 1)
for n in range(THREADS):
    threading.Thread(target=run, args=(n, barrier), daemon=True).start()
round_number = 0
while True:
    round_number += 1
    barrier.wait()
    barrier.wait()
    print("round %d" % round_number, flush=True)
    time.sleep(0.03)
