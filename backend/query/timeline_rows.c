#include "backend/query/timeline_rows.h"

#include <stdlib.h>

#include "backend/query/flame.h"
#include "common/base/array.h"

static enum status push(struct time_row *r, struct time_box box, size_t *left)
{
    if (*left == 0)
        return STATUS_TOO_LARGE;
    --*left;
    if (!array_reserve(&r->items, &r->cap, r->len + 1))
        return STATUS_NO_MEMORY;
    r->items[r->len++] = box;
    return STATUS_OK;
}

enum status time_row_finish(struct time_row *r, size_t *left)
{
    if (!r->is_waiting)
        return STATUS_OK;
    r->is_waiting = false;
    return push(r, r->waiting, left);
}

/* The box beside it goes on with the same function: two halves of one. */
static bool continues(const struct time_row *r, uint64_t begin, uint32_t function)
{
    const struct time_box *last = r->len ? &r->items[r->len - 1] : NULL;
    return last && !r->is_waiting && last->end == begin && last->function == function &&
           !last->flags;
}

enum status time_row_add(struct time_row *r, uint64_t cutoff, uint64_t begin, uint64_t end,
                         uint32_t function, size_t *left)
{
    if (continues(r, begin, function)) {
        r->items[r->len - 1].end = end;
        return STATUS_OK;
    }
    struct time_box box = {.begin = begin, .end = end, .function = function};
    if (cutoff == 0 || end - begin >= cutoff) {
        enum status st = time_row_finish(r, left);
        return st == STATUS_OK ? push(r, box, left) : st;
    }
    if (r->is_waiting && r->waiting.begin / cutoff == begin / cutoff) {
        r->waiting.end = end;
        if (r->waiting.function != function)
            r->waiting.flags = FLAME_MIXED;
        if (end - begin > r->longest) {
            r->longest = end - begin;
            r->waiting.function = function;
        }
        return STATUS_OK;
    }
    enum status st = time_row_finish(r, left);
    r->waiting = box;
    r->longest = end - begin;
    r->is_waiting = true;
    return st;
}

void time_row_free(struct time_row *r)
{
    free(r->items);
    *r = (struct time_row){0};
}
