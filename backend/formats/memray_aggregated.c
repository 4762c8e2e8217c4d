#include <stdlib.h>

#include "backend/formats/memray_read.h"
#include "common/base/array.h"

static bool take_snapshot(struct memray *m)
{
    uint64_t ms;
    uint64_t rss;
    uint64_t heap;
    if (!memray_take_fixed(m, 8, &ms) || !memray_take_fixed(m, 8, &rss) ||
        !memray_take_fixed(m, 8, &heap))
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
        if (!memray_take_fixed(m, 8, &word[i]))
            return false;
    }
    uint8_t allocator = (uint8_t)(word[1] & 0xff);
    struct memray_aggregate a = {.tid = word[0],
                                 .allocator = m->version < MEMRAY_CODE_VERSION
                                                  ? memray_old_allocators[allocator & 15]
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
    struct memray_trace t;
    bool is_taken = m->version < MEMRAY_CODE_VERSION
                        ? memray_take_fixed(m, 8, &t.frame) && memray_take_fixed(m, 4, &t.parent)
                        : memray_take_varint(m, &t.frame) && memray_take_varint(m, &t.parent);
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
    if (m->version < MEMRAY_CODE_VERSION) {
        struct text name;
        struct text file;
        uint64_t line;
        if (!memray_take_fixed(m, 8, &id) || !memray_take_text(m, &name) ||
            !memray_take_text(m, &file) || !memray_take_fixed(m, 4, &line) ||
            !memray_take_fixed(m, 1, &ignored))
            return false;
        memray_put_frame(m, id, name, file, (int32_t)(uint32_t)line);
        return true;
    }
    uint64_t code;
    int64_t instruction;
    if (!memray_take_varint(m, &id) || !memray_take_varint(m, &code) ||
        !memray_take_signed(m, &instruction) || !memray_take_fixed(m, 1, &ignored))
        return false;
    if (!map_put(&m->frames, id, memray_code_frame(m, code, instruction)))
        fill_check(&m->fill, STATUS_NO_MEMORY);
    return true;
}

bool memray_read_aggregated_record(struct memray *m, uint8_t type, enum status *st)
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
        return memray_take_varint(m, &ignored) &&
               (!m->has_native || memray_take_varint(m, &ignored));
    case CODE:
        return memray_take_code(m);
    case END:
        m->has_end = true;
        return true;
    default: {
        int shared = memray_take_shared(m, type);
        if (shared < 0)
            *st = memray_bad(m, "no record begins like this");
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
            return memray_bad(m, "a stack that continues one after it");
        stack_of[i + 1] = fill_stack(&m->fill, stack_of[m->traces[i].parent],
                                     memray_frame_by_id(m, m->traces[i].frame));
    }
    return m->fill.failed;
}

enum status memray_add_aggregates(struct memray *m)
{
    uint32_t *stack_of = malloc((m->traces_len + 1) * sizeof(*stack_of));
    if (!stack_of) {
        fill_check(&m->fill, STATUS_NO_MEMORY);
        return m->fill.failed;
    }
    enum status st = resolve_traces(m, stack_of);
    uint32_t set = memray_add_set(m, MEMRAY_VALUES - 2);
    for (size_t i = 0; st == STATUS_OK && i < m->aggregates_len; i++) {
        const struct memray_aggregate *a = &m->aggregates[i];
        const struct memray_thread *thread = memray_thread_of(m, a->tid);
        bool is_known = a->trace <= m->traces_len && a->allocator < MEMRAY_ALLOCATORS &&
                        a->peak_bytes <= INT64_MAX && a->leaked_bytes <= INT64_MAX &&
                        a->peak_blocks <= INT64_MAX && a->leaked_blocks <= INT64_MAX;
        if (!is_known)
            st = memray_bad(m, "an allocation of an unknown stack or allocator, or out of range");
        if (!thread || st != STATUS_OK)
            break;
        int64_t values[MEMRAY_VALUES - 2] = {(int64_t)a->peak_bytes, (int64_t)a->leaked_bytes,
                                             (int64_t)a->peak_blocks, (int64_t)a->leaked_blocks};
        fill_sample(&m->fill, set,
                    &(struct profile_sample){.time_ns = UINT64_MAX,
                                             .thread = thread->thread,
                                             .stack = stack_of[a->trace],
                                             .label_set = memray_allocator_label(m, a->allocator),
                                             .values = values});
        st = m->fill.failed;
    }
    free(stack_of);
    return st;
}
