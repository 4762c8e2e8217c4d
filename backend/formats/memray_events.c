#include <string.h>

#include "backend/formats/memray_read.h"

/* ---- records that all versions and both kinds share ---- */

enum { NATIVE_FRAME = 5, MAPS_BEGIN, MAPS_HEADER, MAPS_SEGMENT, THREAD_NAME = 10, SWITCH = 12 };

static bool take_segments(struct memray *m)
{
    struct text file;
    uint64_t count;
    uint64_t ignored;
    if (!memray_take_text(m, &file) || !memray_take_varint(m, &count) ||
        !memray_take_fixed(m, 8, &ignored))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!memray_take_fixed(m, 1, &ignored) || !memray_take_fixed(m, 8, &ignored) ||
            !memray_take_varint(m, &ignored))
            return false;
    }
    return true;
}

static bool take_thread_name(struct memray *m)
{
    struct text name;
    if (!memray_take_text(m, &name))
        return false;
    if (m->thread)
        m->fill.profile->tables.threads[m->thread->thread].name = fill_string(&m->fill, name);
    return true;
}

/* 1 taken, 0 the file ended, -1 not one of these. */
int memray_take_shared(struct memray *m, unsigned type)
{
    uint64_t tid;
    switch (type) {
    case NATIVE_FRAME:
        return memray_take_delta(m, &m->last_ip) && memray_take_delta(m, &m->last_native);
    case MAPS_BEGIN:
        return 1;
    case MAPS_HEADER:
        return take_segments(m);
    case THREAD_NAME:
        return take_thread_name(m);
    case SWITCH:
        if (!memray_take_fixed(m, 8, &tid))
            return 0;
        m->thread = memray_thread_of(m, tid);
        return 1;
    default:
        return -1;
    }
}

/* ---- allocations ---- */

static enum status on_allocation(struct memray *m, unsigned allocator, uint64_t address,
                                 uint64_t size)
{
    if (allocator == 0 || allocator >= MEMRAY_ALLOCATORS)
        return memray_bad(m, "an allocator that is not known");
    if (allocator == MEMRAY_FREE || allocator == MEMRAY_PYMALLOC_FREE) {
        memray_heap_free(&m->heap, address);
        return STATUS_OK;
    }
    if (allocator == MEMRAY_MUNMAP) {
        fill_check(&m->fill, memray_heap_unmap(&m->heap, address, size));
        return m->fill.failed;
    }
    if (!m->thread)
        return memray_bad(m, "an allocation before the first thread");
    uint32_t stack = m->thread->len ? m->thread->stack[m->thread->len - 1] : 0;
    uint32_t site = 0;
    enum status st = memray_heap_site(&m->heap, stack, m->thread->thread, allocator, &site);
    if (st == STATUS_OK && allocator == MEMRAY_MMAP)
        st = memray_heap_map(&m->heap, site, address, size);
    else if (st == STATUS_OK)
        st = memray_heap_allocate(&m->heap, site, address, size);
    fill_check(&m->fill, st);
    return m->fill.failed;
}

static bool is_simple_free(unsigned allocator)
{
    return allocator == MEMRAY_FREE || allocator == MEMRAY_PYMALLOC_FREE;
}

static bool take_pointer(struct memray *m, unsigned recent, uint64_t *address)
{
    if (recent < MEMRAY_RECENT) {
        *address = m->recent[recent];
        return true;
    }
    if (!memray_take_delta(m, &m->last_pointer))
        return false;
    *address = m->last_pointer << 3;
    memmove(m->recent + 1, m->recent, (MEMRAY_RECENT - 1) * sizeof(*m->recent));
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
        (allocator == 0 && !memray_take_fixed(m, 1, &allocator)))
        return false;
    if (!is_simple_free((unsigned)allocator) &&
        ((m->has_native && !memray_take_delta(m, &m->last_native)) ||
         !memray_take_varint(m, &size)))
        return false;
    *st = on_allocation(m, (unsigned)allocator, address, size);
    return true;
}

static bool take_old_allocation(struct memray *m, unsigned flags, bool has_native, enum status *st)
{
    unsigned allocator = memray_old_allocators[flags];
    uint64_t size = 0;
    if (!memray_take_delta(m, &m->last_pointer))
        return false;
    if ((has_native || !is_simple_free(allocator)) && !memray_take_varint(m, &size))
        return false;
    if (has_native && !memray_take_delta(m, &m->last_native))
        return false;
    *st = on_allocation(m, allocator, m->last_pointer, size);
    return true;
}

static bool take_memory(struct memray *m)
{
    uint64_t rss;
    uint64_t ms;
    if (!memray_take_varint(m, &rss) || !memray_take_varint(m, &ms))
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
    return !(m->has_native && (flags & 1)) || memray_take_delta(m, &m->last_native);
}

static bool take_new_push(struct memray *m, enum status *st)
{
    uint64_t code;
    int64_t instruction;
    if (!memray_take_varint(m, &code) || !memray_take_signed(m, &instruction))
        return false;
    *st = memray_push_frame(m, memray_code_frame(m, code, instruction));
    return true;
}

bool memray_read_new_record(struct memray *m, uint8_t head, enum status *st)
{
    if (head & 0x80)
        return take_new_allocation(m, head & 0x7f, st);
    if (head & 0x40)
        return take_new_push(m, st);
    if (head & 0x20)
        return take_object(m, head & 0x1f);
    if (head & 0x10) {
        *st = memray_pop_frames(m, (size_t)(head & 15) + 1);
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
        return memray_take_code(m);
    int shared = memray_take_shared(m, head);
    if (shared < 0)
        *st = memray_bad(m, "no record begins like this");
    return shared != 0;
}

bool memray_read_old_record(struct memray *m, uint8_t head, enum status *st)
{
    enum { OTHER, ALLOCATION, NATIVE_ALLOCATION, FRAME, PUSH, POP = 9, MEMORY = 11 };
    unsigned flags = head >> 4;
    struct text name;
    struct text file;
    switch (head & 15) {
    case OTHER:
        m->has_end = flags == 1;
        if (flags > 1)
            *st = memray_bad(m, "no record begins like this");
        return true;
    case ALLOCATION:
    case NATIVE_ALLOCATION:
        return take_old_allocation(m, flags, (head & 15) == NATIVE_ALLOCATION, st);
    case FRAME:
        if (!memray_take_delta(m, &m->last_frame) || !memray_take_text(m, &name) ||
            !memray_take_text(m, &file) || !memray_take_delta(m, &m->last_line))
            return false;
        memray_put_frame(m, m->last_frame, name, file, (int64_t)m->last_line);
        return true;
    case PUSH:
        if (!memray_take_delta(m, &m->last_frame))
            return false;
        *st = memray_push_frame(m, memray_frame_by_id(m, m->last_frame));
        return true;
    case POP:
        *st = memray_pop_frames(m, flags + 1);
        return true;
    case MEMORY:
        return take_memory(m);
    default: {
        int shared = memray_take_shared(m, head & 15);
        if (shared < 0)
            *st = memray_bad(m, "no record begins like this");
        return shared != 0;
    }
    }
}

void memray_add_sites(struct memray *m)
{
    memray_heap_finish(&m->heap);
    uint32_t set = memray_add_set(m, MEMRAY_VALUES);
    for (size_t i = 0; i < m->heap.sites_len; i++) {
        const struct memray_site *s = &m->heap.sites[i];
        int64_t values[MEMRAY_VALUES] = {(int64_t)s->peak_bytes, (int64_t)s->bytes,
                                         (int64_t)s->all_bytes,  (int64_t)s->peak_blocks,
                                         (int64_t)s->blocks,     (int64_t)s->all_blocks};
        fill_sample(&m->fill, set,
                    &(struct profile_sample){.time_ns = UINT64_MAX,
                                             .thread = s->thread,
                                             .stack = s->stack,
                                             .label_set = memray_allocator_label(m, s->allocator),
                                             .values = values});
    }
    if (m->fill.failed == STATUS_OK)
        fill_check(&m->fill, profile_set_counter(m->fill.profile, "peak_bytes", m->heap.peak));
}
