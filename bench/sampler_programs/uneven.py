"""By turns of some 300 microseconds either changes its call path about every microsecond, between stacks that are
all known, or stands in one function. Which of the two took how long is in the numbers 8 and 9 of the board."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/integration/sampler_programs"))

import flutter  # noqa: E402
from pace import board, forever  # noqa: E402

scope = {}
exec(compile(flutter.make(), "flutter_body.py", "exec"), scope)
once = scope["once"]


def changing():
    for _ in range(100):
        once()


def steady():
    total = 0
    for i in range(8000):
        total += i
    return total


def both():
    begin = time.perf_counter_ns()
    changing()
    between = time.perf_counter_ns()
    steady()
    board[8] += between - begin
    board[9] += time.perf_counter_ns() - between


forever(both)
