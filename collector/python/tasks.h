#pragma once
/* asyncio's tasks, read from outside: which task runs, its coroutine, its name.
 *
 * From 3.14 on a thread state points at the running task, and the module _asyncio says where its
 * fields are (section .AsyncioDebug). Up to 3.13 _asyncio._current_tasks is a dict from event loop
 * to running task. Tasks written in Python (asyncio.tasks._PyTask, where there is no C module) are
 * not known. Nothing is believed of a task whose coroutine is not on the stack that was read. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/layout.h"
#include "collector/python/memory_reader.h"
#include "common/base/buf.h"

enum {
    PYTHON_ASYNCIO_BYTES = 13 * 8, /* of Py_AsyncioModuleDebugOffsets, @ v3.14.0 */
    PYTHON_RUNNING_MAX = 64,       /* running tasks of one interpreter that are looked at */
};

struct python_tasks {
    uint64_t current; /* the dict, up to 3.13; 0 = none */
    uint32_t running; /* offset in the thread state, 3.14+; 0 = none */
    uint32_t coroutine, name;
    uint32_t node;                     /* 3.14+: where the lists of waiting tasks link it */
    uint32_t thread_head, interp_head; /* of those lists, in thread state and interpreter */
};

/* From the bytes of the section .AsyncioDebug; false when they contradict themselves. */
bool python_tasks_from_debug(struct python_tasks *out, const uint8_t *bytes, size_t len);

/* Up to 3.13: false while _asyncio is not imported. */
bool python_tasks_find(struct python_tasks *out, const struct python_layout *layout,
                       const struct memory_reader *reader, uint64_t interp);

/* The addresses of the tasks that run now; of 3.14+ only the one of the thread state `tstate`. */
size_t python_tasks_running(const struct python_tasks *tasks, const struct python_layout *layout,
                            const struct memory_reader *reader, uint64_t tstate, uint64_t *out);

/* Appends the name whose object is at `name`; a task that was given none has a number from 3.12 on:
 * "Task-7". */
bool python_task_name(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t name, struct buf *out);
