"""A terminal with a shell in it: bash answers what is typed in every round, as before.

The shell has a session, a controlling terminal, variables, a working directory and a job in the
background.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sockets"))
from rounds import go, same  # noqa: E402

SIZE = (42, 123)
JOB = "sleep 100000 &"


class Shell:
    """The side of a terminal that somebody types at."""

    def __init__(self):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        size = struct.pack("4H", *SIZE, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)
        self.seen = b""

    def type(self, line):
        os.write(self.master, line.encode() + b"\n")

    def wait_for(self, text):
        """Reads until a line of output is there; what was typed is echoed, and is another."""
        wanted = text.encode() + b"\r\n"
        while wanted not in self.seen:
            if not select.select([self.master], [], [], 60)[0]:
                raise TimeoutError(f"{text!r} is not in {self.seen!r}")
            self.seen += os.read(self.master, 4096)
        self.seen = self.seen.split(wanted, 1)[1]

    def state(self):
        size = fcntl.ioctl(self.master, termios.TIOCGWINSZ, b"\0" * 8)
        return struct.unpack("4H", size)[:2], os.tcgetpgrp(self.master)


def shell():
    """What the shell knows is asked for in every round."""
    terminal = Shell()
    terminal.type(f"mkdir kept; cd kept; x=0; {JOB}")
    count = 0

    def one_round():
        nonlocal count
        count += 1
        terminal.type('x=$((x + 1)); echo "x"=$x in ${PWD##*/}, $(jobs -r | wc -l) job')
        terminal.wait_for(f"x={count} in kept, 1 job")
        same(terminal.state(), (SIZE, terminal.pid))

    return one_round


go(shell())
