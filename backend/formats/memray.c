/* memray's captures, raw or inside an lz4 frame (which format_load takes off): a header and records
 * of all allocations, or aggregated ones. Versions 9 to 11 tell frames with their line, 12 and 13
 * code objects and instructions. Cut captures load up to the break. Source: memray v1.4.1, v1.9.1,
 * v1.17.2, v1.19.1 and v1.20.0, src/memray/_memray/{records.h,record_reader.cpp,hooks.h}. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "backend/formats/memray_heap.h"
#include "backend/formats/memray_lines.h"
#include "common/base/array.h"

enum { FIRST_VERSION = 9, CODE_VERSION = 12, LAST_VERSION = 13, RECENT = 15, VALUES = 6 };

/* One numbering for all versions, as 12 has it. */
enum allocator {
    PYMALLOC_FREE = 1,
    PYMALLOC_MALLOC,
    PYMALLOC_CALLOC,
    PYMALLOC_REALLOC,
    FREE,
    MALLOC,
    REALLOC,
    CALLOC,
    POSIX_MEMALIGN,
    ALIGNED_ALLOC,
    MEMALIGN,
    VALLOC,
    PVALLOC,
    MMAP,
    MUNMAP,
    ALLOCATORS,
};

static const char *const allocator_names[ALLOCATORS] = {
    "",
    "pymalloc_free",
    "pymalloc_malloc",
    "pymalloc_calloc",
    "pymalloc_realloc",
    "free",
    "malloc",
    "realloc",
    "calloc",
    "posix_memalign",
    "aligned_alloc",
    "memalign",
    "valloc",
    "pvalloc",
    "mmap",
    "munmap",
};

static const uint8_t old_allocators[16] = {
    0,
    MALLOC,
    FREE,
    CALLOC,
    REALLOC,
    POSIX_MEMALIGN,
    ALIGNED_ALLOC,
    MEMALIGN,
    VALLOC,
    PVALLOC,
    MMAP,
    MUNMAP,
    PYMALLOC_MALLOC,
    PYMALLOC_CALLOC,
    PYMALLOC_REALLOC,
    PYMALLOC_FREE,
};

struct code {
    struct text name, file;
    const uint8_t *table;
    size_t table_len;
    int64_t first_line;
};

struct thread {
    uint64_t tid;
    uint32_t thread; /* row */
    uint32_t *stack; /* stack after each push */
    size_t len, cap;
};

struct aggregated {
    uint64_t tid, trace, peak_blocks, leaked_blocks, peak_bytes, leaked_bytes;
    uint8_t allocator;
};

struct trace {
    uint64_t frame, parent;
};

struct memray {
    struct fill fill;
    const uint8_t *data;
    size_t len, at, record_at;
    uint32_t version, python;
    bool has_native, is_aggregated, has_end;
    uint64_t start_ms, main_tid, skipped, process_id;
    uint64_t last_pointer, last_native, last_ip, last_frame, last_line, last_first_line;
    uint64_t recent[RECENT];
    struct map frames; /* old frame id -> frame; new: see code */
    struct map codes;  /* id -> code_list[] */
    struct code *code_list;
    size_t codes_len, codes_cap;
    struct thread *threads;
    size_t threads_len, threads_cap;
    struct thread *thread;
    struct memray_heap heap;
    struct trace *traces;
    struct aggregated *aggregates;
    size_t traces_len, traces_cap, aggregates_len, aggregates_cap;
    uint32_t process, rss, heap_series;
};

static enum status bad(struct memray *m, const char *what)
{
    return fill_bad(&m->fill, "byte", m->record_at, what);
}

/* ---- bytes: false at the end of the file ---- */

static bool take(struct memray *m, size_t len, const uint8_t **bytes)
{
    if (m->len - m->at < len)
        return false;
    *bytes = m->data + m->at;
    m->at += len;
    return true;
}

static bool take_fixed(struct memray *m, size_t len, uint64_t *value)
{
    const uint8_t *b;
    if (!take(m, len, &b))
        return false;
    *value = 0;
    for (size_t i = len; i-- > 0;)
        *value = *value << 8 | b[i];
    return true;
}

static bool take_varint(struct memray *m, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && m->at < m->len; shift += 7) {
        uint8_t byte = m->data[m->at++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool take_signed(struct memray *m, int64_t *value)
{
    uint64_t raw;
    if (!take_varint(m, &raw))
        return false;
    *value = (int64_t)(raw >> 1 ^ (0 - (raw & 1)));
    return true;
}

/* A difference to the value of the same kind before. */
static bool take_delta(struct memray *m, uint64_t *last)
{
    int64_t step;
    if (!take_signed(m, &step))
        return false;
    *last += (uint64_t)step;
    return true;
}

static bool take_text(struct memray *m, struct text *text)
{
    const uint8_t *end = m->at < m->len ? memchr(m->data + m->at, 0, m->len - m->at) : NULL;
    if (!end)
        return false;
    *text = (struct text){(const char *)m->data + m->at, (size_t)(end - m->data) - m->at};
    m->at += text->len + 1;
    return true;
}

/* ---- header ---- */

static bool take_paths(struct memray *m)
{
    struct text path;
    if (!take_text(m, &path))
        return false;
    for (int list = 0; list < 2; list++) {
        do {
            if (!take_text(m, &path))
                return false;
        } while (path.len > 0);
    }
    return true;
}

static bool take_header_fields(struct memray *m)
{
    uint64_t native;
    uint64_t format = 0;
    uint64_t ignored;
    uint64_t end_ms;
    struct text command;
    uint64_t python = 0;
    uint64_t python_allocator;
    if (m->version >= CODE_VERSION && !take_fixed(m, 4, &python))
        return false;
    if (!take_fixed(m, 1, &native) || (m->version >= 10 && !take_fixed(m, 1, &format)))
        return false;
    if (!take_fixed(m, 8, &ignored) || !take_fixed(m, 8, &ignored) ||
        !take_fixed(m, 8, &m->start_ms) || !take_fixed(m, 8, &end_ms) || !take_text(m, &command) ||
        !take_fixed(m, 4, &m->process_id) || !take_fixed(m, 8, &m->main_tid) ||
        !take_fixed(m, 8, &m->skipped) || !take_fixed(m, 1, &python_allocator))
        return false;
    if ((m->version >= 11 && !take_fixed(m, 1, &ignored)) ||
        (m->version >= 12 && !take_fixed(m, 1, &ignored)) || (m->version >= 13 && !take_paths(m)))
        return false;
    struct profile *p = m->fill.profile;
    m->has_native = native != 0;
    m->is_aggregated = format == 1;
    m->python = (uint32_t)python;
    p->pid = m->process_id;
    if (m->start_ms < UINT64_MAX / 1000000)
        p->start_unix_ns = m->start_ms * 1000000;
    if (end_ms > m->start_ms && end_ms - m->start_ms < UINT64_MAX / 1000000)
        p->duration_ns = (end_ms - m->start_ms) * 1000000;
    fill_argv(&m->fill, command);
    fill_field(&m->fill, &p->producer, text_of("memray"));
    m->process = fill_process(&m->fill, m->process_id, command);
    return format <= 1 && python_allocator >= 1 && python_allocator <= 6;
}

static enum status read_header(struct memray *m)
{
    uint64_t version = 0;
    if (m->len < 7)
        return bad(m, "the file ends inside its header");
    m->at = 7;
    if (!take_fixed(m, 4, &version))
        return bad(m, "the file ends inside its header");
    if (version < FIRST_VERSION || version > LAST_VERSION)
        return error_set(m->fill.err, STATUS_UNSUPPORTED, "header version %lld, known are %d to %d",
                         (long long)(int32_t)version, FIRST_VERSION, LAST_VERSION);
    m->version = (uint32_t)version;
    if (!take_header_fields(m))
        return bad(m, "the file ends inside its header, or is of an unknown kind");
    return m->fill.failed;
}

/* ---- frames and threads ---- */

static struct thread *thread_of(struct memray *m, uint64_t tid)
{
    for (size_t i = 0; i < m->threads_len; i++) {
        if (m->threads[i].tid == tid)
            return &m->threads[i];
    }
    if (!array_reserve(&m->threads, &m->threads_cap, m->threads_len + 1)) {
        fill_check(&m->fill, STATUS_NO_MEMORY);
        return NULL;
    }
    m->threads[m->threads_len] =
        (struct thread){.tid = tid, .thread = fill_thread(&m->fill, m->process, tid, text_of(""))};
    return &m->threads[m->threads_len++];
}

static enum status push_frame(struct memray *m, uint32_t frame)
{
    struct thread *t = m->thread;
    if (!t)
        return bad(m, "a frame before the first thread");
    if (t->len >= TABLES_MAX_DEPTH)
        return bad(m, "a stack deeper than 65536 frames");
    if (!array_reserve(&t->stack, &t->cap, t->len + 1)) {
        fill_check(&m->fill, STATUS_NO_MEMORY);
        return m->fill.failed;
    }
    uint32_t parent = t->len ? t->stack[t->len - 1] : 0;
    t->stack[t->len] = fill_stack(&m->fill, parent, frame);
    t->len++;
    return m->fill.failed;
}

static enum status pop_frames(struct memray *m, size_t count)
{
    if (!m->thread || m->thread->len < count)
        return bad(m, "more frames left than entered");
    m->thread->len -= count;
    return STATUS_OK;
}

static uint32_t code_frame(struct memray *m, uint64_t id, int64_t instruction)
{
    const uint32_t *known = map_find(&m->codes, id);
    if (!known)
        return fill_frame(&m->fill, 0, 0, 0);
    const struct code *c = &m->code_list[*known];
    struct fill_function f = {
        .name = c->name,
        .file = c->file,
        .line = c->first_line > 0 && c->first_line <= UINT32_MAX ? (uint32_t)c->first_line : 0};
    uint32_t line = memray_line(m->python, c->table, c->table_len, c->first_line, instruction);
    return fill_frame(&m->fill, fill_function(&m->fill, &f), line, 0);
}

static bool take_code(struct memray *m)
{
    struct code c = {0};
    uint64_t id;
    uint64_t size;
    if (!take_varint(m, &id) || !take_text(m, &c.name) || !take_text(m, &c.file) ||
        !take_delta(m, &m->last_first_line) || !take_varint(m, &size) || size > m->len - m->at ||
        !take(m, (size_t)size, &c.table))
        return false;
    c.table_len = (size_t)size;
    c.first_line = (int64_t)m->last_first_line;
    if (!array_reserve(&m->code_list, &m->codes_cap, m->codes_len + 1) ||
        !map_put(&m->codes, id, (uint32_t)m->codes_len))
        fill_check(&m->fill, STATUS_NO_MEMORY);
    else
        m->code_list[m->codes_len++] = c;
    return true;
}

static void put_frame(struct memray *m, uint64_t id, struct text name, struct text file,
                      int64_t line)
{
    struct fill_function f = {.name = name, .file = file};
    uint32_t frame = fill_frame(&m->fill, fill_function(&m->fill, &f),
                                line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0, 0);
    if (!map_put(&m->frames, id, frame))
        fill_check(&m->fill, STATUS_NO_MEMORY);
}

static uint32_t frame_by_id(struct memray *m, uint64_t id)
{
    const uint32_t *known = map_find(&m->frames, id);
    return known ? *known : 0;
}

/* ---- records that all versions and both kinds share ---- */

enum { NATIVE_FRAME = 5, MAPS_BEGIN, MAPS_HEADER, MAPS_SEGMENT, THREAD_NAME = 10, SWITCH = 12 };

static bool take_segments(struct memray *m)
{
    struct text file;
    uint64_t count;
    uint64_t ignored;
    if (!take_text(m, &file) || !take_varint(m, &count) || !take_fixed(m, 8, &ignored))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!take_fixed(m, 1, &ignored) || !take_fixed(m, 8, &ignored) || !take_varint(m, &ignored))
            return false;
    }
    return true;
}

static bool take_thread_name(struct memray *m)
{
    struct text name;
    if (!take_text(m, &name))
        return false;
    if (m->thread)
        m->fill.profile->tables.threads[m->thread->thread].name = fill_string(&m->fill, name);
    return true;
}

/* 1 taken, 0 the file ended, -1 not one of these. */
static int take_shared(struct memray *m, unsigned type)
{
    uint64_t tid;
    switch (type) {
    case NATIVE_FRAME:
        return take_delta(m, &m->last_ip) && take_delta(m, &m->last_native);
    case MAPS_BEGIN:
        return 1;
    case MAPS_HEADER:
        return take_segments(m);
    case THREAD_NAME:
        return take_thread_name(m);
    case SWITCH:
        if (!take_fixed(m, 8, &tid))
            return 0;
        m->thread = thread_of(m, tid);
        return 1;
    default:
        return -1;
    }
}

/* ---- allocations ---- */

static enum status on_allocation(struct memray *m, unsigned allocator, uint64_t address,
                                 uint64_t size)
{
    if (allocator == 0 || allocator >= ALLOCATORS)
        return bad(m, "an allocator that is not known");
    if (allocator == FREE || allocator == PYMALLOC_FREE) {
        memray_heap_free(&m->heap, address);
        return STATUS_OK;
    }
    if (allocator == MUNMAP) {
        fill_check(&m->fill, memray_heap_unmap(&m->heap, address, size));
        return m->fill.failed;
    }
    if (!m->thread)
        return bad(m, "an allocation before the first thread");
    uint32_t stack = m->thread->len ? m->thread->stack[m->thread->len - 1] : 0;
    uint32_t site = 0;
    enum status st = memray_heap_site(&m->heap, stack, m->thread->thread, allocator, &site);
    if (st == STATUS_OK && allocator == MMAP)
        st = memray_heap_map(&m->heap, site, address, size);
    else if (st == STATUS_OK)
        st = memray_heap_allocate(&m->heap, site, address, size);
    fill_check(&m->fill, st);
    return m->fill.failed;
}

static bool is_simple_free(unsigned allocator)
{
    return allocator == FREE || allocator == PYMALLOC_FREE;
}

static bool take_pointer(struct memray *m, unsigned recent, uint64_t *address)
{
    if (recent < RECENT) {
        *address = m->recent[recent];
        return true;
    }
    if (!take_delta(m, &m->last_pointer))
        return false;
    *address = m->last_pointer << 3;
    memmove(m->recent + 1, m->recent, (RECENT - 1) * sizeof(*m->recent));
    m->recent[0] = *address;
    return true;
}

/* Versions 12 and 13; false when the file ends inside. */
static bool take_new_allocation(struct memray *m, unsigned flags, enum status *st)
{
    uint64_t address;
    uint64_t size = 0;
    uint64_t allocator = flags & 7;
    if (!take_pointer(m, flags >> 3 & 15, &address) ||
        (allocator == 0 && !take_fixed(m, 1, &allocator)))
        return false;
    if (!is_simple_free((unsigned)allocator) &&
        ((m->has_native && !take_delta(m, &m->last_native)) || !take_varint(m, &size)))
        return false;
    *st = on_allocation(m, (unsigned)allocator, address, size);
    return true;
}

static bool take_old_allocation(struct memray *m, unsigned flags, bool has_native, enum status *st)
{
    unsigned allocator = old_allocators[flags];
    uint64_t size = 0;
    if (!take_delta(m, &m->last_pointer))
        return false;
    if ((has_native || !is_simple_free(allocator)) && !take_varint(m, &size))
        return false;
    if (has_native && !take_delta(m, &m->last_native))
        return false;
    *st = on_allocation(m, allocator, m->last_pointer, size);
    return true;
}

static bool take_memory(struct memray *m)
{
    uint64_t rss;
    uint64_t ms;
    if (!take_varint(m, &rss) || !take_varint(m, &ms))
        return false;
    if (ms < UINT64_MAX / 1000000) {
        fill_point(&m->fill, m->rss, ms * 1000000, (double)rss);
        fill_point(&m->fill, m->heap_series, ms * 1000000, (double)m->heap.bytes);
    }
    return true;
}

static bool take_object(struct memray *m, unsigned flags)
{
    uint64_t address;
    if (!take_pointer(m, flags >> 1 & 15, &address))
        return false;
    return !(m->has_native && (flags & 1)) || take_delta(m, &m->last_native);
}

static bool take_new_push(struct memray *m, enum status *st)
{
    uint64_t code;
    int64_t instruction;
    if (!take_varint(m, &code) || !take_signed(m, &instruction))
        return false;
    *st = push_frame(m, code_frame(m, code, instruction));
    return true;
}

static bool read_new_record(struct memray *m, uint8_t head, enum status *st)
{
    if (head & 0x80)
        return take_new_allocation(m, head & 0x7f, st);
    if (head & 0x40)
        return take_new_push(m, st);
    if (head & 0x20)
        return take_object(m, head & 0x1f);
    if (head & 0x10) {
        *st = pop_frames(m, (size_t)(head & 15) + 1);
        return true;
    }
    if (head == 0) /* padding of a file that was not finished */
        return true;
    if (head == 1) {
        m->has_end = true;
        return true;
    }
    if (head == 2)
        return take_memory(m);
    if (head == 14)
        return take_code(m);
    int shared = take_shared(m, head);
    if (shared < 0)
        *st = bad(m, "no record begins like this");
    return shared != 0;
}

static bool read_old_record(struct memray *m, uint8_t head, enum status *st)
{
    enum { OTHER, ALLOCATION, NATIVE_ALLOCATION, FRAME, PUSH, POP = 9, MEMORY = 11 };
    unsigned flags = head >> 4;
    struct text name;
    struct text file;
    switch (head & 15) {
    case OTHER:
        m->has_end = flags == 1;
        if (flags > 1)
            *st = bad(m, "no record begins like this");
        return true;
    case ALLOCATION:
    case NATIVE_ALLOCATION:
        return take_old_allocation(m, flags, (head & 15) == NATIVE_ALLOCATION, st);
    case FRAME:
        if (!take_delta(m, &m->last_frame) || !take_text(m, &name) || !take_text(m, &file) ||
            !take_delta(m, &m->last_line))
            return false;
        put_frame(m, m->last_frame, name, file, (int64_t)m->last_line);
        return true;
    case PUSH:
        if (!take_delta(m, &m->last_frame))
            return false;
        *st = push_frame(m, frame_by_id(m, m->last_frame));
        return true;
    case POP:
        *st = pop_frames(m, flags + 1);
        return true;
    case MEMORY:
        return take_memory(m);
    default: {
        int shared = take_shared(m, head & 15);
        if (shared < 0)
            *st = bad(m, "no record begins like this");
        return shared != 0;
    }
    }
}

/* ---- aggregated captures ---- */

static bool take_snapshot(struct memray *m)
{
    uint64_t ms;
    uint64_t rss;
    uint64_t heap;
    if (!take_fixed(m, 8, &ms) || !take_fixed(m, 8, &rss) || !take_fixed(m, 8, &heap))
        return false;
    if (ms >= m->start_ms && ms - m->start_ms < UINT64_MAX / 1000000) {
        fill_point(&m->fill, m->rss, (ms - m->start_ms) * 1000000, (double)rss);
        fill_point(&m->fill, m->heap_series, (ms - m->start_ms) * 1000000, (double)heap);
    }
    return true;
}

/* A C struct as it lay in memory: the allocator is padded to eight bytes. */
static bool take_aggregate(struct memray *m)
{
    uint64_t word[9];
    for (size_t i = 0; i < 9; i++) {
        if (!take_fixed(m, 8, &word[i]))
            return false;
    }
    uint8_t allocator = (uint8_t)(word[1] & 0xff);
    struct aggregated a = {.tid = word[0],
                           .allocator = m->version < CODE_VERSION ? old_allocators[allocator & 15]
                                                                  : allocator,
                           .trace = word[3],
                           .peak_blocks = word[5],
                           .leaked_blocks = word[6],
                           .peak_bytes = word[7],
                           .leaked_bytes = word[8]};
    if (!array_reserve(&m->aggregates, &m->aggregates_cap, m->aggregates_len + 1))
        fill_check(&m->fill, STATUS_NO_MEMORY);
    else
        m->aggregates[m->aggregates_len++] = a;
    return true;
}

static bool take_trace(struct memray *m)
{
    struct trace t;
    bool is_taken = m->version < CODE_VERSION
                        ? take_fixed(m, 8, &t.frame) && take_fixed(m, 4, &t.parent)
                        : take_varint(m, &t.frame) && take_varint(m, &t.parent);
    if (!is_taken)
        return false;
    if (!array_reserve(&m->traces, &m->traces_cap, m->traces_len + 1))
        fill_check(&m->fill, STATUS_NO_MEMORY);
    else
        m->traces[m->traces_len++] = t;
    return true;
}

static bool take_frame_index(struct memray *m)
{
    uint64_t id;
    uint64_t ignored;
    if (m->version < CODE_VERSION) {
        struct text name;
        struct text file;
        uint64_t line;
        if (!take_fixed(m, 8, &id) || !take_text(m, &name) || !take_text(m, &file) ||
            !take_fixed(m, 4, &line) || !take_fixed(m, 1, &ignored))
            return false;
        put_frame(m, id, name, file, (int32_t)(uint32_t)line);
        return true;
    }
    uint64_t code;
    int64_t instruction;
    if (!take_varint(m, &id) || !take_varint(m, &code) || !take_signed(m, &instruction) ||
        !take_fixed(m, 1, &ignored))
        return false;
    if (!map_put(&m->frames, id, code_frame(m, code, instruction)))
        fill_check(&m->fill, STATUS_NO_MEMORY);
    return true;
}

static bool read_aggregated_record(struct memray *m, uint8_t type, enum status *st)
{
    enum { SNAPSHOT = 1, AGGREGATE, TRACE, FRAME, OBJECT = 13, CODE = 14, END = 15 };
    uint64_t ignored;
    switch (type) {
    case SNAPSHOT:
        return take_snapshot(m);
    case AGGREGATE:
        return take_aggregate(m);
    case TRACE:
        return take_trace(m);
    case FRAME:
        return take_frame_index(m);
    case OBJECT:
        return take_varint(m, &ignored) && (!m->has_native || take_varint(m, &ignored));
    case CODE:
        return take_code(m);
    case END:
        m->has_end = true;
        return true;
    default: {
        int shared = take_shared(m, type);
        if (shared < 0)
            *st = bad(m, "no record begins like this");
        return shared != 0;
    }
    }
}

/* Trace i + 1 continues its parent, which has a smaller number. */
static enum status resolve_traces(struct memray *m, uint32_t *stack_of)
{
    stack_of[0] = 0;
    for (size_t i = 0; i < m->traces_len && m->fill.failed == STATUS_OK; i++) {
        if (m->traces[i].parent > i)
            return bad(m, "a stack that continues one after it");
        stack_of[i + 1] =
            fill_stack(&m->fill, stack_of[m->traces[i].parent], frame_by_id(m, m->traces[i].frame));
    }
    return m->fill.failed;
}

/* ---- what comes out ---- */

static uint32_t allocator_label(struct memray *m, uint32_t allocator)
{
    struct model_label label = {.key = fill_string(&m->fill, text_of("allocator")),
                                .value =
                                    fill_string(&m->fill, text_of(allocator_names[allocator]))};
    uint32_t set = 0;
    if (m->fill.failed == STATUS_OK)
        fill_check(&m->fill, tables_label_set(&m->fill.profile->tables, &label, 1, &set));
    return set;
}

static uint32_t add_set(struct memray *m, size_t values)
{
    static const char *const names[VALUES][2] = {
        {"peak", "bytes"},        {"leaked", "bytes"},        {"allocated", "bytes"},
        {"peak_blocks", "count"}, {"leaked_blocks", "count"}, {"allocations", "count"}};
    uint32_t set = fill_set(&m->fill, "heap", 0);
    for (size_t i = 0; i < VALUES; i++) {
        if (values == VALUES || i % 3 != 2)
            fill_value_type(&m->fill, set, names[i][0], names[i][1]);
    }
    return set;
}

static void add_sites(struct memray *m)
{
    memray_heap_finish(&m->heap);
    uint32_t set = add_set(m, VALUES);
    for (size_t i = 0; i < m->heap.sites_len; i++) {
        const struct memray_site *s = &m->heap.sites[i];
        int64_t values[VALUES] = {(int64_t)s->peak_bytes, (int64_t)s->bytes,
                                  (int64_t)s->all_bytes,  (int64_t)s->peak_blocks,
                                  (int64_t)s->blocks,     (int64_t)s->all_blocks};
        fill_sample(&m->fill, set,
                    &(struct profile_sample){.time_ns = UINT64_MAX,
                                             .thread = s->thread,
                                             .stack = s->stack,
                                             .label_set = allocator_label(m, s->allocator),
                                             .values = values});
    }
    if (m->fill.failed == STATUS_OK)
        fill_check(&m->fill, profile_set_counter(m->fill.profile, "peak_bytes", m->heap.peak));
}

static enum status add_aggregates(struct memray *m)
{
    uint32_t *stack_of = malloc((m->traces_len + 1) * sizeof(*stack_of));
    if (!stack_of) {
        fill_check(&m->fill, STATUS_NO_MEMORY);
        return m->fill.failed;
    }
    enum status st = resolve_traces(m, stack_of);
    uint32_t set = add_set(m, VALUES - 2);
    for (size_t i = 0; st == STATUS_OK && i < m->aggregates_len; i++) {
        const struct aggregated *a = &m->aggregates[i];
        const struct thread *thread = thread_of(m, a->tid);
        bool is_known = a->trace <= m->traces_len && a->allocator < ALLOCATORS &&
                        a->peak_bytes <= INT64_MAX && a->leaked_bytes <= INT64_MAX &&
                        a->peak_blocks <= INT64_MAX && a->leaked_blocks <= INT64_MAX;
        if (!is_known)
            st = bad(m, "an allocation of an unknown stack or allocator, or out of range");
        if (!thread || st != STATUS_OK)
            break;
        int64_t values[VALUES - 2] = {(int64_t)a->peak_bytes, (int64_t)a->leaked_bytes,
                                      (int64_t)a->peak_blocks, (int64_t)a->leaked_blocks};
        fill_sample(&m->fill, set,
                    &(struct profile_sample){.time_ns = UINT64_MAX,
                                             .thread = thread->thread,
                                             .stack = stack_of[a->trace],
                                             .label_set = allocator_label(m, a->allocator),
                                             .values = values});
        st = m->fill.failed;
    }
    free(stack_of);
    return st;
}

static enum status read_records(struct memray *m)
{
    bool is_cut = false;
    m->heap_series = fill_series(&m->fill, "heap", "bytes", NULL);
    m->rss = fill_series(&m->fill, "rss", "bytes", NULL);
    enum status st = m->fill.failed;
    while (st == STATUS_OK && !is_cut && !m->has_end && m->at < m->len) {
        m->record_at = m->at;
        uint8_t head = m->data[m->at++];
        bool is_whole = m->is_aggregated             ? read_aggregated_record(m, head, &st)
                        : m->version >= CODE_VERSION ? read_new_record(m, head, &st)
                                                     : read_old_record(m, head, &st);
        is_cut = !is_whole;
        if (st == STATUS_OK)
            st = m->fill.failed;
    }
    if (st != STATUS_OK)
        return st;
    if (m->is_aggregated)
        st = add_aggregates(m);
    else
        add_sites(m);
    if (st == STATUS_OK)
        st = m->fill.failed;
    if (st == STATUS_OK && !m->has_end)
        st = profile_add_warning(m->fill.profile, "truncated",
                                 "the capture ends at byte %zu without its trailer; shown is what "
                                 "came before",
                                 m->record_at);
    if (st == STATUS_OK && m->has_native)
        st = profile_add_warning(m->fill.profile, "native",
                                 "native frames are left out: their names are not in the file");
    return st;
}

static enum status read_memray(const struct format_input *in, const struct format_options *options,
                               struct profile *out, struct error *err)
{
    (void)options;
    struct memray *m = calloc(1, sizeof(*m));
    if (!m)
        return error_set(err, STATUS_NO_MEMORY, "no memory to read the file");
    m->fill = (struct fill){.profile = out, .err = err};
    m->data = in->data;
    m->len = in->len;
    map_init(&m->frames);
    map_init(&m->codes);
    memray_heap_init(&m->heap);
    enum status st = read_header(m);
    if (st == STATUS_OK)
        st = read_records(m);
    for (size_t i = 0; i < m->threads_len; i++)
        free(m->threads[i].stack);
    free(m->threads);
    free(m->code_list);
    free(m->traces);
    free(m->aggregates);
    map_deinit(&m->frames);
    map_deinit(&m->codes);
    memray_heap_deinit(&m->heap);
    free(m);
    return st;
}

static int detect_memray(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    return len >= 11 && memcmp(head, "memray\0", 7) == 0 ? 98 : 0;
}

const struct format format_memray = {
    .name = "memray",
    .title = "memray",
    .extensions = "bin",
    .detect = detect_memray,
    .read = read_memray,
};
