"""Two interpreters busy at a time, each in a thread of its own."""
import sys
import threading
import time

CODE = """
import time
def inside():
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        pass
inside()
"""


def start():
    if sys.version_info >= (3, 14):
        from concurrent import interpreters
        other = interpreters.create()
        return lambda: other.exec(CODE)
    if sys.version_info >= (3, 13):
        import _interpreters
        other = _interpreters.create()
        return lambda: _interpreters.exec(other, CODE)
    import _xxsubinterpreters
    other = _xxsubinterpreters.create()
    return lambda: _xxsubinterpreters.run_string(other, CODE)


def outside():
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        pass


thread = threading.Thread(target=start())
thread.start()
outside()
thread.join()
