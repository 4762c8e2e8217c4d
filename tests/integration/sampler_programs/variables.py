"""Rests in a function with a variable of every kind; writes what repr() says of each."""
import collections
import enum
import json
import sys
import time


class Colour(enum.IntEnum):
    RED = 1


class Thing:
    pass


Point = collections.namedtuple("Point", "x y")
EXACT = ("number", "args", "key", "more", "big", "negative", "zero", "floats", "truth", "nothing", "text", "raw", "nested", "table", "lone",
         "empty", "shared")


def inner(number, *args, key=None, **more):
    big, negative, zero = 2 ** 200 + 12345, -12345678901234567890, 0
    floats = [3.14, -0.5, 1e300, float("inf"), 2.0]
    truth, nothing = [True, False], None
    text, raw = "héllo\n", b"\x00abc\xff"
    nested, table, lone = [1, [2, (3,)]], {"a": 1, 2: (1, "x")}, {7}
    empty = [[], (), {}, set(), "", b""]
    colour, point, thing = Colour.RED, Point(1, 2.5), Thing()
    long = "x" * 5000
    shared = number + 1
    circle = []
    circle.append(circle)
    if zero:
        unbound = 1

    def closure():
        return shared

    values = locals()
    with open(sys.argv[1], "w") as out:
        json.dump({name: repr(values[name]) for name in EXACT}, out)
    del values, out
    rest()
    return closure, unbound


def rest():
    time.sleep(60)


inner(42, 1, 2, key="k", other=[None])
