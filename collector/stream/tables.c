#include <string.h>

#include "collector/stream/state.h"
#include "collector/stream/stream.h"
#include "common/base/array.h"
#include "common/base/clock.h"

/* What one more row costs beside itself: its map slot, at two thirds full and before doubling. */
enum { MAP_COST = 3 * sizeof(struct map_slot) };

/* Functions and frames do not fit into a map key, so they are found by a hash of their content
 * and compared; a collision tries the next key. */
static uint64_t function_key(const struct wire_function *f)
{
    uint64_t key = map_mix(map_pair(f->name, f->file));
    return map_mix(key ^ map_pair(f->line, f->module)) ^ f->kind;
}

static bool same_function(const struct wire_function *a, const struct wire_function *b)
{
    return a->name == b->name && a->file == b->file && a->line == b->line &&
           a->module == b->module && a->kind == b->kind;
}

static uint64_t frame_key(const struct wire_frame *f)
{
    uint64_t key = map_mix(map_pair(f->function, f->line)) ^ f->column;
    return f->end_column ? map_mix(key) ^ map_pair(f->end_line, f->end_column) : key;
}

static bool same_frame(const struct wire_frame *a, const struct wire_frame *b)
{
    return a->function == b->function && a->line == b->line && a->column == b->column &&
           a->end_line == b->end_line && a->end_column == b->end_column;
}

static bool has_room(struct stream *s, const struct stream_table *t, size_t max, size_t row_size)
{
    if (t->len >= max) {
        s->drops.table_full++;
        return false;
    }
    return stream_charge(s, row_size + MAP_COST);
}

uint32_t stream_function(struct stream *s, const struct wire_function *function)
{
    uint64_t key = function_key(function);
    const uint32_t *known;
    while ((known = map_find(&s->by_function, key))) {
        if (same_function(&s->function[*known], function))
            return *known;
        key++;
    }
    if (!has_room(s, &s->functions, STREAM_MAX_ROWS, sizeof(*function)))
        return 0;
    uint32_t id = (uint32_t)s->functions.len;
    if (!array_reserve(&s->function, &s->functions.cap, s->functions.len + 1) ||
        !map_put(&s->by_function, key, id)) {
        s->drops.table_full++;
        return 0;
    }
    s->function[id] = *function;
    s->functions.len++;
    return id;
}

uint32_t stream_frame(struct stream *s, const struct wire_frame *frame)
{
    uint64_t key = frame_key(frame);
    const uint32_t *known;
    while ((known = map_find(&s->by_frame, key))) {
        if (same_frame(&s->frame[*known], frame))
            return *known;
        key++;
    }
    if (!has_room(s, &s->frames, STREAM_MAX_ROWS, sizeof(*frame)))
        return 0;
    uint32_t id = (uint32_t)s->frames.len;
    if (!array_reserve(&s->frame, &s->frames.cap, s->frames.len + 1) ||
        !map_put(&s->by_frame, key, id)) {
        s->drops.table_full++;
        return 0;
    }
    s->frame[id] = *frame;
    s->frames.len++;
    return id;
}

uint32_t stream_stack(struct stream *s, uint32_t parent, uint32_t frame)
{
    uint64_t key = map_pair(parent, frame);
    const uint32_t *known = map_find(&s->by_stack, key);
    if (known)
        return *known;
    if (!has_room(s, &s->stacks, STREAM_MAX_ROWS, sizeof(struct wire_stack)))
        return 0;
    uint32_t id = (uint32_t)s->stacks.len;
    if (!array_reserve(&s->stack, &s->stacks.cap, s->stacks.len + 1) ||
        !map_put(&s->by_stack, key, id)) {
        s->drops.table_full++;
        return 0;
    }
    s->stack[id] = (struct wire_stack){.parent = parent, .frame = frame};
    s->stacks.len++;
    return id;
}

static bool same_bytes(struct wire_bytes a, const char *data, size_t len)
{
    return a.len == len && (len == 0 || memcmp(a.data, data, len) == 0);
}

uint32_t stream_process(struct stream *s, uint64_t pid, uint64_t parent_pid, const char *command,
                        size_t command_len)
{
    /* A number of the system's comes again once its process is gone: then it is another one. */
    const uint32_t *known = map_find(&s->by_pid, pid);
    if (known && s->process[*known].row.end_ns == 0) {
        struct stream_process_row *p = &s->process[*known];
        /* A command once known is not forgotten by who does not know it. */
        bool is_renamed = command_len > 0 && !same_bytes(p->row.command, command, command_len);
        if (p->row.parent_pid != parent_pid || is_renamed) {
            p->row.parent_pid = parent_pid;
            if (is_renamed)
                p->row.command = stream_keep_text(s, command, command_len);
            p->is_changed = true;
        }
        return *known;
    }
    if (!has_room(s, &s->processes, STREAM_MAX_ACTORS, sizeof(*s->process)))
        return 0;
    uint32_t id = (uint32_t)s->processes.len;
    if (!array_reserve(&s->process, &s->processes.cap, s->processes.len + 1) ||
        !map_put(&s->by_pid, pid, id)) {
        s->drops.table_full++;
        return 0;
    }
    s->process[id] = (struct stream_process_row){
        .row = {.index = id,
                .pid = pid,
                .parent_pid = parent_pid,
                .command = stream_keep_text(s, command, command_len),
                .runtime = {.data = "", .len = 0},
                .start_ns = stream_relative(s, clock_monotonic_ns())},
    };
    s->processes.len++;
    return id;
}

void stream_process_runtime(struct stream *s, uint32_t process, const char *runtime)
{
    if (process >= s->processes.len)
        return;
    struct stream_process_row *p = &s->process[process];
    if (same_bytes(p->row.runtime, runtime, strlen(runtime)))
        return;
    p->row.runtime = stream_keep_text(s, runtime, strlen(runtime));
    p->is_changed = true;
}

void stream_process_end(struct stream *s, uint32_t process, uint64_t end_ns)
{
    if (process >= s->processes.len)
        return;
    struct stream_process_row *p = &s->process[process];
    uint64_t end = stream_relative(s, end_ns);
    p->row.end_ns = end ? end : 1; /* 0 would mean: still there */
    p->is_changed = true;
}

uint32_t stream_thread(struct stream *s, uint32_t process, uint64_t tid, const char *name)
{
    size_t name_len = name ? strlen(name) : 0;
    uint64_t key = map_mix(tid) ^ process;
    const uint32_t *known;
    while ((known = map_find(&s->by_tid, key))) {
        struct stream_thread_row *t = &s->thread[*known];
        if (t->row.tid != tid || t->row.process != process) {
            key++;
            continue;
        }
        /* A name once known is not forgotten by who does not know it. */
        if (name_len > 0 && !same_bytes(t->row.name, name, name_len)) {
            t->row.name = stream_keep_text(s, name, name_len);
            t->is_changed = true;
        }
        return *known;
    }
    if (!has_room(s, &s->threads, STREAM_MAX_ACTORS, sizeof(*s->thread)))
        return 0;
    uint32_t id = (uint32_t)s->threads.len;
    if (!array_reserve(&s->thread, &s->threads.cap, s->threads.len + 1) ||
        !map_put(&s->by_tid, key, id)) {
        s->drops.table_full++;
        return 0;
    }
    s->thread[id] = (struct stream_thread_row){
        .row = {.index = id,
                .process = process,
                .tid = tid,
                .name = stream_keep_text(s, name, name_len)},
    };
    s->threads.len++;
    return id;
}
