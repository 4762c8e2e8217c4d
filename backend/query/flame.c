#include "backend/query/flame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/flame_rows.h"
#include "common/base/array.h"

/* ---- children of each box, the widest first ---- */

struct order {
    uint32_t *first; /* boxes + 1 */
    uint32_t *child;
};

struct wide {
    int64_t width;
    uint32_t function, box;
};

static int by_width(const void *a, const void *b)
{
    const struct wide *x = a;
    const struct wide *y = b;
    if (x->width != y->width)
        return x->width > y->width ? -1 : 1;
    return x->function < y->function ? -1 : x->function > y->function;
}

static enum status sort_children(struct order *o, const struct flame_boxes *b)
{
    o->first = calloc(b->len + 2, sizeof(*o->first));
    o->child = calloc(b->len, sizeof(*o->child));
    struct wide *wide = malloc(b->len * sizeof(*wide));
    if (!o->first || !o->child || !wide) {
        free(wide);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 1; i < b->len; i++)
        o->first[b->items[i].parent + 2]++;
    for (size_t i = 0; i + 2 < b->len + 2; i++)
        o->first[i + 2] += o->first[i + 1];
    for (uint32_t i = 1; i < b->len; i++) {
        uint32_t at = o->first[b->items[i].parent + 1]++;
        wide[at] =
            (struct wide){.width = b->items[i].width, .function = b->items[i].function, .box = i};
    }
    for (size_t i = 0; i < b->len; i++) {
        size_t len = o->first[i + 1] - o->first[i];
        if (len > 1)
            qsort(wide + o->first[i], len, sizeof(*wide), by_width);
    }
    for (size_t i = 0; i + 1 < b->len; i++)
        o->child[i] = wide[i].box;
    free(wide);
    return STATUS_OK;
}

/* ---- rows ---- */

struct layout {
    struct flame *out;
    const struct flame_boxes *boxes;
    const struct order *order;
    int64_t divisor;
    uint32_t *box;  /* of each item of the flame */
    int64_t *start; /* of each item, in ticks */
    size_t cap_rows;
};

static bool alloc_flame(struct layout *l)
{
    struct flame *f = l->out;
    size_t n = l->boxes->len;
    f->x0 = malloc(n * sizeof(*f->x0));
    f->x1 = malloc(n * sizeof(*f->x1));
    f->function = malloc(n * sizeof(*f->function));
    f->flags = malloc(n * sizeof(*f->flags));
    f->base = malloc(n * sizeof(*f->base));
    l->box = malloc(n * sizeof(*l->box));
    l->start = malloc(n * sizeof(*l->start));
    return f->x0 && f->x1 && f->function && f->flags && f->base && l->box && l->start;
}

/* Rounded at both ends, so that neighbours touch and children stay inside whatever the scale. */
static uint32_t position(const struct layout *l, int64_t ticks)
{
    int64_t x = ticks / l->divisor;
    if (ticks % l->divisor > l->divisor / 2)
        x++;
    return (uint32_t)x;
}

static void put(struct layout *l, uint32_t box, int64_t start)
{
    struct flame *f = l->out;
    const struct flame_box *b = &l->boxes->items[box];
    uint32_t x0 = position(l, start);
    uint32_t x1 = position(l, start + b->width);
    if (x1 <= x0 && box != 0) {
        f->pruned++;
        return;
    }
    size_t at = f->nodes++;
    f->x0[at] = x0;
    f->x1[at] = x1;
    f->function[at] = b->function;
    f->flags[at] = b->flags;
    uint32_t base = position(l, b->base);
    f->base[at] = base < x1 - x0 ? base : x1 - x0;
    l->box[at] = box;
    l->start[at] = start;
}

static enum status lay_rows(struct layout *l, uint32_t max_depth)
{
    struct flame *f = l->out;
    put(l, 0, 0);
    size_t begin = 0;
    for (;;) {
        if (!array_reserve(&f->row_start, &l->cap_rows, f->rows_len + 2))
            return STATUS_NO_MEMORY;
        f->row_start[f->rows_len++] = begin;
        f->row_start[f->rows_len] = f->nodes;
        size_t end = f->nodes;
        for (size_t i = begin; i < end; i++) {
            uint32_t box = l->box[i];
            int64_t start = l->start[i];
            for (size_t c = l->order->first[box]; c < l->order->first[box + 1]; c++) {
                uint32_t child = l->order->child[c];
                put(l, child, start);
                start += l->boxes->items[child].width;
            }
        }
        if (f->nodes == end)
            return STATUS_OK;
        if (max_depth && f->rows_len > max_depth) {
            f->nodes = end;
            f->truncated_depth = 1;
            return STATUS_OK;
        }
        begin = end;
    }
}

/* Whole numbers while they fit 32 bits; else the least divisor that makes them fit. */
static int64_t choose_divisor(const struct flame_boxes *b)
{
    int64_t unit = b->unit > 0 ? b->unit : 1;
    if (b->total / unit <= UINT32_MAX)
        return unit;
    return b->total / UINT32_MAX + 1;
}

enum status flame_lay_out(struct flame *f, const struct flame_boxes *b, uint32_t max_depth,
                          double tick)
{
    struct order order = {0};
    struct layout l = {.out = f, .boxes = b, .order = &order, .divisor = choose_divisor(b)};
    f->scale = (double)l.divisor * tick;
    f->pruned = b->pruned;
    enum status st = sort_children(&order, b);
    if (st == STATUS_OK)
        st = alloc_flame(&l) ? lay_rows(&l, max_depth) : STATUS_NO_MEMORY;
    free(order.first);
    free(order.child);
    free(l.box);
    free(l.start);
    return st;
}

/* Columns that say nothing of one profile. */
static void drop_columns(struct flame *f)
{
    free(f->base);
    f->base = NULL;
    uint32_t any = 0;
    for (size_t i = 0; i < f->nodes; i++)
        any |= f->flags[i];
    if (!any) {
        free(f->flags);
        f->flags = NULL;
    }
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

enum status flame_build(struct flame *out, const struct profile *p, struct query_cache *cache,
                        const struct query_filter *filter, const struct flame_options *options,
                        struct error *err)
{
    struct merged m;
    enum status st = merged_init(&m, p, cache, filter, options->min_fraction, err);
    if (st != STATUS_OK)
        return st;
    struct flame f = {.value = m.value, .samples = m.samples, .is_estimated = m.is_estimated};
    struct flame_boxes boxes;
    st = options->is_inverted ? flame_boxes_inverted(&boxes, &m, options, p->tables.functions_len)
                              : flame_boxes_top_down(&boxes, &m, options);
    if (st == STATUS_OK)
        st = flame_lay_out(&f, &boxes, options->max_depth, m.tick);
    if (st == STATUS_OK)
        drop_columns(&f);
    f.total = (double)boxes.total * m.tick;
    /* Ticks of an estimate are rounded; the whole is known. */
    if (m.is_estimated && !filter->has_focus)
        f.total = query_value_total(p, &m.value);
    f.left_out = (double)boxes.negative * m.tick;
    f.from_s = filter->has_from ? seconds(filter->from_ns) : 0;
    f.to_s = filter->has_to ? seconds(filter->to_ns) : seconds(p->duration_ns);
    flame_boxes_free(&boxes);
    f.groups = m.groups;
    m.groups = (struct groups){0};
    merged_deinit(&m);
    if (st != STATUS_OK) {
        flame_free(&f);
        return error_set(err, st, "no memory for the flame graph");
    }
    *out = f;
    return STATUS_OK;
}

void flame_free(struct flame *f)
{
    free(f->x0);
    free(f->x1);
    free(f->function);
    free(f->flags);
    free(f->base);
    free(f->row_start);
    groups_deinit(&f->groups);
    free(f->in_time);
    *f = (struct flame){0};
}
