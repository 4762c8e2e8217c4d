/* What a dump knows beside the stacks of threads: variables, and tasks that wait. */
#include <stdlib.h>
#include <string.h>

#include "collector/python/objects.h"
#include "collector/python/text.h"
#include "collector/python/value.h"
#include "collector/python/variables.h"
#include "collector/python/waiting.h"
#include "collector/sampler/dump.h"
#include "common/base/array.h"

enum {
    VARIABLES_MAX = 200, /* of one frame */
    FRAMES_MAX = 256,    /* of one stack, the innermost */
    TEXTS_MAX = 64 << 20,
    TYPE_ROOM = 128,
    TRIES = 5,
};

bool dump_same_frames(const struct python_frame *a, const struct python_frame *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (a[i].address != b[i].address || a[i].code != b[i].code || a[i].ip != b[i].ip)
            return false;
    }
    return true;
}

/* ---- variables ---- */

static uint32_t texts_end(const struct dump *d)
{
    return (uint32_t)d->texts.len;
}

static bool add_local(struct dump *d, struct dump_stack *s, const struct dump_local *local)
{
    if (!array_reserve(&d->locals, &d->locals_cap, d->locals_len + 1))
        return false;
    d->locals[d->locals_len++] = *local;
    s->locals_len++;
    return true;
}

static bool read_frame(struct dump *d, struct dump_stack *s, const struct python_frame *f,
                       uint32_t index)
{
    const struct python_layout *layout = &d->process->python.layout;
    struct memory_reader reader = target_memory_reader(&d->process->memory);
    struct python_variable variables[VARIABLES_MAX];
    size_t left_out;
    size_t len = python_variables(layout, &reader, f, variables, VARIABLES_MAX, &left_out);
    for (size_t i = 0; i < len; i++) {
        struct dump_local local = {.frame = index, .name = texts_end(d)};
        if (!python_text(layout, &reader, variables[i].name, &d->texts))
            continue;
        local.name_len = texts_end(d) - local.name;
        local.value = texts_end(d);
        python_value(layout, &reader, variables[i].value, d->asked->locals_bytes, &d->texts);
        local.value_len = texts_end(d) - local.value;
        if (buf_status(&d->texts) != STATUS_OK || !add_local(d, s, &local))
            return false;
    }
    if (left_out == 0)
        return true;
    struct dump_local rest = {.frame = index, .value = texts_end(d)};
    buf_printf(&d->texts, "%zu more variables", left_out);
    rest.value_len = texts_end(d) - rest.value;
    return buf_status(&d->texts) == STATUS_OK && add_local(d, s, &rest);
}

void dump_locals_read(struct dump *d, struct dump_stack *s, const struct python_frame *frames,
                      size_t len)
{
    size_t read = 0;
    d->texts.limit = TEXTS_MAX;
    s->locals_state = DUMP_LOCALS_READ;
    s->locals = d->locals_len;
    s->locals_len = 0;
    while (read < len && read < FRAMES_MAX && read_frame(d, s, &frames[read], (uint32_t)read))
        read++;
    s->frames_without = len - read;
    d->texts.failed = STATUS_OK; /* there was no room for more */
}

/* ---- tasks ---- */

static void put_task_name(struct dump *d, uint64_t task)
{
    struct memory_reader reader = target_memory_reader(&d->process->memory);
    uint64_t name;
    if (memory_read_u64(&reader, task + d->process->tasks.tasks.name, &name))
        (void)python_task_name(&d->process->python.layout, &reader, name, &d->texts);
}

static void name_awaited(struct dump *d, struct dump_stack *s, uint64_t awaited)
{
    char type[TYPE_ROOM];
    struct memory_reader reader = target_memory_reader(&d->process->memory);
    if (awaited == 0 ||
        !python_type_name(&d->process->python.layout, &reader, awaited, type, sizeof(type)))
        return;
    const char *dot = strrchr(type, '.');
    s->awaited = texts_end(d);
    buf_put_text(&d->texts, dot ? dot + 1 : type);
    if (strcmp(type, "_asyncio.Task") == 0) {
        buf_put_byte(&d->texts, ' ');
        put_task_name(d, awaited);
    }
    s->awaited_len = texts_end(d) - s->awaited;
}

/* Twice the same, or it went on meanwhile. */
static enum python_task_reading read_awaits(struct dump *d, uint64_t task,
                                            struct python_frame *frames, size_t *len,
                                            uint64_t *awaited)
{
    const struct python_tasks *tasks = &d->process->tasks.tasks;
    const struct python_layout *layout = &d->process->python.layout;
    struct python_frame again[PYTHON_AWAITS_MAX];
    struct memory_reader reader = target_memory_reader(&d->process->memory);
    for (int i = 0; i < TRIES; i++) {
        uint64_t awaited_again = 0;
        size_t len_again;
        enum python_task_reading first = python_task_frames(tasks, layout, &reader, task, frames,
                                                            PYTHON_AWAITS_MAX, len, awaited);
        enum python_task_reading second = python_task_frames(
            tasks, layout, &reader, task, again, PYTHON_AWAITS_MAX, &len_again, &awaited_again);
        if (first == second && first != PYTHON_TASK_UNREAD && *len == len_again &&
            dump_same_frames(frames, again, *len) && (*len == 0 || *awaited == awaited_again))
            return first;
    }
    return PYTHON_TASK_UNREAD;
}

static bool put_node(struct dump *d, const struct python_frame *frames, size_t len, uint32_t *node)
{
    struct memory_reader reader = target_memory_reader(&d->process->memory);
    for (size_t i = len; i-- > 0;) {
        uint32_t frame;
        if (!code_table_frame(&d->process->codes, &reader, &frames[i], &frame) ||
            !stack_table_node(&d->stacks, *node, frame, node))
            return false;
    }
    return true;
}

static bool add_task(struct dump *d, uint64_t task)
{
    struct python_frame frames[PYTHON_AWAITS_MAX];
    struct dump_stack s = {.is_known = true};
    uint64_t awaited = 0;
    size_t len = 0;
    enum python_task_reading reading = read_awaits(d, task, frames, &len, &awaited);
    if (reading == PYTHON_TASK_WAITS_NOT)
        return true;
    if (reading == PYTHON_TASK_UNREAD || !put_node(d, frames, len, &s.node)) {
        d->tasks_unread++;
        return true;
    }
    s.task = texts_end(d);
    put_task_name(d, task);
    s.task_len = texts_end(d) - s.task;
    name_awaited(d, &s, awaited);
    if (d->asked->locals_bytes > 0)
        dump_locals_read(d, &s, frames, len);
    if (!array_reserve(&d->found, &d->found_cap, d->found_len + 1))
        return false;
    d->found[d->found_len++] = s;
    return true;
}

static bool list_of(struct dump *d, uint64_t interp, uint64_t tstate, uint64_t *out, size_t *len)
{
    struct memory_reader reader = target_memory_reader(&d->process->memory);
    return python_tasks_list(&d->process->tasks.tasks, &d->process->python.layout, &reader, interp,
                             tstate, out, PYTHON_WAITING_MAX, len);
}

bool dump_tasks_read(struct dump *d)
{
    struct sampled_process *p = d->process;
    uint64_t *all = malloc(PYTHON_WAITING_MAX * sizeof(*all));
    size_t len = 0;
    bool is_whole = true;
    if (!all)
        return false;
    d->tasks_state = DUMP_TASKS_NO_ASYNCIO;
    for (size_t i = 0; i < p->interps_len; i++) {
        struct task_place place = {.pid = p->pid,
                                   .layout = &p->python.layout,
                                   .memory = &p->memory,
                                   .interp = p->interps[i]};
        if (!tasks_find(&p->tasks, &place))
            continue;
        d->tasks_state = DUMP_TASKS_READ;
        is_whole = list_of(d, p->interps[i], 0, all, &len) && is_whole;
        for (size_t k = 0; k < p->threads_len && p->tasks.tasks.running != 0; k++) {
            if (p->threads[k]->interp == p->interps[i])
                is_whole =
                    list_of(d, p->interps[i], p->threads[k]->reading.tstate, all, &len) && is_whole;
        }
    }
    bool has_memory = true;
    for (size_t i = 0; i < len && has_memory; i++)
        has_memory = add_task(d, all[i]);
    if (!is_whole)
        d->tasks_state = DUMP_TASKS_UNREAD;
    free(all);
    return has_memory;
}
