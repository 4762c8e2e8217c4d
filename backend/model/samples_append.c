#include <string.h>

#include "backend/model/samples.h"

static void put_row(struct sample_set *s, size_t at, const struct wire_samples *block, size_t row,
                    uint64_t time_ns)
{
    s->time_ns[at] = time_ns;
    if (s->thread)
        s->thread[at] = block->thread ? block->thread[row] : 0;
    if (s->stack)
        s->stack[at] = block->stack[row];
    if (s->label_set)
        s->label_set[at] = block->label_set ? block->label_set[row] : 0;
    if (s->state)
        s->state[at] = block->state ? (uint8_t)block->state[row] : 0;
    for (size_t i = 0; i < s->values_len; i++) {
        const struct wire_column *from = &block->values[i];
        if (s->values[i].value)
            s->values[i].value[at] = from->value ? from->value[row] : from->constant;
    }
}

static void move_row(struct sample_set *s, size_t to, size_t from)
{
    s->time_ns[to] = s->time_ns[from];
    if (s->thread)
        s->thread[to] = s->thread[from];
    if (s->stack)
        s->stack[to] = s->stack[from];
    if (s->label_set)
        s->label_set[to] = s->label_set[from];
    if (s->state)
        s->state[to] = s->state[from];
    for (size_t i = 0; i < s->values_len; i++) {
        if (s->values[i].value)
            s->values[i].value[to] = s->values[i].value[from];
    }
}

/* From the end, so that nothing is overwritten before it has moved. Equal times keep their order
 * of coming. */
static void merge(struct sample_set *s, const struct wire_samples *block, const uint32_t *order)
{
    size_t old = s->len;
    size_t added = block->len;
    for (size_t to = old + added; added > 0;) {
        size_t row = order ? order[added - 1] : added - 1;
        uint64_t time_ns = block->time_ns[row];
        to--;
        if (old > 0 && s->time_ns[old - 1] > time_ns) {
            move_row(s, to, --old);
        } else {
            put_row(s, to, block, row, time_ns);
            added--;
        }
    }
}

static void copy_u32(uint32_t *to, const uint32_t *from, size_t len)
{
    if (!to)
        return;
    if (from)
        memcpy(to, from, len * sizeof(*to));
    else
        memset(to, 0, len * sizeof(*to));
}

static void append_columns(struct sample_set *s, const struct wire_samples *block)
{
    size_t at = s->len;
    size_t len = block->len;
    if (s->time_ns) {
        uint64_t last = at ? s->time_ns[at - 1] : 0; /* for a block without times */
        for (size_t i = 0; i < len; i++)
            s->time_ns[at + i] = block->time_ns ? block->time_ns[i] : last;
    }
    copy_u32(s->thread ? s->thread + at : NULL, block->thread, len);
    copy_u32(s->stack ? s->stack + at : NULL, block->stack, len);
    copy_u32(s->label_set ? s->label_set + at : NULL, block->label_set, len);
    for (size_t i = 0; s->state && i < len; i++)
        s->state[at + i] = block->state ? (uint8_t)block->state[i] : 0;
    for (size_t k = 0; k < s->values_len; k++) {
        int64_t *to = s->values[k].value;
        const struct wire_column *from = &block->values[k];
        for (size_t i = 0; to && i < len; i++)
            to[at + i] = from->value ? from->value[i] : from->constant;
    }
}

void samples_append(struct sample_set *s, const struct wire_samples *block, const uint32_t *order)
{
    if (block->len == 0)
        return;
    s->has_time = s->time_ns != NULL;
    bool has_times = s->time_ns && block->time_ns;
    bool is_late =
        has_times && s->len > 0 && block->time_ns[order ? order[0] : 0] < s->time_ns[s->len - 1];
    if (has_times && (is_late || order))
        merge(s, block, order);
    else
        append_columns(s, block);
    s->len += block->len;
}
