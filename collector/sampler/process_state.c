/* What a sample says beside its stack: who holds or wants the GIL, exceptions; and its row. */
#include <string.h>

#include "collector/python/objects.h"
#include "collector/sampler/process.h"
#include "common/wire/wire.h"

enum {
    EXCEPTIONS_MAX = 64,
    GIL_STRUCT_BYTES = 208, /* struct _gil_runtime_state with its two locks, 3.8 to 3.15 */
};

/* An exception counts while it is raised and while it is handled, as sys.exc_info() has it: the
 * first in the list that is not None (_PyErr_GetTopmostException, Python/errors.c). */
static bool has_exception(struct sampled_process *p, const struct sampled_thread *t)
{
    const struct python_layout *layout = &p->python.layout;
    struct memory_reader reader = target_memory_reader(&p->memory);
    uint64_t item = t->reading.exc_info;
    if (t->reading.exception != 0)
        return true;
    for (int i = 0; item != 0 && i < EXCEPTIONS_MAX; i++) {
        uint64_t value;
        char type[sizeof("NoneType")];
        if (!memory_read_u64(&reader, item + layout->exc_value, &value))
            return false;
        if (value != 0 && value != p->none) {
            if (p->none != 0 || !python_type_name(layout, &reader, value, type, sizeof(type)) ||
                strcmp(type, "NoneType") != 0)
                return true;
            p->none = value;
        }
        if (!memory_read_u64(&reader, item + layout->exc_previous, &item))
            return false;
    }
    return false;
}

/* Who wants the GIL waits inside its struct, 5 ms at a time (take_gil, Python/ceval_gil.c). So a
 * thread that has slept for longer does not, and is not asked. */
static bool wants_gil(const struct sampled_process *p, const struct sampling *s,
                      struct sampled_thread *t)
{
    if (p->gils_len == 0 || p->threads_len < 2 || t->tid == 0 || t->is_asleep)
        return false;
    uint64_t futex = thread_futex(t, p->pid, s->now_ns, s->cpu_every_ns);
    for (size_t i = 0; i < p->gils_len; i++) {
        if (futex >= p->gils[i].begin && futex - p->gils[i].begin < GIL_STRUCT_BYTES)
            return true;
    }
    return false;
}

static bool holds_gil(const struct sampled_process *p, const struct sampled_thread *t)
{
    bool holds = t->reading.holds_gil;
    for (size_t i = 0; i < p->gils_len && !holds; i++)
        holds = p->gils[i].holder == t->reading.tstate;
    return holds;
}

uint32_t process_state_of(struct sampled_process *p, const struct sampling *s,
                          struct sampled_thread *t)
{
    uint32_t state = 0;
    bool has_gil = holds_gil(p, t);
    if (has_gil)
        state |= WIRE_HAS_GIL;
    else if (wants_gil(p, s, t))
        state |= WIRE_WANTS_GIL;
    if (has_gil && p->is_collecting)
        state |= WIRE_IN_GC;
    if ((s->options->exceptions || s->options->mode == SAMPLER_EXCEPTION) && has_exception(p, t))
        state |= WIRE_HAS_EXCEPTION;
    return state;
}

void process_add_row(struct sampling *s, const struct sampled_process *p, struct sampled_thread *t,
                     uint32_t node, uint32_t state)
{
    struct rows *rows = s->rows;
    uint64_t before = t->row_ns;
    t->row_ns = s->now_ns;
    t->node = node;
    if (rows->len >= rows->cap)
        return; /* the sampler flushes before this can happen */
    size_t i = rows->len++;
    rows->time_ns[i] = s->now_ns;
    rows->thread[i] = t->stream_thread;
    rows->node[i] = node;
    rows->state[i] = state;
    rows->wall[i] = before ? (int64_t)(s->now_ns - before) : 0;
    rows->cpu[i] = 0;
    rows->before[i] = t->last_row;
    rows->owner[i] = p->serial;
    t->last_row = (uint32_t)i;
    s->stats->samples++;
}

void process_take_result(struct sampled_process *p, struct sampling *s, struct sampled_thread *t,
                         enum reading_result result, size_t len, bool is_stopped)
{
    uint32_t node = 0;
    struct memory_reader reader = target_memory_reader(&p->memory);
    switch (result) {
    case READING_OK:
        tasks_mark(&p->tasks, s->tasks, &t->task,
                   &(struct task_place){.pid = p->pid,
                                        .layout = &p->python.layout,
                                        .memory = &p->memory,
                                        .interp = t->interp,
                                        .tstate = t->reading.tstate},
                   s->now_ns, s->frames, &len);
        if (thread_intern(t, &p->codes, &reader, s->frames, len, &node)) {
            if (s->native)
                node = native_stacks_merge(s->native, p, t, s->stacks, s->frames, len, node,
                                           s->now_ns);
            process_add_row(s, p, t, node,
                            process_state_of(p, s, t) | (is_stopped ? WIRE_STOPPED_TO_READ : 0U));
            process_see_span(p, s, t, node);
        } else {
            t->node = 0;
            s->stats->torn++;
        }
        break;
    case READING_EMPTY:
        if (s->native)
            node = native_stacks_merge(s->native, p, t, s->stacks, NULL, 0, 0, s->now_ns);
        if (node != 0)
            process_add_row(s, p, t, node, is_stopped ? WIRE_STOPPED_TO_READ : 0U);
        t->node = node;
        process_see_span(p, s, t, 0);
        t->row_ns = s->now_ns;
        break;
    case READING_GONE:
        p->must_list = true;
        break;
    default:
        s->is_too_deep = s->is_too_deep || result == READING_TOO_DEEP;
        t->node = 0; /* where it was before is not where it is, also when it sleeps from now on */
        s->stats->torn++;
        break;
    }
}
