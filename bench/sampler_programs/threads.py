"""Eight threads, half of which work and half of which wait."""
import json
import sys
import threading
import time

rounds = [0] * 8


def work(index, end):
    data = {"a": list(range(50)), "b": "x" * 100}
    while time.perf_counter() < end:
        json.loads(json.dumps(data))
        rounds[index] += 1


def wait(index, end):
    while time.perf_counter() < end:
        time.sleep(0.05)


end = time.perf_counter() + float(sys.argv[1])
threads = [threading.Thread(target=work if i % 2 else wait, args=(i, end)) for i in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("rounds", sum(rounds) / time.process_time())
