/* vmprof: five words 0, 3, 0, period in microseconds, 0, then records behind a marker byte: 5 head
 * (version, flags, interpreter), 6 time and zone, 7 meta, 1 stack (count, depth, words, thread
 * [, memory]), 2 names of code, 8 names of native code, 3 end. With lines, each code word follows a
 * word with its negated line. Words are 8 bytes. Source: vmprof-python 0.4.17, src/vmprof_common.c,
 * vmprof/reader.py. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "common/base/array.h"
#include "common/base/map.h"

enum { WORDS = 5, VERSION = 6, MAX_DEPTH = 8192, HAS_MEMORY = 1, HAS_LINES = 2 };
enum marker { STACK = 1, NAME, END, OLD_HEAD, HEAD, TIME, META, NATIVE_NAME };

struct stack_at {
    size_t offset; /* of its words */
    uint64_t count, depth, thread;
    int64_t memory;
};

struct vmprof {
    struct fill fill;
    const uint8_t *data;
    size_t len, at;
    uint64_t period_us;
    unsigned flags;
    bool has_head, has_end;
    struct stack_at *stacks;
    size_t stacks_len, stacks_cap;
    struct map names; /* address -> string */
    uint64_t start_s, start_us, end_s, end_us;
};

static enum status bad(struct vmprof *v, const char *what)
{
    return fill_bad(&v->fill, "byte", v->at, what);
}

static bool take_u64(struct vmprof *v, uint64_t *value)
{
    if (v->len - v->at < 8)
        return false;
    *value = 0;
    for (size_t i = 8; i-- > 0;)
        *value = *value << 8 | v->data[v->at + i];
    v->at += 8;
    return true;
}

static bool take_text(struct vmprof *v, struct text *text)
{
    uint64_t size;
    if (!take_u64(v, &size) || size > v->len - v->at)
        return false;
    *text = (struct text){(const char *)v->data + v->at, (size_t)size};
    v->at += (size_t)size;
    return true;
}

static enum status on_head(struct vmprof *v)
{
    if (v->len - v->at < 4)
        return bad(v, "the file ends inside its head");
    unsigned version = (unsigned)v->data[v->at] << 8 | v->data[v->at + 1];
    v->flags = v->data[v->at + 2];
    size_t size = v->data[v->at + 3];
    v->at += 4;
    if (version != VERSION)
        return error_set(v->fill.err, STATUS_UNSUPPORTED, "byte %zu: version %u, known is %d",
                         v->at - 4, version, VERSION);
    if (size > v->len - v->at)
        return bad(v, "the file ends inside its head");
    fill_field(&v->fill, &v->fill.profile->runtime,
               (struct text){(const char *)v->data + v->at, size});
    v->at += size;
    v->has_head = true;
    return v->fill.failed;
}

static enum status on_time(struct vmprof *v, uint64_t *seconds, uint64_t *micros)
{
    if (!take_u64(v, seconds) || !take_u64(v, micros) || v->len - v->at < 8)
        return bad(v, "the file ends inside a time");
    v->at += 8; /* zone */
    return STATUS_OK;
}

static enum status on_stack(struct vmprof *v)
{
    struct stack_at s = {0};
    uint64_t memory = 0;
    if (!take_u64(v, &s.count) || !take_u64(v, &s.depth))
        return bad(v, "the file ends inside a stack");
    if (s.depth > MAX_DEPTH || s.depth > (v->len - v->at) / 8)
        return bad(v, "a stack too deep, or deeper than the file");
    s.offset = v->at;
    v->at += (size_t)s.depth * 8;
    if (!take_u64(v, &s.thread) || ((v->flags & HAS_MEMORY) && !take_u64(v, &memory)))
        return bad(v, "the file ends inside a stack");
    s.memory = (int64_t)memory;
    if (!array_reserve(&v->stacks, &v->stacks_cap, v->stacks_len + 1))
        fill_check(&v->fill, STATUS_NO_MEMORY);
    else
        v->stacks[v->stacks_len++] = s;
    return v->fill.failed;
}

static enum status on_name(struct vmprof *v)
{
    uint64_t address;
    struct text name;
    if (!take_u64(v, &address) || !take_text(v, &name))
        return bad(v, "the file ends inside a name");
    if (!map_put(&v->names, address, fill_string(&v->fill, name)))
        fill_check(&v->fill, STATUS_NO_MEMORY);
    return v->fill.failed;
}

static enum status on_meta(struct vmprof *v)
{
    struct text key;
    struct text value;
    if (!take_text(v, &key) || !take_text(v, &value))
        return bad(v, "the file ends inside its description");
    char name[64];
    size_t len = key.len < sizeof(name) - 1 ? key.len : sizeof(name) - 1;
    memcpy(name, key.data, len);
    name[len] = 0;
    fill_tag(&v->fill, name, value);
    return v->fill.failed;
}

static enum status read_record(struct vmprof *v)
{
    uint8_t marker = v->data[v->at++];
    if (!v->has_head && marker != HEAD)
        return marker == OLD_HEAD
                   ? error_set(v->fill.err, STATUS_UNSUPPORTED,
                               "byte %zu: written by a vmprof older than 0.4", v->at - 1)
                   : bad(v, "the head should stand here");
    switch (marker) {
    case HEAD:
        return on_head(v);
    case TIME:
        return on_time(v, &v->start_s, &v->start_us);
    case END:
        v->has_end = true;
        return on_time(v, &v->end_s, &v->end_us);
    case META:
        return on_meta(v);
    case STACK:
        return on_stack(v);
    case NAME:
    case NATIVE_NAME:
        return on_name(v);
    default:
        return bad(v, "no record begins like this");
    }
}

/* "py:name:line:file", "n:name:line:file" */
static uint32_t frame_of(struct vmprof *v, uint64_t address, uint32_t line)
{
    const uint32_t *id = map_find(&v->names, address);
    struct fill_function f = {.kind = WIRE_NATIVE};
    char unknown[48];
    uint64_t first = 0;
    if (!id) {
        int len = snprintf(unknown, sizeof(unknown), "<native symbol 0x%llx>",
                           (unsigned long long)address);
        f.name = (struct text){unknown, (size_t)len};
    } else {
        struct text rest = fill_text(&v->fill, *id);
        struct text kind;
        struct text digits;
        f.name = rest;
        if (text_cut(&rest, ':', &kind) && text_cut(&rest, ':', &f.name) &&
            text_cut(&rest, ':', &digits)) {
            text_u64(digits, &first); /* "-" for what has no line */
            f.kind = text_equal(kind, "py") ? WIRE_PYTHON : WIRE_NATIVE;
            f.file = text_equal(rest, "-") ? text_of("") : rest;
        }
    }
    f.line = first <= UINT32_MAX ? (uint32_t)first : 0;
    return fill_frame(&v->fill, fill_function(&v->fill, &f), line, 0);
}

static uint64_t word_at(const struct vmprof *v, size_t offset)
{
    uint64_t value = 0;
    for (size_t i = 8; i-- > 0;)
        value = value << 8 | v->data[offset + i];
    return value;
}

static uint32_t make_stack(struct vmprof *v, const struct stack_at *s)
{
    uint32_t stack = 0;
    for (uint64_t i = s->depth; i-- > 0 && v->fill.failed == STATUS_OK;) {
        uint64_t address = word_at(v, s->offset + (size_t)i * 8);
        uint32_t line = 0;
        if ((v->flags & HAS_LINES) && i > 0) {
            int64_t before = (int64_t)word_at(v, s->offset + (size_t)(i - 1) * 8);
            if (before <= 0 && before > -(int64_t)UINT32_MAX) {
                line = (uint32_t)-before;
                i--;
            }
        }
        stack = fill_stack(&v->fill, stack, frame_of(v, address, line));
    }
    return stack;
}

static void add_samples(struct vmprof *v)
{
    uint64_t period_ns = v->period_us * 1000;
    bool has_memory = v->flags & HAS_MEMORY;
    uint32_t set = fill_set(&v->fill, "cpu", period_ns);
    fill_value_type(&v->fill, set, "samples", "count");
    if (has_memory)
        fill_value_type(&v->fill, set, "memory", "KiB");
    uint32_t process = fill_process(&v->fill, 0, text_of(""));
    for (size_t i = 0; i < v->stacks_len && v->fill.failed == STATUS_OK; i++) {
        const struct stack_at *s = &v->stacks[i];
        if (s->count > INT64_MAX) {
            fill_check(&v->fill, STATUS_TOO_LARGE);
            return;
        }
        int64_t values[2] = {(int64_t)s->count, s->memory};
        fill_sample(&v->fill, set,
                    &(struct profile_sample){
                        .time_ns = UINT64_MAX,
                        .thread = fill_thread(&v->fill, process, s->thread, text_of("")),
                        .stack = make_stack(v, s),
                        .state = WIRE_ON_CPU,
                        .values = values});
    }
}

static enum status finish(struct vmprof *v)
{
    struct profile *p = v->fill.profile;
    if (!v->has_head || !v->has_end)
        return bad(v, "the file ends without its end record");
    add_samples(v);
    fill_field(&v->fill, &p->producer, text_of("vmprof"));
    if (v->period_us)
        p->rate_hz = 1e6 / (double)v->period_us;
    uint64_t start;
    uint64_t end;
    if (!__builtin_mul_overflow(v->start_s, 1000000, &start) && start / 1000000 < 1ULL << 33 &&
        !__builtin_mul_overflow(v->end_s, 1000000, &end) && end / 1000000 < 1ULL << 33) {
        start += v->start_us % 1000000;
        end += v->end_us % 1000000;
        p->start_unix_ns = start * 1000;
        p->duration_ns = end > start ? (end - start) * 1000 : 0;
    }
    return v->fill.failed;
}

static enum status read_file(struct vmprof *v)
{
    uint64_t head[WORDS];
    for (size_t i = 0; i < WORDS; i++) {
        if (!take_u64(v, &head[i]))
            return bad(v, "the file ends inside its head");
    }
    if (head[0] != 0 || head[1] != 3 || head[2] != 0 || head[4] != 0)
        return bad(v, "the file should begin with the words 0, 3, 0, period, 0");
    v->period_us = head[3] < 3600000000U ? head[3] : 0;
    enum status st = STATUS_OK;
    while (st == STATUS_OK && v->at < v->len && !v->has_end)
        st = read_record(v);
    return st == STATUS_OK ? finish(v) : st;
}

static enum status read_vmprof(const struct format_input *in, const struct format_options *options,
                               struct profile *out, struct error *err)
{
    (void)options;
    struct vmprof v = {.fill = {.profile = out, .err = err}, .data = in->data, .len = in->len};
    map_init(&v.names);
    enum status st = read_file(&v);
    map_deinit(&v.names);
    free(v.stacks);
    return st;
}

static int detect_vmprof(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    static const uint8_t words[24] = {[8] = 3};
    bool is_head = len > 44 && memcmp(head, words, sizeof(words)) == 0 &&
                   (head[40] == HEAD || head[40] == OLD_HEAD) && head[41] == 0 && head[42] < 16;
    return is_head ? 90 : 0;
}

const struct format format_vmprof = {
    .name = "vmprof",
    .title = "vmprof",
    .extensions = "prof",
    .detect = detect_vmprof,
    .read = read_vmprof,
};
