"""A program that watches a file, writes to it in every round and hears of it: watch.py FILE"""
import ctypes
import os
import select
import struct
import sys
import time

IN_MODIFY, IN_NONBLOCK = 2, 0o4000
HEAD = struct.Struct("iIII")

libc = ctypes.CDLL(None, use_errno=True)
path = sys.argv[1]
watcher = libc.inotify_init1(IN_NONBLOCK)
watch = libc.inotify_add_watch(watcher, path.encode(), IN_MODIFY)
if watcher < 0 or watch < 0:
    raise OSError(ctypes.get_errno(), path)

number = 0
while True:
    with open(path, "a") as file:
        file.write("x")
    # What was modified while nobody looked may be told of in one event.
    if not select.select([watcher], [], [], 60)[0]:
        print("fault nothing was heard of a write", flush=True)
        break
    event = os.read(watcher, 4096)
    heard = HEAD.unpack_from(event)
    if heard[:2] != (watch, IN_MODIFY):
        print("fault heard %r" % (heard,), flush=True)
        break
    number += 1
    print("round %d" % number, flush=True)
    time.sleep(0.02)
