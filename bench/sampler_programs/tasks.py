"""A hundred asyncio tasks, each of which works a little three coroutines deep and lets the next one run."""
import asyncio
import json
import time

from pace import board

DATA = {"a": list(range(50)), "b": "x" * 100}


async def inner():
    json.loads(json.dumps(DATA))
    await asyncio.sleep(0)


async def middle():
    await inner()


async def outer():
    while True:
        await middle()
        board[0] += 1
        board[1] = time.process_time_ns()


async def main():
    await asyncio.gather(*[asyncio.create_task(outer(), name="task %d" % i) for i in range(100)])


asyncio.run(main())
