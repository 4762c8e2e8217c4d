#include "collector/sampler/dump.h"

#include <stdlib.h>

#include "collector/target/permission.h"
#include "collector/target/python_find.h"
#include "common/base/array.h"
#include "common/base/clock.h"

enum { DUMP_TRIES = 50, LOCALS_TRIES = 20, DUMP_ROWS = 8192 };

/* Rounds until every thread was read once or has no frames. */
static void sample_once(struct dump *d)
{
    for (int i = 0; i < DUMP_TRIES && !d->process->is_gone; i++) {
        uint64_t torn = d->stats.torn;
        d->sampling.now_ns = clock_monotonic_ns();
        d->sampling.stop_budget_ns = 10000000;
        if (!process_list(d->process, d->sampling.now_ns))
            continue;
        d->rows.len = 0;
        for (size_t k = 0; k < d->process->threads_len; k++)
            d->process->threads[k]->last_row = ROWS_NONE;
        for (size_t k = 0; k < d->process->native.others_len; k++) {
            d->process->native.others[k]->last_row = ROWS_NONE;
            d->process->native.others[k]->has_stream_thread = true; /* there is no stream to ask */
        }
        process_sample(d->process, &d->sampling);
        if (d->stats.torn == torn && !d->process->must_list)
            return;
    }
}

/* ---- variables ---- */

static bool walk(struct dump *d, const struct sampled_thread *t, struct python_frame *frames,
                 size_t *len)
{
    const struct python_layout *layout = &d->process->python.layout;
    struct memory_reader reader = target_memory_reader(&d->process->memory);
    uint64_t tstate = t->reading.tstate;
    uint64_t top;
    uint64_t base = 0;
    if (layout->tstate_base_frame != PYTHON_NO_FIELD &&
        !memory_read_u64(&reader, tstate + layout->tstate_base_frame, &base))
        return false;
    return python_top_frame(layout, &reader, tstate, &top) == PYTHON_UNWIND_OK &&
           python_unwind(layout, &reader, top, base, frames, PYTHON_MAX_DEPTH, len) ==
               PYTHON_UNWIND_OK;
}

/* Whether the Python frames among those of the stack are these. */
static bool shows(struct dump *d, uint32_t node, const struct python_frame *frames, size_t len)
{
    struct memory_reader reader = target_memory_reader(&d->process->memory);
    size_t at = 0;
    for (; node != 0; node = d->stacks.nodes[node].parent) {
        uint32_t shown = d->stacks.nodes[node].frame;
        uint32_t frame;
        if (d->stacks.functions[d->stacks.frames[shown].function].kind != WIRE_PYTHON)
            continue;
        if (at == len || !code_table_frame(&d->process->codes, &reader, &frames[at++], &frame) ||
            frame != shown)
            return false;
    }
    return at == len;
}

/* They are those of the stack only if the thread stood where it stands before and afterwards. */
static void read_locals(struct dump *d, struct dump_stack *s)
{
    struct python_frame *before = d->sampling.frames;
    struct python_frame *after = calloc(PYTHON_MAX_DEPTH + 1, sizeof(*after));
    size_t len;
    size_t len_after;
    s->locals_state = DUMP_LOCALS_CHANGED;
    if (after && walk(d, s->thread, before, &len) && shows(d, s->node, before, len)) {
        dump_locals_read(d, s, before, len);
        if (!walk(d, s->thread, after, &len_after) || len_after != len ||
            !dump_same_frames(before, after, len)) {
            s->locals_state = DUMP_LOCALS_CHANGED;
            s->locals_len = s->frames_without = 0;
        }
    }
    free(after);
}

/* ---- all ---- */

static bool take_threads(struct dump *d)
{
    const struct sampled_process *p = d->process;
    size_t len = p->threads_len + p->native.others_len;
    d->found_len = 0;
    if (!array_reserve(&d->found, &d->found_cap, len))
        return false;
    for (size_t i = 0; i < len; i++) {
        const struct sampled_thread *t =
            i < p->threads_len ? p->threads[i] : p->native.others[i - p->threads_len];
        struct dump_stack s = {.thread = t, .is_known = t->node == 0};
        if (t->last_row != ROWS_NONE) {
            s.is_known = true;
            s.node = d->rows.node[t->last_row];
            s.state = d->rows.state[t->last_row];
        }
        d->found[d->found_len++] = s;
    }
    return true;
}

/* Threads that went on while their variables were read are read again, with all others. */
static bool read_all(struct dump *d)
{
    bool is_whole = false;
    for (int i = 0; i < LOCALS_TRIES && !is_whole; i++) {
        sample_once(d);
        if (d->process->is_gone)
            return true;
        is_whole = true;
        d->locals_len = 0;
        buf_clear(&d->texts);
        if (!take_threads(d))
            return false;
        for (size_t k = 0; d->asked->locals_bytes > 0 && k < d->found_len; k++) {
            if (!d->found[k].thread->has_python || d->found[k].node == 0)
                continue;
            read_locals(d, &d->found[k]);
            is_whole = is_whole && d->found[k].locals_state == DUMP_LOCALS_READ;
        }
    }
    return !d->asked->tasks || dump_tasks_read(d);
}

enum status sampler_dump(pid_t pid, const struct sampler_dump_options *options, struct buf *out,
                         struct error *err)
{
    struct python_found found;
    struct dump d = {.pid = pid, .runtime = found.runtime, .asked = options};
    enum status st = target_check_readable(pid, err);
    if (st != STATUS_OK)
        return st;
    python_find(pid, &found);
    if (found.state == TARGET_PYTHON_DENIED)
        return error_set(err, STATUS_DENIED, "%s", found.reason);
    if (found.state != TARGET_PYTHON_READY && !options->native)
        return error_set(err, STATUS_UNSUPPORTED, "%s",
                         found.reason[0] ? found.reason : "its Python is still starting");

    struct target_process info = {.pid = pid, .state = found.state, .python = found.python};
    task_names_init(&d.tasks, &d.stacks);
    d.options.columns = options->columns;
    d.sampling = (struct sampling){
        .options = &d.options,
        .stacks = &d.stacks,
        .rows = &d.rows,
        .stats = &d.stats,
        .tasks = &d.tasks,
        .frames = calloc(PYTHON_MAX_DEPTH + 1, sizeof(*d.sampling.frames)),
        .cpu_every_ns = UINT64_MAX,
    };
    bool is_ready = true;
    if (options->native) {
        d.sampling.native = &d.native;
        is_ready = native_stacks_init(&d.native, options->native_interpreter);
    }
    if (is_ready && d.sampling.frames && rows_init(&d.rows, DUMP_ROWS) &&
        stack_table_init(&d.stacks) && process_open(&d.process, &info, &d.sampling)) {
        if (!read_all(&d))
            st = error_set(err, STATUS_NO_MEMORY, "no memory for the stacks");
        else if (d.process->is_gone)
            st = error_set(err, STATUS_GONE, "process %d ended", (int)pid);
        else
            dump_write(&d, out);
    } else {
        st = error_set(err, STATUS_NO_MEMORY, "no memory for the stacks");
    }
    process_close(d.process);
    task_names_deinit(&d.tasks);
    native_stacks_deinit(&d.native);
    stack_table_deinit(&d.stacks);
    rows_deinit(&d.rows);
    free(d.sampling.frames);
    free(d.found);
    free(d.locals);
    buf_deinit(&d.texts);
    return st;
}
