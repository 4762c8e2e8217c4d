#include <stdio.h>

#include "collector/sampler/dump.h"
#include "collector/target/process.h"
#include "common/base/json_out.h"

static const char *text_at(const struct dump *d, uint32_t at)
{
    return d->texts.data ? (const char *)d->texts.data + at : "";
}

static const struct dump_local *locals_end(const struct dump *d, const struct dump_stack *s)
{
    return d->locals + s->locals + s->locals_len;
}

static uint32_t depth_of(const struct stack_table *t, uint32_t node)
{
    uint32_t depth = 0;
    for (; node != 0; node = t->nodes[node].parent)
        depth++;
    return depth;
}

/* ---- for people ---- */

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

static void write_title(const struct dump *d, const struct dump_stack *s, struct buf *out)
{
    if (!s->thread) {
        buf_printf(out, "\ntask %.*s", (int)s->task_len, text_at(d, s->task));
        if (s->awaited_len > 0)
            buf_printf(out, ", waits for %.*s", (int)s->awaited_len, text_at(d, s->awaited));
        buf_put_byte(out, '\n');
        return;
    }
    buf_printf(out, "\nthread %d %s%s%s\n", (int)s->thread->tid, s->thread->name,
               s->state & WIRE_HAS_GIL ? ", holds the GIL" : "",
               s->state & WIRE_IN_GC ? ", collects garbage" : "");
}

/* The variables of one frame; moves on. */
static void write_locals(const struct dump *d, const struct dump_stack *s, uint32_t frame,
                         const struct dump_local **at, struct buf *out)
{
    for (; *at < locals_end(d, s) && (*at)->frame == frame; ++*at) {
        if ((*at)->name_len > 0)
            buf_printf(out, "        %.*s = %.*s\n", (int)(*at)->name_len, text_at(d, (*at)->name),
                       (int)(*at)->value_len, text_at(d, (*at)->value));
        else
            buf_printf(out, "        (%.*s)\n", (int)(*at)->value_len, text_at(d, (*at)->value));
    }
}

static void write_notes(const struct dump *d, const struct dump_stack *s, struct buf *out)
{
    if (!s->is_known)
        buf_put_text(out, "    (its stack changed faster than it could be read)\n");
    else if (s->node == 0)
        buf_put_text(out, d->sampling.native ? "    (no frames)\n" : "    (no Python frames)\n");
    if (s->node != 0 && s->locals_state == DUMP_LOCALS_CHANGED)
        buf_put_text(out, "    (its variables changed while they were read)\n");
}

/* Innermost frame first, as a traceback read from its end. */
static void write_stack(const struct dump *d, const struct dump_stack *s, struct buf *out)
{
    const struct dump_local *local = d->locals + s->locals;
    uint32_t frame = 0;
    write_title(d, s, out);
    write_notes(d, s, out);
    for (uint32_t node = s->node; node != 0; node = d->stacks.nodes[node].parent) {
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
        if (fn->kind == WIRE_PYTHON)
            write_locals(d, s, frame++, &local, out);
    }
    if (s->frames_without > 0)
        buf_printf(out, "    (variables of %zu more frames are left out)\n", s->frames_without);
}

static void write_tasks_state(const struct dump *d, struct buf *out)
{
    if (d->tasks_state == DUMP_TASKS_NO_ASYNCIO)
        buf_put_text(out, "\n(no asyncio tasks: its C module is not loaded)\n");
    else if (d->tasks_state == DUMP_TASKS_UNREAD)
        buf_put_text(out, "\n(the tasks could not all be listed)\n");
    if (d->tasks_unread > 0)
        buf_printf(out, "\n(%zu more tasks whose frames could not be read)\n", d->tasks_unread);
}

/* ---- for programs ---- */

static void write_json_text(struct json_out *j, const char *key, const char *text, size_t len)
{
    json_put_string(j, key, text, len);
}

static void write_json_locals(const struct dump *d, const struct dump_stack *s, uint32_t frame,
                              const struct dump_local **at, struct json_out *j)
{
    if (s->locals_state != DUMP_LOCALS_READ)
        return;
    json_out_key(j, "locals");
    json_out_array(j);
    for (; *at < locals_end(d, s) && (*at)->frame == frame; ++*at) {
        json_out_object(j);
        write_json_text(j, (*at)->name_len > 0 ? "name" : "left_out",
                        text_at(d, (*at)->name_len > 0 ? (*at)->name : (*at)->value),
                        (*at)->name_len > 0 ? (*at)->name_len : (*at)->value_len);
        if ((*at)->name_len > 0)
            write_json_text(j, "value", text_at(d, (*at)->value), (*at)->value_len);
        json_out_end(j);
    }
    json_out_end(j);
}

static void write_json_frame(const struct dump *d, const struct stack_frame *f, struct json_out *j)
{
    const struct stack_function *fn = &d->stacks.functions[f->function];
    write_json_text(j, "name", strtab_text(&d->stacks.texts, fn->name),
                    strtab_len(&d->stacks.texts, fn->name));
    write_json_text(j, "file", strtab_text(&d->stacks.texts, fn->file),
                    strtab_len(&d->stacks.texts, fn->file));
    json_put_u64(j, "line", f->place.line);
    if (f->place.column != 0) {
        json_put_u64(j, "column", f->place.column);
        json_put_u64(j, "end_line", f->place.end_line);
        json_put_u64(j, "end_column", f->place.end_column);
    }
    json_out_key(j, "kind");
    json_out_text(j, fn->kind == WIRE_PYTHON   ? "python"
                     : fn->kind == WIRE_NATIVE ? "native"
                                               : "synthetic");
}

static void write_json_head(const struct dump *d, const struct dump_stack *s, struct json_out *j)
{
    if (s->thread) {
        json_out_key(j, "tid");
        json_out_i64(j, s->thread->tid);
        json_out_key(j, "name");
        json_out_text(j, s->thread->name);
        json_put_bool(j, "holds_gil", s->state & WIRE_HAS_GIL);
        json_put_bool(j, "in_gc", s->state & WIRE_IN_GC);
    } else {
        write_json_text(j, "name", text_at(d, s->task), s->task_len);
        write_json_text(j, "waits_for", text_at(d, s->awaited), s->awaited_len);
    }
    json_put_bool(j, "is_torn", !s->is_known);
    if (s->locals_state == DUMP_LOCALS_CHANGED) {
        json_put_bool(j, "locals_changed", true);
    }
    json_put_u64(j, "depth", depth_of(&d->stacks, s->node));
}

static void write_json_stack(const struct dump *d, const struct dump_stack *s, struct json_out *j)
{
    const struct dump_local *local = d->locals + s->locals;
    uint32_t frame = 0;
    json_out_object(j);
    write_json_head(d, s, j);
    json_out_key(j, "frames");
    json_out_array(j);
    for (uint32_t node = s->node; node != 0; node = d->stacks.nodes[node].parent) {
        const struct stack_frame *f = &d->stacks.frames[d->stacks.nodes[node].frame];
        json_out_object(j);
        write_json_frame(d, f, j);
        if (d->stacks.functions[f->function].kind == WIRE_PYTHON)
            write_json_locals(d, s, frame++, &local, j);
        json_out_end(j);
    }
    json_out_end(j);
    json_out_end(j);
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

static void write_json_stacks(const struct dump *d, bool are_tasks, struct json_out *j)
{
    json_out_key(j, are_tasks ? "tasks" : "threads");
    json_out_array(j);
    for (size_t i = 0; i < d->found_len; i++) {
        if (!d->found[i].thread == are_tasks)
            write_json_stack(d, &d->found[i], j);
    }
    json_out_end(j);
}

static void write_json(const struct dump *d, const char *command, struct buf *out)
{
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_out_key(&j, "pid");
    json_out_i64(&j, d->pid);
    json_out_key(&j, "command");
    json_out_text(&j, command);
    json_out_key(&j, "runtime");
    json_out_text(&j, d->runtime);
    write_json_stacks(d, false, &j);
    if (d->tasks_state != DUMP_TASKS_NONE) {
        write_json_stacks(d, true, &j);
        json_put_bool(&j, "tasks_complete",
                      d->tasks_state != DUMP_TASKS_UNREAD && d->tasks_unread == 0);
        json_out_key(&j, "tasks_unread");
        json_out_u64(&j, d->tasks_unread);
    }
    if (d->sampling.native)
        write_modules(d, &j);
    json_out_end(&j);
    buf_put_byte(out, '\n');
}

void dump_write(const struct dump *d, struct buf *out)
{
    char command[TARGET_COMMAND_MAX];
    process_command(d->pid, command, sizeof(command));
    if (d->asked->json) {
        write_json(d, command, out);
        return;
    }
    buf_printf(out, "process %d: %s\n%s\n", (int)d->pid, command, d->runtime);
    if (d->options.columns && d->process->python.layout.lines != PYTHON_LINES_LOCATIONS)
        buf_put_text(out, "columns: known from 3.11 on\n");
    for (size_t i = 0; i < d->found_len; i++)
        write_stack(d, &d->found[i], out);
    write_tasks_state(d, out);
}
