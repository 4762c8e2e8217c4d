"""By turns of some 20 microseconds either changes its call path about every 20 nanoseconds (flutter.py) or stands in one
function, for the given number of seconds. Writes how long each took in all to the file named last."""

import json
import sys
import time

import flutter


def changing(once):
    for _ in range(25):
        once()


def steady():
    total = 0
    for i in range(600):
        total += i
    return total


def main():
    scope = {}
    exec(compile(flutter.make(), "flutter_body.py", "exec"), scope)
    once = scope["once"]
    spent = [0, 0]
    clock = time.perf_counter_ns
    end = clock() + int(float(sys.argv[1]) * 1e9)
    begin = clock()
    while begin < end:
        changing(once)
        between = clock()
        steady()
        after = clock()
        spent[0] += between - begin
        spent[1] += after - between
        begin = clock()
    with open(sys.argv[2], "w") as out:
        json.dump({"changing": spent[0], "steady": spent[1]}, out)


main()
