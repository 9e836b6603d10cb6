"""The first task of a container with real programs in it, each of which it asks in every round:
redis-server, an asyncio server, bash in a pty, and sqlite3 in a transaction."""

import asyncio
import os
import pty
import re
import socket
import subprocess
import time

REDIS, ECHO = 6379, 7

# Whoever starts the tests may have had files open, which the container cannot see.
os.closerange(3, 1000)
# The container has no other way out than the file system.
LOG = os.open("log", os.O_WRONLY | os.O_APPEND)


def tell(text):
    os.write(LOG, text.encode() + b"\n")


def mount_terminals():
    os.mkdir("/dev/pts")
    options = "newinstance,ptmxmode=0666"
    subprocess.run(["mount", "-t", "devpts", "-o", options, "devpts", "/dev/pts"], check=True)
    os.symlink("pts/ptmx", "/dev/ptmx")


def serve():
    """Says of each line which it is."""
    async def client(reader, writer):
        count = 0
        while await reader.readline():
            count += 1
            writer.write(b"%d\n" % count)
            await writer.drain()

    async def run():
        server = await asyncio.start_server(client, "127.0.0.1", ECHO)
        await server.serve_forever()

    asyncio.run(run())


def connect(port):
    end = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def read_until(fd, wanted):
    """Reads until there is a line that matches, which it gives."""
    text = b""
    while not (found := re.search(wanted, text)):
        more = os.read(fd, 4096)
        if not more:
            raise EOFError(text)
        text += more
    return found[1]


def shell():
    pid, master = pty.fork()
    if pid == 0:
        os.execvp("bash", ["bash", "--norc", "--noprofile"])
    os.write(master, b"N=0\n")
    return master


def database():
    process = subprocess.Popen(
        ["sqlite3", "data.sqlite"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    process.stdin.write(b"create table t(x); begin;\n")
    return process


def go():
    mount_terminals()
    if os.fork() == 0:
        serve()
    server = ["redis-server", "--port", str(REDIS), "--bind", "127.0.0.1", "--save", ""]
    redis = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    store, echo, bash, sqlite = connect(REDIS), connect(ECHO), shell(), database()
    turn = 0
    while redis.poll() is None:
        turn += 1
        store.sendall(b"INCR n\r\n")
        echo.sendall(b"line\n")
        os.write(bash, b"echo =$((++N))=\n")
        sqlite.stdin.write(b"insert into t values(1); select '=' || count(*) || '=' from t;\n")
        answers = [
            read_until(store.fileno(), rb":(\d+)\r\n"),
            read_until(echo.fileno(), rb"(\d+)\n"),
            read_until(bash, rb"=(\d+)=\r"),
            read_until(sqlite.stdout.fileno(), rb"=(\d+)=\n"),
        ]
        if answers != [b"%d" % turn] * 4:
            tell(f"fault {answers} in round {turn}")
            return
        tell(f"round {turn}")
        time.sleep(0.01)


try:
    go()
except Exception as error:
    tell(f"fault {type(error).__name__} {error}")
