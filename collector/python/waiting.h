#pragma once
/* asyncio's tasks that do not run: which there are, and where each of them waits.
 *
 * From 3.14 on threads and interpreters keep lists of them; before, asyncio.tasks has a WeakSet. A
 * coroutine that waits has what it waits for on top of its stack of operands; as long as that is a
 * coroutine too, it is the next frame. Tasks written in Python are not known. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/layout.h"
#include "collector/python/memory_reader.h"
#include "collector/python/tasks.h"
#include "collector/python/unwind.h"

enum { PYTHON_WAITING_MAX = 4096, PYTHON_AWAITS_MAX = 1024 };

/* Writes up to `max` addresses of tasks, those that run included, and adds to `*len`. From 3.14 on
 * of the thread state `tstate` (0: those that their threads left to the interpreter), before of the
 * interpreter. False when they cannot be read, or there are more. */
bool python_tasks_list(const struct python_tasks *tasks, const struct python_layout *layout,
                       const struct memory_reader *reader, uint64_t interp, uint64_t tstate,
                       uint64_t *out, size_t max, size_t *len);

enum python_task_reading {
    PYTHON_TASK_WAITS,
    PYTHON_TASK_WAITS_NOT, /* it runs, or has ended */
    PYTHON_TASK_UNREAD, /* memory that is none of a task (any more), or no coroutine of Python's */
};

/* The coroutines of a task that waits, innermost first, and the object that the innermost waits for
 * (0 = none: it has not begun). `*len` is 0 for all others. */
enum python_task_reading python_task_frames(const struct python_tasks *tasks,
                                            const struct python_layout *layout,
                                            const struct memory_reader *reader, uint64_t task,
                                            struct python_frame *frames, size_t max, size_t *len,
                                            uint64_t *awaited);
