"""Marks and spans, in two threads, one left open at the end of its outer one, one never ended."""
import sys
import threading
import time

sys.path.insert(0, sys.argv[1])
import heliograph


@heliograph.span("decorated")
def decorated():
    return bytes(100000)


heliograph.mark("begun \u2713")
with heliograph.span("outer"):
    time.sleep(0.02)
    with heliograph.span("inner"):
        kept = bytearray(5000000)
        time.sleep(0.03)
    decorated()
thread = threading.Thread(target=decorated)
thread.start()
thread.join()
heliograph.span("never ended").__enter__()
