"""The first task of pid and mount namespaces of its own that has an overlay, and file systems of the
kernel that are named as arguments. It works with its files in every round."""
import mmap
import os
import struct
import sys
import time

from mounting import (HERE, enter_root, mount, mounts, same, same_at_last, start, start_anew, write)

LAYERS = "lowerdir=%s/lower:%s/lowest,upperdir=%s/upper,workdir=%s/work" % ((HERE,) * 4)


def enter(kinds):
    for directory in "lower", "lowest", "upper", "work":
        os.mkdir(directory)
    write("lower/below", "below")
    write("lowest/deep", "deep")
    write("lower/changed", "old")
    enter_root()
    mount("layers", "merged", "overlay", 0, LAYERS)
    for kind in kinds:
        mount(kind, "of-" + kind, kind)
    start_anew()


def inside():
    write("merged/changed", "new")
    below, changed = open("merged/below"), open("merged/changed", "r+")
    gone = open("merged/gone", "w+")
    gone.write("gone")
    gone.flush()
    os.unlink("merged/gone")
    with open("merged/mapped", "wb+") as file:
        file.truncate(4096)
        shared = mmap.mmap(file.fileno(), 4096)
    os.chdir("merged")
    first, number = mounts(), 0
    names = sorted(os.listdir("."))
    while True:
        number += 1
        same_at_last("mounts", mounts, first)
        same("names", (os.getcwd(), sorted(os.listdir("."))), (HERE + "/merged", names))
        for file, text in (below, "below"), (changed, "new"), (gone, "gone"):
            file.seek(0)
            same("file", file.read(), text)
        with open("deep") as deep, open("../lower/changed") as old:
            same("layers", (deep.read(), old.read()), ("deep", "old"))
        shared[:8] = struct.pack("q", number)
        with open("mapped", "rb") as file:
            same("map", file.read(8), shared[:8])
        print("round %d" % number, flush=True)
        time.sleep(0.001)


if sys.argv[1:] == ["inside"]:
    inside()
start(lambda: enter(sys.argv[1:]))
