"""Two named tasks that work one after the other in coroutines three deep, one that has no name and
one that only waits; writes how much CPU time each task used by its own reckoning."""
import asyncio
import json
import sys
import threading
import time

until = time.monotonic() + float(sys.argv[1])
used = {}


def work(seconds):
    begin = time.thread_time()
    while time.thread_time() - begin < seconds:
        pass
    return time.thread_time() - begin


async def alpha_inner(name, seconds):
    used[name] = used.get(name, 0) + work(seconds)
    await asyncio.sleep(0)


async def alpha_middle(name, seconds):
    await alpha_inner(name, seconds)


async def alpha_outer(name, seconds):
    while time.monotonic() < until:
        await alpha_middle(name, seconds)


async def beta_inner(name, seconds):
    used[name] = used.get(name, 0) + work(seconds)
    await asyncio.sleep(0)


async def beta_outer(name, seconds):
    while time.monotonic() < until:
        await beta_inner(name, seconds)


async def waiter():
    await asyncio.sleep(3600)


async def main(other):
    tasks = [asyncio.create_task(alpha_outer(other + "älpha", 0.012), name=other + "älpha"),
             asyncio.create_task(beta_outer(other + "beta", 0.006), name=other + "beta"),
             asyncio.create_task(beta_outer(other + "unnamed", 0.003))]
    waiting = asyncio.create_task(waiter(), name="waits")
    await asyncio.gather(*tasks)
    waiting.cancel()


thread = threading.Thread(target=asyncio.run, args=(main("second "),))
thread.start()
asyncio.run(main(""))
thread.join()
with open(sys.argv[2], "w") as out:
    json.dump(used, out)
