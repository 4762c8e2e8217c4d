"""A hundred threads at once, then a thousand one after the other; blocks are freed by other threads
than made them."""
import queue
import threading

THREADS, EACH = 100, 200
handed = queue.Queue()
bytes(3)  # so that what the call itself needs is there


def maker():
    mine = [[None] for _ in range(EACH)]
    for slot in mine:
        slot[0] = bytes(967)
    handed.put(mine)


threads = [threading.Thread(target=maker) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
while not handed.empty():
    handed.get()


def one():
    slot = [None]
    slot[0] = bytes(1967)


for _ in range(1000):
    thread = threading.Thread(target=one)
    thread.start()
    thread.join()
