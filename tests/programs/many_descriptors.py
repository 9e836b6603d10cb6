"""A program with many descriptors of one file, some of them duplicates, and a child that has them
too: which are the same shows in their offsets."""
import os
import time

from faults import fault

COUNT = 300


path = os.path.abspath("many")
with open(path, "wb") as file:
    file.write(bytes(4096))
opens = [os.open(path, os.O_RDWR) for _ in range(COUNT)]
duplicates = {n: os.dup(opens[n]) for n in range(0, COUNT, 3)}
to_child, from_parent = os.pipe(), os.pipe()
if os.fork() == 0:
    # Reads the offsets on demand, and moves nothing.
    while os.read(to_child[0], 1):
        offsets = [os.lseek(fd, 0, os.SEEK_CUR) for fd in opens]
        os.write(from_parent[1], b" ".join(b"%d" % offset for offset in offsets) + b"\n")
    os._exit(0)

round_number = 0
while True:
    round_number += 1
    for n, fd in enumerate(opens):
        os.lseek(fd, (n * 7 + round_number) % 4096, os.SEEK_SET)
    expected = [(n * 7 + round_number) % 4096 for n in range(COUNT)]
    for n, fd in duplicates.items():
        if os.lseek(fd, 0, os.SEEK_CUR) != expected[n]:
            fault("descriptor %d and its duplicate have parted" % n)
    os.write(to_child[1], b".")
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(from_parent[0], 65536)
    if [int(offset) for offset in line.split()] != expected:
        fault("the child has other offsets")
    if [os.lseek(fd, 0, os.SEEK_CUR) for fd in opens] != expected:
        fault("two opens became one")
    print("round %d" % round_number, flush=True)
    time.sleep(0.03)
