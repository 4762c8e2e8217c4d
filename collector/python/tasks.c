#include "collector/python/tasks.h"

#include <string.h>

#include "collector/python/objects.h"
#include "collector/python/text.h"

/* Py_AsyncioModuleDebugOffsets, Modules/_asynciomodule.c @ v3.14.0: 64-bit words. */
enum {
    WORD_TASK_SIZE,
    WORD_TASK_NAME,
    WORD_TASK_AWAITED_BY,
    WORD_TASK_IS_TASK,
    WORD_TASK_AWAITED_BY_IS_SET,
    WORD_TASK_CORO,
    WORD_TASK_NODE,
    WORD_INTERP_SIZE,
    WORD_INTERP_TASKS,
    WORD_THREAD_SIZE,
    WORD_THREAD_LOOP,
    WORD_THREAD_TASK,
    WORD_THREAD_TASKS,
    WORDS,
    SIZE_MAX_TASK = 4096,
    SIZE_MAX_THREAD = 1 << 20,
    SIZE_MAX_INTERP = 1 << 24,
    TYPE_NAME_ROOM = 8,
};

static bool fits(uint64_t at, uint64_t bytes, uint64_t size)
{
    return at != 0 && at < size && size - at >= bytes;
}

bool python_tasks_from_debug(struct python_tasks *out, const uint8_t *bytes, size_t len)
{
    uint64_t w[WORDS];
    if (len < sizeof(w))
        return false;
    memcpy(w, bytes, sizeof(w));
    if (w[WORD_TASK_SIZE] > SIZE_MAX_TASK || w[WORD_THREAD_SIZE] > SIZE_MAX_THREAD ||
        w[WORD_INTERP_SIZE] > SIZE_MAX_INTERP || !fits(w[WORD_TASK_NAME], 8, w[WORD_TASK_SIZE]) ||
        !fits(w[WORD_TASK_CORO], 8, w[WORD_TASK_SIZE]) ||
        !fits(w[WORD_TASK_NODE], 16, w[WORD_TASK_SIZE]) ||
        !fits(w[WORD_THREAD_TASK], 8, w[WORD_THREAD_SIZE]) ||
        !fits(w[WORD_THREAD_TASKS], 16, w[WORD_THREAD_SIZE]) ||
        !fits(w[WORD_INTERP_TASKS], 16, w[WORD_INTERP_SIZE]))
        return false;
    *out = (struct python_tasks){
        .running = (uint32_t)w[WORD_THREAD_TASK],
        .coroutine = (uint32_t)w[WORD_TASK_CORO],
        .name = (uint32_t)w[WORD_TASK_NAME],
        .node = (uint32_t)w[WORD_TASK_NODE],
        .thread_head = (uint32_t)w[WORD_THREAD_TASKS],
        .interp_head = (uint32_t)w[WORD_INTERP_TASKS],
    };
    return true;
}

bool python_tasks_find(struct python_tasks *out, const struct python_layout *layout,
                       const struct memory_reader *reader, uint64_t interp)
{
    struct python_dict d;
    uint64_t current;
    if (layout->task_coroutine == PYTHON_NO_FIELD ||
        !python_module_dict(layout, reader, interp, "_asyncio", &d) ||
        !python_dict_find(layout, reader, &d, "_current_tasks", &current))
        return false;
    *out = (struct python_tasks){
        .current = current, .coroutine = layout->task_coroutine, .name = layout->task_name};
    return true;
}

size_t python_tasks_running(const struct python_tasks *tasks, const struct python_layout *layout,
                            const struct memory_reader *reader, uint64_t tstate, uint64_t *out)
{
    struct python_dict d;
    size_t len = 0;
    if (tasks->running != 0)
        return memory_read_u64(reader, tstate + tasks->running, out) && *out != 0 ? 1 : 0;
    if (!python_dict_open(layout, reader, tasks->current, &d))
        return 0;
    for (uint64_t i = 0; i < d.len && len < PYTHON_RUNNING_MAX; i++) {
        uint64_t loop;
        uint64_t task;
        if (!python_dict_entry(reader, &d, i, &loop, &task))
            break;
        if (loop != 0 && task != 0)
            out[len++] = task;
    }
    return len;
}

bool python_task_name(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t name, struct buf *out)
{
    char type[TYPE_NAME_ROOM];
    uint64_t number;
    if (!python_type_name(layout, reader, name, type, sizeof(type)))
        return false;
    if (strcmp(type, "str") == 0)
        return python_text(layout, reader, name, out);
    if (strcmp(type, "int") != 0 || !python_int(layout, reader, name, &number))
        return false;
    buf_printf(out, "Task-%llu", (unsigned long long)number);
    return true;
}
