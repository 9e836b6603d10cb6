"""A program that has unmapped the part of its vDSO that the argument names, `vdso` or `vvar`, and does
nothing since that asks for the time."""
import ctypes
import signal
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
libc = ctypes.CDLL(None)
with open("/proc/self/maps") as file:
    lines = [line for line in file if "[" + sys.argv[1] in line]
for line in lines:
    start, end = (int(address, 16) for address in line.split()[0].split("-"))
    libc.munmap(ctypes.c_void_p(start), ctypes.c_size_t(end - start))
number = 0
while True:
    number += 1
    print("round %d" % number, flush=True)
    signal.sigwait({signal.SIGALRM})
