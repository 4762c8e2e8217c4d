"""Interpreters beside the main one, each in a thread, from 3.12 on each with a GIL of its own."""
import threading

try:
    import _interpreters
except ImportError:
    import _xxsubinterpreters as _interpreters

SOURCE = """
def in_sub():
    kept = [None] * 200
    for turn in range(20):
        for i in range(200):
            kept[i] = bytes(4967)
    return kept
in_sub()
"""


def run():
    identity = _interpreters.create()
    (getattr(_interpreters, "exec", None) or _interpreters.run_string)(identity, SOURCE)
    _interpreters.destroy(identity)


threads = [threading.Thread(target=run) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
