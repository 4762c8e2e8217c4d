#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/flame_rows.h"
#include "common/base/array.h"

void flame_boxes_free(struct flame_boxes *b)
{
    free(b->items);
    *b = (struct flame_boxes){0};
}

static enum status add_box(struct flame_boxes *b, struct flame_box box, uint32_t *at)
{
    if (!array_reserve(&b->items, &b->cap, b->len + 1))
        return STATUS_NO_MEMORY;
    b->items[b->len] = box;
    *at = (uint32_t)b->len++;
    return STATUS_OK;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* What can be drawn: a self below zero (freed more than allocated there) has no width. */
static int64_t *positive_selfs(struct flame_boxes *b, const struct merged *m)
{
    int64_t *self = malloc(m->tree->len * sizeof(*self));
    if (!self)
        return NULL;
    for (size_t i = 0; i < m->tree->len; i++) {
        int64_t v = m->self[i];
        if (v < 0) {
            merge_add(&b->negative, v);
            v = 0;
        }
        self[i] = v;
        merge_add(&b->total, v);
        if (v && (b->unit == 0 || v % b->unit != 0))
            b->unit = gcd(b->unit, v);
    }
    return self;
}

static int64_t least_width(const struct flame_boxes *b, const struct flame_options *options)
{
    double least = (double)b->total * options->min_fraction;
    return least > 9e18 ? INT64_MAX : least < 1 ? 1 : (int64_t)ceil(least);
}

static size_t node_limit(const struct flame_options *options)
{
    return options->max_nodes && options->max_nodes < FLAME_MAX_NODES ? options->max_nodes
                                                                      : FLAME_MAX_NODES;
}

/* The base's part of every subtree; NULL where nothing is compared, or memory is short. */
static int64_t *base_totals(const struct merged *m)
{
    int64_t *base = m->base ? malloc(m->tree->len * sizeof(*base)) : NULL;
    for (size_t i = 0; base && i < m->tree->len; i++)
        base[i] = m->self[i] > 0 ? m->base[i] : 0;
    if (base)
        merged_totals(m->tree, base);
    return base;
}

/* The least width so that at most `limit` boxes stay. */
static int64_t fit_limit(const int64_t *total, size_t len, int64_t least, size_t limit)
{
    for (;;) {
        size_t kept = 0;
        for (size_t i = 0; i < len; i++)
            kept += total[i] >= least;
        if (kept <= limit || least > INT64_MAX / 2)
            return least;
        least *= 2;
    }
}

enum status flame_boxes_top_down(struct flame_boxes *b, const struct merged *m,
                                 const struct flame_options *options)
{
    *b = (struct flame_boxes){0};
    const struct merge_tree *t = m->tree;
    int64_t *total = positive_selfs(b, m);
    int64_t *base = base_totals(m);
    uint32_t *to = calloc(t->len, sizeof(*to));
    enum status st = total && to && (base || !m->base) ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        merged_totals(t, total);
        int64_t least = fit_limit(total, t->len, least_width(b, options), node_limit(options));
        struct flame_box root = {.width = b->total, .base = base ? base[0] : 0};
        st = add_box(b, root, &to[0]);
        for (size_t i = 1; i < t->len && st == STATUS_OK; i++) {
            if (total[i] < least) {
                to[i] = UINT32_MAX;
                /* Boxes below a pruned one are not counted again. */
                b->pruned += total[i] > 0 && to[t->parent[i]] != UINT32_MAX;
                continue;
            }
            struct flame_box box = {
                .parent = to[t->parent[i]],
                .function = t->function[i],
                .flags = m->flags ? m->flags[i] : 0,
                .width = total[i],
                .base = base ? base[i] : 0,
            };
            st = add_box(b, box, &to[i]);
        }
    }
    free(base);
    free(total);
    free(to);
    return st;
}

/* ---- inverted: from the leaves up, only where it is wide enough ---- */

/* A node on the way up from some leaf, with the leaf's self. */
struct climber {
    uint32_t at, leaf;
    int64_t self;
};

struct climb {
    struct climber *items, *next;
    size_t *begin; /* of each box of the row in hand, in `items`; one more at the end */
    uint32_t *box; /* the boxes of the row in hand */
    size_t boxes;
    size_t *next_begin;
    uint32_t *next_box;
    size_t cap_begin, cap_box, cap_next_begin, cap_next_box;
    /* by function, while one box is divided */
    int64_t *width, *base;
    uint32_t *flags;
    size_t *count, *place;
    uint32_t *seen;
    size_t seen_len;
};

static bool climb_init(struct climb *c, size_t nodes, size_t functions)
{
    c->items = malloc(nodes * sizeof(*c->items));
    c->next = malloc(nodes * sizeof(*c->next));
    c->width = calloc(functions, sizeof(*c->width));
    c->base = calloc(functions, sizeof(*c->base));
    c->flags = calloc(functions, sizeof(*c->flags));
    c->count = calloc(functions, sizeof(*c->count));
    c->place = calloc(functions, sizeof(*c->place));
    c->seen = calloc(functions, sizeof(*c->seen));
    return c->items && c->next && c->width && c->base && c->flags && c->count && c->place &&
           c->seen && array_reserve(&c->begin, &c->cap_begin, 2) &&
           array_reserve(&c->box, &c->cap_box, 1);
}

static void climb_deinit(struct climb *c)
{
    free(c->items);
    free(c->next);
    free(c->begin);
    free(c->box);
    free(c->next_begin);
    free(c->next_box);
    free(c->width);
    free(c->base);
    free(c->flags);
    free(c->count);
    free(c->place);
    free(c->seen);
}

/* Divides the climbers of one box by the function they stand at. */
static enum status divide(struct climb *c, struct flame_boxes *b, const struct merged *m,
                          size_t row_box, int64_t least, size_t *next_len, size_t *next_boxes)
{
    const struct merge_tree *t = m->tree;
    c->seen_len = 0;
    for (size_t i = c->begin[row_box]; i < c->begin[row_box + 1]; i++) {
        const struct climber *k = &c->items[i];
        if (k->at == 0)
            continue;
        uint32_t f = t->function[k->at];
        if (c->count[f]++ == 0)
            c->seen[c->seen_len++] = f;
        merge_add(&c->width[f], k->self);
        if (m->base)
            merge_add(&c->base[f], m->base[k->leaf]);
        if (m->flags)
            c->flags[f] |= m->flags[k->leaf];
    }
    enum status st = STATUS_OK;
    for (size_t s = 0; s < c->seen_len && st == STATUS_OK; s++) {
        uint32_t f = c->seen[s];
        if (c->width[f] < least) {
            c->place[f] = SIZE_MAX;
            b->pruned++;
            continue;
        }
        if (!array_reserve(&c->next_begin, &c->cap_next_begin, *next_boxes + 2) ||
            !array_reserve(&c->next_box, &c->cap_next_box, *next_boxes + 1))
            return STATUS_NO_MEMORY;
        struct flame_box box = {.parent = c->box[row_box],
                                .function = f,
                                .flags = c->flags[f],
                                .width = c->width[f],
                                .base = c->base[f]};
        st = add_box(b, box, &c->next_box[*next_boxes]);
        c->next_begin[(*next_boxes)++] = *next_len;
        c->place[f] = *next_len;
        *next_len += c->count[f];
    }
    for (size_t i = c->begin[row_box]; i < c->begin[row_box + 1]; i++) {
        struct climber k = c->items[i];
        if (k.at == 0 || c->place[t->function[k.at]] == SIZE_MAX)
            continue;
        size_t *place = &c->place[t->function[k.at]];
        k.at = t->parent[k.at];
        c->next[(*place)++] = k;
    }
    for (size_t s = 0; s < c->seen_len; s++) {
        c->width[c->seen[s]] = 0;
        c->base[c->seen[s]] = 0;
        c->flags[c->seen[s]] = 0;
        c->count[c->seen[s]] = 0;
    }
    return st;
}

static enum status climb_row(struct climb *c, struct flame_boxes *b, const struct merged *m,
                             int64_t least)
{
    size_t next_len = 0;
    size_t next_boxes = 0;
    enum status st = STATUS_OK;
    for (size_t i = 0; i < c->boxes && st == STATUS_OK; i++)
        st = divide(c, b, m, i, least, &next_len, &next_boxes);
    if (st != STATUS_OK || next_boxes == 0) {
        c->boxes = 0;
        return st;
    }
    c->next_begin[next_boxes] = next_len;
    struct climber *items = c->items;
    c->items = c->next;
    c->next = items;
    size_t *begin = c->begin;
    c->begin = c->next_begin;
    c->next_begin = begin;
    uint32_t *box = c->box;
    c->box = c->next_box;
    c->next_box = box;
    size_t cap = c->cap_begin;
    c->cap_begin = c->cap_next_begin;
    c->cap_next_begin = cap;
    cap = c->cap_box;
    c->cap_box = c->cap_next_box;
    c->cap_next_box = cap;
    c->boxes = next_boxes;
    return STATUS_OK;
}

static enum status climb_all(struct climb *c, struct flame_boxes *b, const struct merged *m,
                             const int64_t *self, int64_t least,
                             const struct flame_options *options)
{
    size_t limit = node_limit(options);
    size_t len = 0;
    for (size_t i = 1; i < m->tree->len; i++) {
        if (self[i] > 0)
            c->items[len++] =
                (struct climber){.at = (uint32_t)i, .leaf = (uint32_t)i, .self = self[i]};
    }
    c->begin[0] = 0;
    c->begin[1] = len;
    c->box[0] = 0;
    c->boxes = 1;
    enum status st = STATUS_OK;
    for (uint32_t depth = 0; st == STATUS_OK && c->boxes > 0 && b->len <= limit; depth++) {
        /* One row more than asked for, to know whether there is one. */
        if (options->max_depth && depth > options->max_depth)
            break;
        st = climb_row(c, b, m, least);
    }
    return st;
}

enum status flame_boxes_inverted(struct flame_boxes *b, const struct merged *m,
                                 const struct flame_options *options, size_t functions_len)
{
    *b = (struct flame_boxes){0};
    struct climb c = {0};
    int64_t *self = positive_selfs(b, m);
    enum status st = self && climb_init(&c, m->tree->len, functions_len ? functions_len : 1)
                         ? STATUS_OK
                         : STATUS_NO_MEMORY;
    int64_t least = least_width(b, options);
    int64_t base = 0;
    for (size_t i = 0; self && m->base && i < m->tree->len; i++)
        merge_add(&base, self[i] > 0 ? m->base[i] : 0);
    while (st == STATUS_OK) {
        struct flame_box root = {.width = b->total, .base = base};
        uint32_t at;
        b->len = 0;
        b->pruned = 0;
        st = add_box(b, root, &at);
        if (st == STATUS_OK)
            st = climb_all(&c, b, m, self, least, options);
        if (b->len <= node_limit(options) || least > INT64_MAX / 4)
            break;
        least *= 4;
    }
    climb_deinit(&c);
    free(self);
    return st;
}
