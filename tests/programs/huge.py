"""A program with explicit huge pages of every kind, which it looks at in every round."""
import mmap
import os
import time

SIZE = 2 << 20
MAP_HUGETLB, MFD_HUGETLB = 0x40000, 4
SHARED, PRIVATE = mmap.MAP_SHARED, mmap.MAP_PRIVATE
ANONYMOUS = mmap.MAP_ANONYMOUS | MAP_HUGETLB


def memfd():
    fd = os.memfd_create("huge", MFD_HUGETLB)
    os.ftruncate(fd, SIZE)
    return fd


def closed_memfd(flags):
    fd = memfd()
    area = mmap.mmap(fd, SIZE, flags=flags)
    os.close(fd)
    return area


def word(seed, offset):
    return (seed * 1000003 + offset).to_bytes(8, "little")


kept = memfd()
AREAS = {
    "private": mmap.mmap(-1, SIZE, flags=PRIVATE | ANONYMOUS),
    "shared": mmap.mmap(-1, SIZE, flags=SHARED | ANONYMOUS),
    "memfd": mmap.mmap(kept, SIZE, flags=SHARED),
    "closed memfd": closed_memfd(SHARED),
    "written copy of a memfd": closed_memfd(PRIVATE),
}
for seed, area in enumerate(AREAS.values()):
    for offset in range(0, SIZE, 4096):
        area[offset : offset + 8] = word(seed, offset)


def page_sizes():
    """The page size of every mapping that is of huge pages, in kilobytes."""
    with open("/proc/self/smaps") as lines:
        return sum(line.split() == ["KernelPageSize:", "2048", "kB"] for line in lines)


number = 0
while True:
    if page_sizes() != len(AREAS):
        print("fault %d mappings are of huge pages" % page_sizes(), flush=True)
        break
    for seed, (name, area) in enumerate(AREAS.items()):
        for offset in range(0, SIZE, 4096):
            if area[offset : offset + 8] != word(seed, offset):
                print("fault %s at %#x" % (name, offset), flush=True)
                os._exit(1)
    number += 1
    print("round %d" % number, flush=True)
    time.sleep(0.02)
