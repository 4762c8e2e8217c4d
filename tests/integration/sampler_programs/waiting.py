"""Tasks that wait in known places: in coroutines, for a task, in an asynchronous generator."""
import asyncio
import threading


async def leaf(future):
    await future


async def middle(number, future):
    doubled = number * 2
    await leaf(future)
    return doubled


async def sleeper():
    await asyncio.sleep(3600)


async def watcher(task):
    await task


async def numbers():
    yield 1
    await asyncio.sleep(3600)


async def reader():
    async for _ in numbers():
        pass


async def main(name):
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(middle(3, loop.create_future()), name=name + "mïddle")]
    tasks += [asyncio.create_task(sleeper(), name=name + "sleeper"), asyncio.create_task(watcher(tasks[0]), name=name + "watcher"),
              asyncio.create_task(reader(), name=name + "reader")]
    asyncio.current_task().set_name(name + "main")
    await asyncio.gather(*tasks)


threading.Thread(target=asyncio.run, args=(main("second "),), daemon=True).start()
asyncio.run(main(""))
