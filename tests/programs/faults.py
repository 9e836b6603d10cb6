"""How a victim says what is wrong with it."""
import os


def fault(what):
    print("fault %s" % what, flush=True)
    os._exit(1)


def same(what, found, expected):
    if found != expected:
        fault("%s: %r was %r" % (what, found, expected))
