"""Eight threads, half of which work and half of which wait."""
import json
import threading
import time

from pace import forever

DATA = {"a": list(range(50)), "b": "x" * 100}


def work():
    json.loads(json.dumps(DATA))


def wait():
    while True:
        time.sleep(0.05)


for i in range(4):
    threading.Thread(target=forever, args=(work, i, time.thread_time_ns)).start()
    threading.Thread(target=wait).start()
