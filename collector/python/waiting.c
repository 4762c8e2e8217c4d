#include "collector/python/waiting.h"

#include <string.h>

#include "collector/python/objects.h"

enum { TYPE_ROOM = 32, DEPTH_MAX = 1 << 16 };

static bool add(uint64_t task, uint64_t *out, size_t max, size_t *len)
{
    if (*len >= max)
        return false;
    out[(*len)++] = task;
    return true;
}

/* ---- which there are ---- */

/* A ring of {next, prev}; a task's own link lies within it. */
static bool list_ring(const struct python_tasks *tasks, const struct memory_reader *reader,
                      uint64_t head, uint64_t *out, size_t max, size_t *len)
{
    uint64_t node;
    if (!memory_read_u64(reader, head, &node))
        return false;
    for (size_t i = 0; node != 0 && node != head; i++) {
        if (i >= max || !add(node - tasks->node, out, max, len) ||
            !memory_read_u64(reader, node, &node))
            return false;
    }
    return true;
}

/* The members of a WeakSet: its `data` is a set of weak references, whose object comes first
 * (Include/cpython/weakrefobject.h, Lib/_weakrefset.py @ v3.8.18 to v3.13.0). */
static bool list_weak(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t weak_set, uint64_t *out, size_t max, size_t *len)
{
    uint64_t data;
    struct python_set set;
    if (!python_attribute(layout, reader, weak_set, "data", &data) ||
        !python_set_open(layout, reader, data, &set))
        return false;
    for (uint64_t i = 0; i < set.len; i++) {
        uint64_t reference;
        uint64_t task;
        if (!python_set_entry(reader, &set, i, &reference))
            return false;
        if (reference == 0 ||
            !memory_read_u64(reader, reference + layout->object_type + sizeof(task), &task))
            continue;
        if (!add(task, out, max, len))
            return false;
    }
    return true;
}

bool python_tasks_list(const struct python_tasks *tasks, const struct python_layout *layout,
                       const struct memory_reader *reader, uint64_t interp, uint64_t tstate,
                       uint64_t *out, size_t max, size_t *len)
{
    static const char *const names[] = {"_scheduled_tasks", "_all_tasks"}; /* 3.12+, before */
    struct python_dict d;
    uint64_t weak_set;
    if (tasks->running != 0)
        return list_ring(tasks, reader,
                         tstate ? tstate + tasks->thread_head : interp + tasks->interp_head, out,
                         max, len);
    if (!python_module_dict(layout, reader, interp, "_asyncio", &d))
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (python_dict_find(layout, reader, &d, names[i], &weak_set))
            return list_weak(layout, reader, weak_set, out, max, len);
    }
    return false;
}

/* ---- where each waits ---- */

static bool is_type(const char *type, const char *const *names, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strcmp(type, names[i]) == 0)
            return true;
    }
    return false;
}

static bool is_coroutine(const struct python_layout *layout, const struct memory_reader *reader,
                         uint64_t object)
{
    static const char *const names[] = {"coroutine", "generator", "async_generator"};
    char type[TYPE_ROOM];
    return python_type_name(layout, reader, object, type, sizeof(type)) &&
           is_type(type, names, sizeof(names) / sizeof(names[0]));
}

/* Some iterators stand between who waits and what is waited for; that is their first field
 * (Objects/genobject.c, Modules/_asynciomodule.c @ v3.8.18 to v3.14.0). */
static uint64_t behind_iterator(const struct python_layout *layout,
                                const struct memory_reader *reader, uint64_t object)
{
    static const char *const names[] = {"async_generator_asend", "async_generator_athrow",
                                        "coroutine_wrapper", "_asyncio.FutureIter"};
    char type[TYPE_ROOM];
    uint64_t behind;
    bool is_iterator = object != 0 &&
                       python_type_name(layout, reader, object, type, sizeof(type)) &&
                       is_type(type, names, sizeof(names) / sizeof(names[0]));
    if (is_iterator &&
        memory_read_u64(reader, object + layout->object_type + sizeof(behind), &behind))
        return behind;
    return object;
}

/* Where a coroutine's frame is; it may wait, run or have ended. */
static enum python_task_reading find_frame(const struct python_layout *layout,
                                           const struct memory_reader *reader, uint64_t coroutine,
                                           uint64_t *frame)
{
    if (layout->generator_state != PYTHON_NO_FIELD) {
        int8_t state;
        if (!memory_read(reader, coroutine + layout->generator_state, &state, sizeof(state)))
            return PYTHON_TASK_UNREAD;
        *frame = coroutine + layout->generator_frame;
        return state < layout->generator_runs ? PYTHON_TASK_WAITS : PYTHON_TASK_WAITS_NOT;
    }
    uint8_t state;
    if (!memory_read_u64(reader, coroutine + layout->generator_object, frame))
        return PYTHON_TASK_UNREAD;
    if (*frame == 0)
        return PYTHON_TASK_WAITS_NOT;
    if (!memory_read(reader, *frame + layout->frame_state, &state, sizeof(state)))
        return PYTHON_TASK_UNREAD;
    return state == layout->frame_state_runs ? PYTHON_TASK_WAITS_NOT : PYTHON_TASK_WAITS;
}

/* The frame of a coroutine that waits or has not begun. */
static enum python_task_reading frame_of(const struct python_layout *layout,
                                         const struct memory_reader *reader, uint64_t coroutine,
                                         struct python_frame *out)
{
    uint64_t frame;
    size_t len;
    struct python_frame two[2];
    enum python_task_reading reading = find_frame(layout, reader, coroutine, &frame);
    if (reading != PYTHON_TASK_WAITS)
        return reading;
    enum python_unwind_result result = python_unwind(layout, reader, frame, 0, two, 1, &len);
    if (result == PYTHON_UNWIND_TOO_DEEP) /* what is behind it is of no matter */
        len = 1;
    else if ((result != PYTHON_UNWIND_OK && result != PYTHON_UNWIND_SUSPENDED) || len == 0)
        return PYTHON_TASK_UNREAD;
    *out = two[0];
    out->generator = coroutine;
    return out->address == frame ? PYTHON_TASK_WAITS : PYTHON_TASK_UNREAD;
}

/* What a frame waits for: on top of its operands, or near; 0 = nothing. */
static uint64_t top_of(const struct python_layout *layout, const struct memory_reader *reader,
                       uint64_t frame)
{
    uint64_t end = 0;
    uint64_t top = 0;
    int32_t count = 0;
    uint64_t begin = frame + layout->frame_size;
    if (layout->operands == PYTHON_OPERANDS_POINTER) {
        if (!memory_read_u64(reader, frame + layout->frame_stack, &end))
            return 0;
    } else if (!memory_read(reader, frame + layout->frame_stack, &count, sizeof(count)) ||
               count <= 0 || count > DEPTH_MAX ||
               (layout->operands == PYTHON_OPERANDS_DEPTH &&
                !memory_read_u64(reader, frame + layout->frame_stack - 16, &begin))) {
        return 0;
    } else {
        end = begin + sizeof(top) * (uint64_t)count;
    }
    end -= sizeof(top) * layout->awaited_below;
    if (end <= begin || end - begin > sizeof(top) * DEPTH_MAX ||
        !memory_read_u64(reader, end - sizeof(top), &top))
        return 0;
    return top & ~(uint64_t)layout->pointer_tag_mask;
}

static void turn_round(struct python_frame *frames, size_t len)
{
    for (size_t i = 0; i < len / 2; i++) {
        struct python_frame outer = frames[i];
        frames[i] = frames[len - 1 - i];
        frames[len - 1 - i] = outer;
    }
}

enum python_task_reading python_task_frames(const struct python_tasks *tasks,
                                            const struct python_layout *layout,
                                            const struct memory_reader *reader, uint64_t task,
                                            struct python_frame *frames, size_t max, size_t *len,
                                            uint64_t *awaited)
{
    uint64_t object;
    size_t found = 0;
    *len = 0;
    if (!memory_read_u64(reader, task + tasks->coroutine, &object))
        return PYTHON_TASK_UNREAD;
    if (object == 0)
        return PYTHON_TASK_WAITS_NOT;
    while (found < max && object != 0 && is_coroutine(layout, reader, object)) {
        enum python_task_reading reading = frame_of(layout, reader, object, &frames[found]);
        if (reading == PYTHON_TASK_UNREAD || (reading == PYTHON_TASK_WAITS_NOT && found == 0))
            return reading;
        if (reading == PYTHON_TASK_WAITS_NOT)
            break;
        object = behind_iterator(layout, reader, top_of(layout, reader, frames[found].address));
        found++;
    }
    if (found == 0)
        return PYTHON_TASK_UNREAD;
    *awaited = object;
    *len = found;
    turn_round(frames, found);
    return PYTHON_TASK_WAITS;
}
