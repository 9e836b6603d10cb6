"""Memory that the kernel guards, shares or may drop.

guarded.py droppable|forked|keys|execute-only
"""

import ctypes
import mmap
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sockets"))
from rounds import chosen, go, same  # noqa: E402

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
SIZE = 4 * mmap.PAGESIZE
# sys/mman.h
MAP_FAILED, MAP_DROPPABLE, PROT_NONE, PROT_EXEC = 2 ** 64 - 1, 0x08, 0, 4
READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE


def mapped(prot, flags):
    """Memory of its own mapping: nothing that can be accessed is next to it."""
    length = ctypes.c_size_t(3 * SIZE)
    around = LIBC.mmap(None, length, PROT_NONE, flags | mmap.MAP_ANONYMOUS, -1, 0)
    if around == MAP_FAILED:
        sys.exit(f"mmap: {os.strerror(ctypes.get_errno())}")
    if LIBC.mprotect(ctypes.c_void_p(around + SIZE), ctypes.c_size_t(SIZE), prot) != 0:
        sys.exit(f"mprotect: {os.strerror(ctypes.get_errno())}")
    return around + SIZE


def smaps(address):
    """The fields that smaps has of the mapping at an address. A dump may come in the middle of the
    file: it is read until it says the same twice."""
    last = None
    while True:
        try:
            fields = read_smaps(address)
        except (ValueError, IndexError):
            fields = None
        if fields and fields == last:
            return fields
        last = fields


def read_smaps(address):
    fields, here = {}, False
    with open("/proc/self/smaps") as text:
        for line in text:
            if not line[0].isupper():
                here = int(line.split("-")[0], 16) == address
                if here:
                    fields["prot"] = line.split()[1]
            elif here:
                name, value = line.split(":", 1)
                fields[name] = value.split()
    return fields


def droppable():
    """Memory that reads as zeros once it was dropped, with what was written to it until then."""
    address = mapped(READ_WRITE, MAP_DROPPABLE)
    area = (ctypes.c_char * SIZE).from_address(address)
    flags = smaps(address)["VmFlags"]
    same("dp" in flags, True)

    def one_round():
        same(smaps(address)["VmFlags"], flags)
        same(area[:5] in (b"hello", bytes(5)), True)
        area[:5] = b"hello"

    return one_round


def forked():
    """Memory that a child still shares, since nobody has written to it."""
    address = mapped(READ_WRITE, mmap.MAP_PRIVATE)
    ctypes.memset(address, 7, SIZE)
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    return lambda: same(smaps(address)["Shared_Dirty"], [str(SIZE // 1024), "kB"])


def keys():
    """Memory behind a key of the program's own."""
    address = mapped(READ_WRITE, mmap.MAP_PRIVATE)
    key = LIBC.pkey_alloc(0, 0)
    if LIBC.pkey_mprotect(ctypes.c_void_p(address), ctypes.c_size_t(SIZE), READ_WRITE, key) != 0:
        sys.exit("pkey_mprotect")
    return lambda: same(smaps(address)["ProtectionKey"], [str(key)])


def execute_only():
    """Code that cannot be read: behind a key of the kernel's choice, where there are keys."""
    address = mapped(PROT_EXEC, mmap.MAP_PRIVATE)
    before = smaps(address)
    same(before["prot"], "--xp")
    guard = before.get("ProtectionKey")

    def one_round():
        now = smaps(address)
        same((now["prot"], now.get("ProtectionKey")), ("--xp", guard))

    return one_round


go(chosen({
    "droppable": droppable,
    "forked": forked,
    "keys": keys,
    "execute-only": execute_only,
}))
