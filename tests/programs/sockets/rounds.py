"""What the socket victims share: rounds, in each of which a socket's state is checked."""

import ctypes
import os
import select
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)


def call(result):
    """The result of a call of the C library, or its error."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def readable(fd):
    """Whether it can be read within ten seconds."""
    return bool(select.select([fd], [], [], 10)[0])


def go(one_round):
    """Tells of rounds for ever; ends with what was wrong."""
    number = 0
    while True:
        try:
            one_round()
        except Exception as error:
            line = getattr(error.__traceback__.tb_next, "tb_lineno", "?")
            print(f"fault line {line}: {type(error).__name__} {error}", flush=True)
            sys.exit(1)
        number += 1
        print(f"round {number}", flush=True)
        time.sleep(0.02)


def same(got, wanted):
    """A state must be as it was."""
    if got != wanted:
        raise AssertionError(f"{got!r} instead of {wanted!r}"[:300])


def soon(get, wanted):
    """A state must become what it was within ten seconds."""
    end = time.monotonic() + 10
    while get() != wanted and time.monotonic() < end:
        time.sleep(0.001)
    same(get(), wanted)


def read_all(sock, length):
    """Reads exactly so many bytes of a stream."""
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            raise EOFError(f"{len(data)} of {length} bytes")
        data += piece
    return data


def pattern(seed, length):
    """Bytes that can be told from any others."""
    return bytes((seed * 31 + at * 7 + (at >> 8)) & 0xFF for at in range(length))


def chosen(kinds):
    """The kind that the command line names."""
    return kinds[sys.argv[1]]()


def inode(sock):
    """The number of a socket."""
    return os.fstat(sock.fileno()).st_ino
