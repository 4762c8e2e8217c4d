#include "backend/query/memory_places.h"

#include <stdlib.h>

#include "backend/query/reshape.h"
#include "common/base/array.h"

/* What a stack has of the filter: parents come before their children. */
struct view {
    uint8_t *hidden;  /* by function; NULL = none */
    uint32_t *seen;   /* by stack: its nearest stack whose frame is not hidden */
    uint8_t *focused; /* by stack; NULL = no focus */
};

static void free_view(struct view *v)
{
    free(v->hidden);
    free(v->seen);
    free(v->focused);
}

static uint32_t function_of(const struct profile *p, uint32_t stack)
{
    return p->tables.frames[p->tables.stacks[stack].frame].function;
}

static enum status make_view(struct view *v, const struct profile *p, const struct query_filter *f)
{
    size_t stacks = p->tables.stacks_len;
    if (f->hide_len || f->hide_modules_len || f->hide_packages_len) {
        v->seen = calloc(stacks + 1, sizeof(*v->seen));
        enum status st = reshape_hidden(&v->hidden, p, f);
        if (!v->seen || st != STATUS_OK)
            return STATUS_NO_MEMORY;
    }
    if (f->has_focus && !(v->focused = calloc(stacks + 1, 1)))
        return STATUS_NO_MEMORY;
    for (uint32_t s = 1; s < stacks; s++) {
        uint32_t parent = p->tables.stacks[s].parent;
        if (v->seen)
            v->seen[s] = v->hidden[function_of(p, s)] ? v->seen[parent] : s;
        if (v->focused)
            v->focused[s] = v->focused[parent] || function_of(p, s) == f->focus;
    }
    return STATUS_OK;
}

static enum status place_of(struct memory_places *m, struct map *known, const struct profile *p,
                            uint32_t stack, enum memory_by by, uint32_t *place)
{
    struct memory_place at = {.stack = stack};
    uint64_t key = stack;
    if (stack) {
        const struct wire_frame *f = &p->tables.frames[p->tables.stacks[stack].frame];
        at.function = f->function;
        at.line = by == MEMORY_BY_FUNCTION ? 0 : f->line;
    }
    if (by != MEMORY_BY_STACK)
        key = map_pair(at.function, at.line);
    const uint32_t *found = map_find(known, key);
    if (found) {
        *place = *found;
        return STATUS_OK;
    }
    if (!array_reserve(&m->items, &m->cap, m->len + 1) || !map_put(known, key, (uint32_t)m->len))
        return STATUS_NO_MEMORY;
    m->items[m->len] = at;
    *place = (uint32_t)m->len++;
    return STATUS_OK;
}

enum status memory_places_init(struct memory_places *m, const struct profile *p,
                               const struct query_filter *filter, enum memory_by by)
{
    size_t stacks = p->tables.stacks_len ? p->tables.stacks_len : 1;
    struct view view = {0};
    struct map known;
    *m = (struct memory_places){.of_stack = calloc(stacks, sizeof(*m->of_stack))};
    map_init(&known);
    enum status st = m->of_stack ? make_view(&view, p, filter) : STATUS_NO_MEMORY;
    for (uint32_t s = 0; s < stacks && st == STATUS_OK; s++) {
        if (view.focused && !view.focused[s])
            m->of_stack[s] = MEMORY_OUTSIDE;
        else
            st = place_of(m, &known, p, view.seen ? view.seen[s] : s, by, &m->of_stack[s]);
    }
    map_deinit(&known);
    free_view(&view);
    if (st != STATUS_OK)
        memory_places_deinit(m);
    return st;
}

void memory_places_deinit(struct memory_places *m)
{
    free(m->of_stack);
    free(m->items);
    *m = (struct memory_places){0};
}
