"""One thing at a time, by its name, for a while each: what `states.py WHAT SECONDS` tells of itself
must be seen from outside. Writes what it measured to the file named last."""
import gc
import json
import sys
import threading
import time

seconds = float(sys.argv[2])
until = time.monotonic() + seconds


def spin(duration):
    begin = time.thread_time()
    while time.thread_time() - begin < duration:
        pass


def contend():
    while time.monotonic() < until:
        spin(0.001)


def rest():
    time.sleep(seconds)


def handles(duration):
    try:
        raise ValueError("on purpose")
    except ValueError:
        spin(duration)


def generates(duration):
    yield 0
    handles(duration)
    yield 1


def has_none(duration):
    spin(duration)


def exceptions():
    while time.monotonic() < until:
        list(generates(0.006))
        has_none(0.004)


def collect():
    """Which part of the time goes into collections."""
    gc.disable()
    begin = time.monotonic()
    made = [[i] for i in range(200000)]
    for one in made:
        one.append(made)
    spent = 0
    while time.monotonic() < until:
        before = time.monotonic()
        gc.collect()
        spent += time.monotonic() - before
        has_none(0.02)
    return spent / (time.monotonic() - begin)


share = None
if sys.argv[1] == "gil":
    threads = [threading.Thread(target=target) for target in (contend, contend, rest)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
elif sys.argv[1] == "exceptions":
    exceptions()
else:
    share = collect()
with open(sys.argv[3], "w") as out:
    json.dump(share, out)
