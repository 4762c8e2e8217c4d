"""Rests in an expression in the middle of a line, and says itself in which, where this Python knows."""
import json
import sys
import time


def rest(seconds):
    time.sleep(seconds)


def places():
    """Function, line, column, end line, end column of each frame outside this one, as tracebacks have them."""
    frame, found = sys._getframe(1), []
    while frame:
        code = frame.f_code
        if hasattr(code, "co_positions"):
            line, end_line, column, end_column = list(code.co_positions())[frame.f_lasti // 2]
            found.append([code.co_name, line, column + 1, end_line, end_column + 1])
        frame = frame.f_back
    return found


def waits(seconds):
    told = places()
    with open(sys.argv[2], "w") as out:
        json.dump(told[1:], out)
    rest(seconds)
    return 1


def adds(é):
    return len("ü") + é + (
        waits(float(sys.argv[1])) + waits(0)) + é


print(adds(1) + adds(2))
