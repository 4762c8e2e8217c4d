#include "collector/heap/mappings.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

void mappings_init(struct mappings *m)
{
    *m = (struct mappings){0};
}

void mappings_deinit(struct mappings *m)
{
    free(m->items);
    mappings_init(m);
}

/* The first mapping that ends after `address`. */
static size_t first_after(const struct mappings *m, uint64_t address)
{
    size_t low = 0;
    size_t high = m->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->items[mid].end > address)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static bool insert(struct mappings *m, size_t at, const struct mapping *mapping)
{
    if (!array_reserve(&m->items, &m->cap, m->len + 1))
        return false;
    memmove(&m->items[at + 1], &m->items[at], (m->len - at) * sizeof(*m->items));
    m->items[at] = *mapping;
    m->len++;
    return true;
}

bool mappings_add(struct mappings *m, const struct mapping *mapping)
{
    return insert(m, first_after(m, mapping->begin), mapping);
}

uint64_t mappings_remove(struct mappings *m, uint64_t begin, uint64_t end,
                         void (*on_part)(void *ctx, const struct mapping *piece, uint64_t bytes,
                                         bool is_whole),
                         void *ctx)
{
    uint64_t gone = 0;
    size_t at = first_after(m, begin);
    while (at < m->len && m->items[at].begin < end) {
        struct mapping *piece = &m->items[at];
        struct mapping was = *piece;
        uint64_t cut_begin = was.begin > begin ? was.begin : begin;
        uint64_t cut_end = was.end < end ? was.end : end;
        bool has_left = cut_begin > was.begin;
        bool has_right = cut_end < was.end;
        if (has_left && has_right) {
            struct mapping right = was;
            right.begin = cut_end;
            right.counts = 0;
            if (!insert(m, at + 1, &right))
                cut_end = was.end;
            m->items[at].end = cut_begin;
            at += 2;
        } else if (has_left) {
            piece->end = cut_begin;
            at++;
        } else if (has_right) {
            piece->begin = cut_end;
            at++;
        } else {
            memmove(piece, piece + 1, (m->len - at - 1) * sizeof(*piece));
            m->len--;
        }
        gone += cut_end - cut_begin;
        on_part(ctx, &was, cut_end - cut_begin, !has_left && !has_right);
    }
    return gone;
}
