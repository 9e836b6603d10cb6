"""A program in IPC and UTS namespaces of its own, with System V objects that it looks at in
every round."""
import ctypes
import os
import socket
import time

from faults import fault, same

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
CLONE_NEWUTS, CLONE_NEWIPC = 0x4000000, 0x8000000
IPC_CREAT, IPC_NOWAIT, IPC_SET, IPC_STAT, SETVAL, GETVAL = 0o1000, 0o4000, 1, 2, 16, 12
MSG_COPY = 0o40000
SIZE = 5 * 4096 + 17


def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), name)
    return result


def attach(segment):
    address = call("shmat", segment, None, 0)
    return (ctypes.c_char * SIZE).from_address(address)


def pattern(seed):
    return bytes((seed + offset // 7) % 251 for offset in range(SIZE))


class Message(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_long), ("text", ctypes.c_char * 3000)]


def send(queue, kind, text):
    message = Message(kind, text)
    call("msgsnd", queue, ctypes.byref(message), len(text), 0)


def look(queue, index):
    message = Message()
    flags = MSG_COPY | IPC_NOWAIT
    length = call("msgrcv", queue, ctypes.byref(message), 3000, ctypes.c_long(index), flags)
    return message.kind, message.text[:length]


def table(kind):
    """The objects, without what tells of processes and times."""
    with open("/proc/sysvipc/" + kind) as lines:
        head, *rows = [line.split() for line in lines]
    kept = [i for i, name in enumerate(head) if not name.endswith(("time", "pid", "rss", "swap"))]
    return [[row[i] for i in kept] for row in rows]


call("unshare", CLONE_NEWIPC | CLONE_NEWUTS)
socket.sethostname("a-host-of-its-own")
with open("/proc/sys/kernel/msgmax", "w") as limit:
    limit.write("12345")
first = call("shmget", 0x1234, SIZE, IPC_CREAT | 0o640)
detached = call("shmget", -559038737, SIZE, IPC_CREAT | 0o600)
memory = attach(first)
memory.raw = pattern(1)
other = attach(detached)
other.raw = pattern(2)
call("shmdt", ctypes.c_void_p(ctypes.addressof(other)))
queue = call("msgget", 7, IPC_CREAT | 0o622)
MESSAGES = [(3, b"one"), (1, b"a longer one" * 100), (3, b"12345678")]
for message in MESSAGES:
    send(queue, *message)
semaphores = call("semget", 9, 3, IPC_CREAT | 0o666)
VALUES = [5, 0, 32767]
for number, value in enumerate(VALUES):
    call("semctl", semaphores, number, SETVAL, value)
tables = {kind: table(kind) for kind in ("shm", "msg", "sem")}

number = 0
while True:
    same("hostname", socket.gethostname(), "a-host-of-its-own")
    same("msgmax", open("/proc/sys/kernel/msgmax").read(), "12345\n")
    for kind in tables:
        same(kind, table(kind), tables[kind])
    same("memory", memory.raw, pattern(1))
    other = attach(detached)
    same("detached memory", other.raw, pattern(2))
    call("shmdt", ctypes.c_void_p(ctypes.addressof(other)))
    same("messages", [look(queue, i) for i in range(3)], MESSAGES)
    same("semaphores", [call("semctl", semaphores, i, GETVAL) for i in range(3)], VALUES)
    number += 1
    print("round %d" % number, flush=True)
    time.sleep(0.02)
