#include "backend/formats/memray_lines.h"
#include "backend/formats/memray_read.h"
#include "common/base/array.h"

struct memray_thread *memray_thread_of(struct memray *m, uint64_t tid)
{
    for (size_t i = 0; i < m->threads_len; i++) {
        if (m->threads[i].tid == tid)
            return &m->threads[i];
    }
    if (!array_reserve(&m->threads, &m->threads_cap, m->threads_len + 1)) {
        fill_check(&m->fill, STATUS_NO_MEMORY);
        return NULL;
    }
    m->threads[m->threads_len] = (struct memray_thread){
        .tid = tid, .thread = fill_thread(&m->fill, m->process, tid, text_of(""))};
    return &m->threads[m->threads_len++];
}

enum status memray_push_frame(struct memray *m, uint32_t frame)
{
    struct memray_thread *t = m->thread;
    if (!t)
        return memray_bad(m, "a frame before the first thread");
    if (t->len >= TABLES_MAX_DEPTH)
        return memray_bad(m, "a stack deeper than 65536 frames");
    if (!array_reserve(&t->stack, &t->cap, t->len + 1)) {
        fill_check(&m->fill, STATUS_NO_MEMORY);
        return m->fill.failed;
    }
    uint32_t parent = t->len ? t->stack[t->len - 1] : 0;
    t->stack[t->len] = fill_stack(&m->fill, parent, frame);
    t->len++;
    return m->fill.failed;
}

enum status memray_pop_frames(struct memray *m, size_t count)
{
    if (!m->thread || m->thread->len < count)
        return memray_bad(m, "more frames left than entered");
    m->thread->len -= count;
    return STATUS_OK;
}

uint32_t memray_code_frame(struct memray *m, uint64_t id, int64_t instruction)
{
    const uint32_t *known = map_find(&m->codes, id);
    if (!known)
        return fill_frame(&m->fill, 0, 0, 0);
    const struct memray_code *c = &m->code_list[*known];
    struct fill_function f = {
        .name = c->name,
        .file = c->file,
        .line = c->first_line > 0 && c->first_line <= UINT32_MAX ? (uint32_t)c->first_line : 0};
    uint32_t line = memray_line(m->python, c->table, c->table_len, c->first_line, instruction);
    return fill_frame(&m->fill, fill_function(&m->fill, &f), line, 0);
}

bool memray_take_code(struct memray *m)
{
    struct memray_code c = {0};
    uint64_t id;
    uint64_t size;
    if (!memray_take_varint(m, &id) || !memray_take_text(m, &c.name) ||
        !memray_take_text(m, &c.file) || !memray_take_delta(m, &m->last_first_line) ||
        !memray_take_varint(m, &size) || size > m->len - m->at ||
        !memray_take(m, (size_t)size, &c.table))
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

void memray_put_frame(struct memray *m, uint64_t id, struct text name, struct text file,
                      int64_t line)
{
    struct fill_function f = {.name = name, .file = file};
    uint32_t frame = fill_frame(&m->fill, fill_function(&m->fill, &f),
                                line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0, 0);
    if (!map_put(&m->frames, id, frame))
        fill_check(&m->fill, STATUS_NO_MEMORY);
}

uint32_t memray_frame_by_id(struct memray *m, uint64_t id)
{
    const uint32_t *known = map_find(&m->frames, id);
    return known ? *known : 0;
}
