/* Austin's binary recordings: "MOJ", a version, then events. Integers: 6 data bits, bit 6 the sign
 * and bit 7 "more" in the first byte, then 7 bits a byte, lowest first. Strings end with a NUL.
 * Version 1 = Austin 3.4, 2 = 3.5, 3 = 3.6 and 3.7, 4 = 4.0. Source: Austin src/mojo.h (3.4.1,
 * 3.7.0) and austin-python 2.2.0 austin/format/mojo.py. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/austin.h"
#include "backend/formats/format.h"
#include "common/base/array.h"

enum { MOJO_MAX_VERSION = 4, MOJO_MAX_PROCESSES = 1 << 16 };

enum mojo_event {
    MOJO_METADATA = 1,
    MOJO_STACK,
    MOJO_FRAME,
    MOJO_FRAME_INVALID,
    MOJO_FRAME_REF,
    MOJO_FRAME_KERNEL,
    MOJO_GC,
    MOJO_IDLE,
    MOJO_METRIC_TIME,
    MOJO_METRIC_MEMORY,
    MOJO_STRING,
    MOJO_STRING_REF,
    MOJO_STACK_REPEAT,
    MOJO_TASK_STACK,
    MOJO_TASK_WAITER,
    MOJO_EVENTS,
};

/* Keys belong to a process and may be given out again. */
struct mojo_process {
    uint64_t pid;
    bool is_early; /* its pid is not known yet */
    struct map strings, frames;
};

struct mojo {
    struct austin austin;
    const uint8_t *data;
    size_t len, at;
    size_t event_at;
    uint64_t version;
    struct mojo_process *processes;
    size_t processes_len, processes_cap;
    struct mojo_process *process; /* of the sample being read */
    struct map last_stack;        /* thread -> its last Python stack */
    struct austin_sample sample;
    bool has_sample, is_task;
    bool is_cut; /* by a crash: what came before is shown */
    uint64_t invalid;
    uint32_t tasks; /* the set of task stacks + 1 */
};

static enum status bad(struct mojo *m, const char *what)
{
    return fill_bad(&m->austin.fill, "byte", m->event_at, what);
}

/* Austin writes its first four bytes at once and the rest through a buffer of some pages: when it
 * is killed, whole buffers are there. What ends inside an event elsewhere was damaged later. */
static bool is_left_by_a_crash(size_t len)
{
    enum { BEGINNING = 4, PAGE = 4096 };
    return len > PAGE && (len % PAGE == 0 || (len - BEGINNING) % PAGE == 0);
}

static enum status ends(struct mojo *m)
{
    m->is_cut = is_left_by_a_crash(m->len);
    return m->is_cut ? STATUS_CORRUPT : bad(m, "the file ends inside an event");
}

static enum status take_int(struct mojo *m, int64_t *value)
{
    if (m->at >= m->len)
        return ends(m);
    uint8_t byte = m->data[m->at++];
    bool is_negative = byte & 0x40;
    uint64_t sum = byte & 0x3f;
    for (unsigned shift = 6; byte & 0x80; shift += 7) {
        if (m->at >= m->len)
            return ends(m);
        byte = m->data[m->at++];
        if (shift > 62 || (shift == 62 && (byte & 0x7f) > 3))
            return bad(m, "a number over 64 bits");
        sum |= (uint64_t)(byte & 0x7f) << shift;
    }
    /* Keys use all 64 bits. */
    *value = (int64_t)(is_negative ? 0 - sum : sum);
    return STATUS_OK;
}

static enum status take_text(struct mojo *m, struct text *text)
{
    const uint8_t *end = m->at < m->len ? memchr(m->data + m->at, 0, m->len - m->at) : NULL;
    if (!end)
        return ends(m);
    *text = (struct text){(const char *)m->data + m->at, (size_t)(end - m->data) - m->at};
    m->at += text->len + 1;
    return STATUS_OK;
}

/* Austin 3.4 sends strings ahead of the first stack: they belong to whoever comes first. */
static enum status use_process(struct mojo *m, uint64_t pid)
{
    if (m->processes_len == 1 && m->processes[0].is_early) {
        m->processes[0].pid = pid;
        m->processes[0].is_early = false;
    }
    for (size_t i = 0; i < m->processes_len; i++) {
        if (m->processes[i].pid == pid) {
            m->process = &m->processes[i];
            return STATUS_OK;
        }
    }
    if (m->processes_len == MOJO_MAX_PROCESSES)
        return bad(m, "more processes than one recording can have");
    if (!array_reserve(&m->processes, &m->processes_cap, m->processes_len + 1)) {
        fill_check(&m->austin.fill, STATUS_NO_MEMORY);
        return STATUS_NO_MEMORY;
    }
    m->process = &m->processes[m->processes_len++];
    *m->process = (struct mojo_process){.pid = pid};
    return STATUS_OK;
}

static enum status need_process(struct mojo *m)
{
    if (m->process)
        return STATUS_OK;
    enum status st = use_process(m, 0);
    if (st == STATUS_OK)
        m->process->is_early = true;
    return st;
}

static void end_sample(struct mojo *m)
{
    if (!m->has_sample)
        return;
    m->has_sample = false;
    if (!m->is_task) {
        if (!map_put(&m->last_stack, m->sample.thread, m->sample.stack))
            fill_check(&m->austin.fill, STATUS_NO_MEMORY);
        austin_add(&m->austin, &m->sample);
        return;
    }
    struct fill *f = &m->austin.fill;
    if (m->tasks == 0) {
        m->tasks = fill_set(f, "tasks", 0) + 1;
        fill_value_type(f, m->tasks - 1, "time", "ns");
    }
    int64_t time_ns;
    if (__builtin_mul_overflow(m->sample.time_us, 1000, &time_ns))
        fill_check(f, STATUS_TOO_LARGE);
    else
        fill_sample(f, m->tasks - 1,
                    &(struct profile_sample){.time_ns = UINT64_MAX,
                                             .thread = m->sample.thread,
                                             .stack = m->sample.stack,
                                             .values = &time_ns});
}

static enum status string_of(struct mojo *m, int64_t key, struct text *text)
{
    if (key == 0 || key == 1) {
        *text = text_of(key ? "<unknown>" : "");
        return STATUS_OK;
    }
    const uint32_t *id = map_find(&m->process->strings, (uint64_t)key);
    if (!id)
        return bad(m, "a string that was not sent");
    *text = fill_text(&m->austin.fill, *id);
    return STATUS_OK;
}

static void push(struct mojo *m, uint32_t frame)
{
    m->sample.stack = fill_stack(&m->austin.fill, m->sample.stack, frame);
}

/* ---- one function an event ---- */

static enum status on_metadata(struct mojo *m)
{
    struct text key = {0};
    struct text value = {0};
    enum status st = take_text(m, &key);
    if (st == STATUS_OK)
        st = take_text(m, &value);
    if (st == STATUS_OK)
        austin_meta(&m->austin, key, value);
    return st;
}

static enum status on_stack(struct mojo *m)
{
    int64_t pid = 0;
    int64_t interpreter = 0;
    struct text thread = {0};
    end_sample(m);
    enum status st = take_int(m, &pid);
    if (st == STATUS_OK && m->version >= 3)
        st = take_int(m, &interpreter);
    if (st == STATUS_OK)
        st = take_text(m, &thread);
    if (st == STATUS_OK)
        st = use_process(m, (uint64_t)pid);
    if (st != STATUS_OK)
        return st;
    uint64_t tid = 0;
    text_hex(thread, &tid); /* version 4 sends names */
    m->sample =
        (struct austin_sample){.thread = austin_thread(&m->austin, (uint64_t)pid, tid, thread)};
    m->has_sample = true;
    m->is_task = false;
    return STATUS_OK;
}

static enum status on_frame(struct mojo *m)
{
    int64_t field[7] = {0};
    size_t fields = m->version >= 2 ? 7 : 4;
    for (size_t i = 0; i < fields; i++) {
        enum status st = take_int(m, &field[i]);
        if (st != STATUS_OK)
            return st;
    }
    struct text file;
    struct text scope;
    enum status st = need_process(m);
    if (st == STATUS_OK)
        st = string_of(m, field[1], &file);
    if (st == STATUS_OK)
        st = string_of(m, field[2], &scope);
    if (st != STATUS_OK)
        return st;
    uint32_t frame = austin_frame(&m->austin, file, scope, field[3] > 0 ? (uint64_t)field[3] : 0,
                                  field[5] > 0 ? (uint64_t)field[5] : 0);
    if (!map_put(&m->process->frames, (uint64_t)field[0], frame))
        fill_check(&m->austin.fill, STATUS_NO_MEMORY);
    return m->austin.fill.failed;
}

static enum status push_special(struct mojo *m, struct text name, enum wire_function_kind kind)
{
    struct fill_function f = {.name = name, .kind = kind};
    push(m, fill_frame(&m->austin.fill, fill_function(&m->austin.fill, &f), 0, 0));
    return STATUS_OK;
}

/* Not a frame: it says that the stack could not be read to its end. */
static enum status on_invalid(struct mojo *m)
{
    m->invalid++;
    return STATUS_OK;
}

static enum status on_frame_ref(struct mojo *m)
{
    int64_t key = 0;
    enum status st = take_int(m, &key);
    if (st != STATUS_OK)
        return st;
    const uint32_t *frame = m->process ? map_find(&m->process->frames, (uint64_t)key) : NULL;
    if (!frame)
        return bad(m, "a frame that was not sent");
    push(m, *frame);
    return STATUS_OK;
}

static enum status on_kernel(struct mojo *m)
{
    struct text name;
    enum status st = take_text(m, &name);
    return st == STATUS_OK ? push_special(m, name, WIRE_KERNEL) : st;
}

static enum status on_gc(struct mojo *m)
{
    m->sample.is_gc = true;
    return STATUS_OK;
}

static enum status on_idle(struct mojo *m)
{
    m->sample.is_idle = true;
    return STATUS_OK;
}

static enum status on_time(struct mojo *m)
{
    return take_int(m, &m->sample.time_us);
}

static enum status on_memory(struct mojo *m)
{
    return take_int(m, &m->sample.memory_bytes);
}

static enum status on_string(struct mojo *m)
{
    int64_t key = 0;
    struct text text = {0};
    enum status st = take_int(m, &key);
    if (st == STATUS_OK)
        st = take_text(m, &text);
    if (st != STATUS_OK)
        return st;
    st = need_process(m);
    if (st != STATUS_OK)
        return st;
    uint32_t id = fill_string(&m->austin.fill, text);
    if (!map_put(&m->process->strings, (uint64_t)key, id))
        fill_check(&m->austin.fill, STATUS_NO_MEMORY);
    return m->austin.fill.failed;
}

static enum status on_string_ref(struct mojo *m)
{
    int64_t key;
    return take_int(m, &key); /* stands where a frame's text was; nothing to keep */
}

/* The base is the thread's last stack without the native frames on top. */
static enum status on_repeat(struct mojo *m)
{
    const struct tables *t = &m->austin.fill.profile->tables;
    const uint32_t *last = map_find(&m->last_stack, m->sample.thread);
    if (!last)
        return bad(m, "a repeated stack before the thread's first");
    uint32_t stack = *last;
    while (stack && t->functions[t->frames[t->stacks[stack].frame].function].kind != WIRE_PYTHON)
        stack = t->stacks[stack].parent;
    m->sample.stack = stack;
    return STATUS_OK;
}

static enum status on_task(struct mojo *m)
{
    int64_t task = 0;
    int64_t name_key = 0;
    struct text name;
    enum status st = take_int(m, &task);
    if (st == STATUS_OK)
        st = take_int(m, &name_key);
    if (st == STATUS_OK)
        st = string_of(m, name_key, &name);
    if (st != STATUS_OK)
        return st;
    uint32_t thread = m->sample.thread;
    end_sample(m);
    m->sample = (struct austin_sample){.thread = thread};
    m->has_sample = true;
    m->is_task = true;
    return push_special(m, name, WIRE_SYNTHETIC);
}

static enum status on_waiter(struct mojo *m)
{
    int64_t task;
    int64_t waiter;
    enum status st = take_int(m, &task);
    return st == STATUS_OK ? take_int(m, &waiter) : st;
}

static const struct {
    enum status (*run)(struct mojo *m);
    uint64_t since;
    bool needs_sample;
} events[MOJO_EVENTS] = {
    [MOJO_METADATA] = {on_metadata, 1, false},
    [MOJO_STACK] = {on_stack, 1, false},
    [MOJO_FRAME] = {on_frame, 1, false},
    [MOJO_FRAME_INVALID] = {on_invalid, 1, true},
    [MOJO_FRAME_REF] = {on_frame_ref, 1, true},
    [MOJO_FRAME_KERNEL] = {on_kernel, 1, true},
    [MOJO_GC] = {on_gc, 1, true},
    [MOJO_IDLE] = {on_idle, 1, true},
    [MOJO_METRIC_TIME] = {on_time, 1, true},
    [MOJO_METRIC_MEMORY] = {on_memory, 1, true},
    [MOJO_STRING] = {on_string, 1, false},
    [MOJO_STRING_REF] = {on_string_ref, 1, true},
    [MOJO_STACK_REPEAT] = {on_repeat, 4, true},
    [MOJO_TASK_STACK] = {on_task, 4, true},
    [MOJO_TASK_WAITER] = {on_waiter, 4, true},
};

static enum status read_event(struct mojo *m)
{
    m->event_at = m->at;
    uint8_t event = m->data[m->at++];
    if (event >= MOJO_EVENTS || !events[event].run || events[event].since > m->version)
        return bad(m, "an event this version does not have");
    if (events[event].needs_sample && !m->has_sample)
        return bad(m, "an event outside a sample");
    enum status st = events[event].run(m);
    return st == STATUS_OK ? m->austin.fill.failed : st;
}

static enum status read_events(struct mojo *m)
{
    int64_t version = 0;
    m->at = 3;
    enum status st = take_int(m, &version);
    if (st != STATUS_OK)
        return st;
    if (version < 1 || version > MOJO_MAX_VERSION)
        return error_set(m->austin.fill.err, STATUS_UNSUPPORTED, "version %lld, known are 1 to %d",
                         (long long)version, MOJO_MAX_VERSION);
    m->version = (uint64_t)version;
    while (st == STATUS_OK && m->at < m->len)
        st = read_event(m);
    if (m->is_cut)
        st = profile_add_warning(m->austin.fill.profile, "truncated",
                                 "the file ends inside the event at byte %zu; shown are the "
                                 "samples before it",
                                 m->event_at);
    else if (st == STATUS_OK)
        end_sample(m); /* the one that a cut broke is left out */
    if (st != STATUS_OK)
        return st;
    st = austin_finish(&m->austin);
    if (st == STATUS_OK && m->invalid)
        st = profile_set_counter(m->austin.fill.profile, "invalid", m->invalid);
    return st;
}

static enum status read_mojo(const struct format_input *in, const struct format_options *options,
                             struct profile *out, struct error *err)
{
    (void)options;
    struct mojo m = {.data = in->data, .len = in->len};
    austin_init(&m.austin, out, err);
    map_init(&m.last_stack);
    enum status st = read_events(&m);
    for (size_t i = 0; i < m.processes_len; i++) {
        map_deinit(&m.processes[i].strings);
        map_deinit(&m.processes[i].frames);
    }
    free(m.processes);
    map_deinit(&m.last_stack);
    austin_deinit(&m.austin);
    return st;
}

static int detect_mojo(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    return len >= 4 && memcmp(head, "MOJ", 3) == 0 ? 95 : 0;
}

const struct format format_austin_mojo = {
    .name = "austin-mojo",
    .title = "Austin (MOJO)",
    .extensions = "mojo",
    .detect = detect_mojo,
    .read = read_mojo,
};
