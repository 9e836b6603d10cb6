"""Threads that work on a dictionary, and a file that is written and read back."""
import hashlib
import sys
import threading
import time

numbers = {}
lock = threading.Lock()
wake = threading.Condition()
file = open("data", "w+b")


def worker(name):
    count = 0
    while True:
        with lock:
            count += 1
            numbers[name] = count
            if numbers[name] != count:
                print("fault another thread's count", flush=True)
        time.sleep(0.01)


def sleeper():
    with wake:
        wake.wait()


for index in range(4):
    threading.Thread(target=worker, args=(index,), daemon=True).start()
threading.Thread(target=sleeper, daemon=True).start()

expected = hashlib.sha256()
round = 0
while True:
    round += 1
    line = b"line %d\n" % round
    file.write(line)
    file.flush()
    expected.update(line)
    end = file.tell()
    file.seek(0)
    if hashlib.sha256(file.read()).digest() != expected.digest():
        print("fault the file changed", flush=True)
        sys.exit(1)
    if file.tell() != end:
        print("fault the file's offset", flush=True)
        sys.exit(1)
    time.sleep(0.03)
    print("round %d" % round, flush=True)
