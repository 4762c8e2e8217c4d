"""multiprocessing in the start method it is given, and a child through exec."""
import multiprocessing
import subprocess
import sys

slots = [[None] for _ in range(100)]
bytes(3)  # so that what the call itself needs is there


def work(n):
    for slot in slots:
        slot[0] = bytes(3967)
    return n


if __name__ == "__main__":
    if sys.argv[1] == "exec":
        subprocess.check_call([sys.executable, __file__, "here"])
    elif sys.argv[1] == "here":
        work(0)
    else:
        context = multiprocessing.get_context(sys.argv[1])
        children = [context.Process(target=work, args=(n,)) for n in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join()
            assert child.exitcode == 0
