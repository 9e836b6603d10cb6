"""A program with as many mappings as the kernel lets it have."""
import ctypes
import errno
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

PAGE = 4096
with open("/proc/sys/vm/max_map_count") as limit:
    PAGES = int(limit.read()) + 16
# PROT_NONE; MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE.
start = libc.mmap(None, PAGES * PAGE, 0, 0x4022, -1, 0)
for page in range(1, PAGES, 2):
    # Each readable page is a mapping of its own, and so is what is between two.
    if libc.mprotect(start + page * PAGE, PAGE, 1) < 0:
        break
if ctypes.get_errno() != errno.ENOMEM:
    print("fault there is no limit", flush=True)
    raise SystemExit(1)

round_number = 0
while True:
    round_number += 1
    before = time.monotonic()
    time.sleep(0.03)
    if time.monotonic() - before < 0.03:
        print("fault a sleep was cut short", flush=True)
        raise SystemExit(1)
    print("round %d" % round_number, flush=True)
