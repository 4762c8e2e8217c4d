#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sampler/process.h"
#include "collector/sampler/sampler.h"
#include "collector/target/permission.h"
#include "collector/target/process.h"
#include "collector/target/python_find.h"
#include "common/base/clock.h"
#include "common/base/json_out.h"

enum { DUMP_TRIES = 50, DUMP_ROWS = 8192 };

struct dump {
    struct sampled_process *process;
    struct stack_table stacks;
    struct task_names tasks;
    struct native_stacks native;
    struct rows rows;
    struct sampler_options options;
    struct sampler_stats stats;
    struct sampling sampling;
};

static uint32_t depth_of(const struct stack_table *t, uint32_t node)
{
    uint32_t depth = 0;
    for (; node != 0; node = t->nodes[node].parent)
        depth++;
    return depth;
}

/* ":12", and with columns ":12:5-20" or ":12:5-14:3", where the end is the last byte that counts.
 */
static void write_place(const struct python_place *p, struct buf *out)
{
    if (p->line != 0)
        buf_printf(out, ":%u", p->line);
    if (p->column != 0 && p->end_line == p->line)
        buf_printf(out, ":%u-%u", p->column, p->end_column - 1);
    else if (p->column != 0)
        buf_printf(out, ":%u-%u:%u", p->column, p->end_line, p->end_column - 1);
}

/* Innermost frame first, as a traceback read from its end. */
static void write_text(const struct dump *d, const struct sampled_thread *t, bool is_known,
                       uint32_t node, uint32_t state, struct buf *out)
{
    buf_printf(out, "\nthread %d %s%s%s\n", (int)t->tid, t->name,
               state & WIRE_HAS_GIL ? ", holds the GIL" : "",
               state & WIRE_IN_GC ? ", collects garbage" : "");
    if (!is_known)
        buf_put_text(out, "    (its stack changed faster than it could be read)\n");
    else if (node == 0)
        buf_put_text(out, d->sampling.native ? "    (no frames)\n" : "    (no Python frames)\n");
    for (; node != 0; node = d->stacks.nodes[node].parent) {
        const struct stack_frame *f = &d->stacks.frames[d->stacks.nodes[node].frame];
        const struct stack_function *fn = &d->stacks.functions[f->function];
        buf_put_text(out, "    ");
        buf_put(out, strtab_text(&d->stacks.texts, fn->name),
                strtab_len(&d->stacks.texts, fn->name));
        if (fn->kind != WIRE_SYNTHETIC) {
            buf_put_text(out, "  ");
            buf_put(out, strtab_text(&d->stacks.texts, fn->file),
                    strtab_len(&d->stacks.texts, fn->file));
        }
        write_place(&f->place, out);
        buf_put_byte(out, '\n');
    }
}

static void write_json(const struct dump *d, const struct sampled_thread *t, bool is_known,
                       uint32_t node, uint32_t state, struct json_out *j)
{
    json_out_object(j);
    json_out_key(j, "tid");
    json_out_i64(j, t->tid);
    json_out_key(j, "name");
    json_out_text(j, t->name);
    json_out_key(j, "holds_gil");
    json_out_bool(j, state & WIRE_HAS_GIL);
    json_out_key(j, "in_gc");
    json_out_bool(j, state & WIRE_IN_GC);
    json_out_key(j, "is_torn");
    json_out_bool(j, !is_known);
    json_out_key(j, "depth");
    json_out_u64(j, depth_of(&d->stacks, node));
    json_out_key(j, "frames");
    json_out_array(j);
    for (; node != 0; node = d->stacks.nodes[node].parent) {
        const struct stack_frame *f = &d->stacks.frames[d->stacks.nodes[node].frame];
        const struct stack_function *fn = &d->stacks.functions[f->function];
        json_out_object(j);
        json_out_key(j, "name");
        json_out_string(j, strtab_text(&d->stacks.texts, fn->name),
                        strtab_len(&d->stacks.texts, fn->name));
        json_out_key(j, "file");
        json_out_string(j, strtab_text(&d->stacks.texts, fn->file),
                        strtab_len(&d->stacks.texts, fn->file));
        json_out_key(j, "line");
        json_out_u64(j, f->place.line);
        if (f->place.column != 0) {
            json_out_key(j, "column");
            json_out_u64(j, f->place.column);
            json_out_key(j, "end_line");
            json_out_u64(j, f->place.end_line);
            json_out_key(j, "end_column");
            json_out_u64(j, f->place.end_column);
        }
        json_out_key(j, "kind");
        json_out_text(j, fn->kind == WIRE_PYTHON   ? "python"
                         : fn->kind == WIRE_NATIVE ? "native"
                                                   : "synthetic");
        json_out_end(j);
    }
    json_out_end(j);
    json_out_end(j);
}

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

/* The files behind native frames, with what tells their builds apart. */
static void write_modules(const struct dump *d, struct json_out *j)
{
    const struct space *space = &d->process->native.space;
    json_out_key(j, "modules");
    json_out_array(j);
    for (size_t i = 0; i < space->modules_len; i++) {
        const struct module *m = &space->modules[i];
        char id[2 * IMAGE_BUILD_ID_MAX + 1] = "";
        if (!m->image)
            continue;
        for (uint32_t k = 0; k < m->image->build_id_len; k++)
            snprintf(id + (size_t)2 * k, 3, "%02x", m->image->build_id[k]);
        json_out_object(j);
        json_out_key(j, "path");
        json_out_text(j, m->path);
        json_out_key(j, "build_id");
        json_out_text(j, id);
        json_out_end(j);
    }
    json_out_end(j);
}

static void write_dump(struct dump *d, pid_t pid, const char *runtime, bool json, struct buf *out)
{
    char command[TARGET_COMMAND_MAX];
    struct json_out j;
    process_command(pid, command, sizeof(command));
    json_out_init(&j, out);
    if (json) {
        json_out_object(&j);
        json_out_key(&j, "pid");
        json_out_i64(&j, pid);
        json_out_key(&j, "command");
        json_out_text(&j, command);
        json_out_key(&j, "runtime");
        json_out_text(&j, runtime);
        json_out_key(&j, "threads");
        json_out_array(&j);
    } else {
        buf_printf(out, "process %d: %s\n%s\n", (int)pid, command, runtime);
        if (d->options.columns && d->process->python.layout.lines != PYTHON_LINES_LOCATIONS)
            buf_put_text(out, "columns: known from 3.11 on\n");
    }
    size_t python_len = d->process->threads_len;
    for (size_t i = 0; i < python_len + d->process->native.others_len; i++) {
        const struct sampled_thread *t =
            i < python_len ? d->process->threads[i] : d->process->native.others[i - python_len];
        uint32_t row = t->last_row;
        uint32_t node = row != ROWS_NONE ? d->rows.node[row] : 0;
        uint32_t state = row != ROWS_NONE ? d->rows.state[row] : 0;
        bool is_known = row != ROWS_NONE || t->node == 0;
        if (json)
            write_json(d, t, is_known, node, state, &j);
        else
            write_text(d, t, is_known, node, state, out);
    }
    if (json) {
        json_out_end(&j);
        if (d->sampling.native)
            write_modules(d, &j);
        json_out_end(&j);
        buf_put_byte(out, '\n');
    }
}

enum status sampler_dump(pid_t pid, const struct sampler_dump_options *options, struct buf *out,
                         struct error *err)
{
    struct python_found found;
    struct dump d = {0};
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
        sample_once(&d);
        if (d.process->is_gone)
            st = error_set(err, STATUS_GONE, "process %d ended", (int)pid);
        else
            write_dump(&d, pid, found.runtime, options->json, out);
    } else {
        st = error_set(err, STATUS_NO_MEMORY, "no memory for the stacks");
    }
    process_close(d.process);
    task_names_deinit(&d.tasks);
    native_stacks_deinit(&d.native);
    stack_table_deinit(&d.stacks);
    rows_deinit(&d.rows);
    free(d.sampling.frames);
    return st;
}
