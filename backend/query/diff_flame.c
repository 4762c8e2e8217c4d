#include "backend/query/diff_flame.h"

#include <math.h>
#include <stdlib.h>

#include "backend/query/diff_parts.h"
#include "backend/query/diff_stats.h"
#include "backend/query/flame_rows.h"
#include "backend/query/merge.h"

/* Both trees in one: nodes by (parent, row of the diff). */
struct joint {
    const struct diff *d;
    struct merge_tree tree;
    int64_t *self, *base;
    uint32_t *flags;
    size_t cap;
    double tick;
    bool is_estimated;
    uint64_t samples;
};

static void joint_deinit(struct joint *j)
{
    merge_tree_deinit(&j->tree);
    free(j->self);
    free(j->base);
    free(j->flags);
}

/* Row of the diff, +1, of each function of one side. */
static uint32_t *rows_of(const struct diff *d, bool is_base)
{
    size_t n = (is_base ? d->base : d->target)->tables.functions_len;
    uint32_t *row = calloc(n ? n : 1, sizeof(*row));
    for (size_t i = 0; row && i < d->len; i++) {
        uint32_t f = is_base ? d->rows[i].base_function : d->rows[i].target_function;
        if (f != (uint32_t)DIFF_NONE && f < n)
            row[f] = (uint32_t)i + 1;
    }
    return row;
}

/* Whole ticks where both count alike; else so fine that nothing is lost in scaling. */
static double choose_tick(const struct diff *d, double base_tick, double target_tick)
{
    if (base_tick == target_tick)
        return base_tick;
    double whole = fabs(d->base_total) + fabs(d->target_total);
    if (d->normalise == DIFF_BY_TOTAL)
        whole = 2 * fabs(d->base_total);
    return whole > 0 ? whole / 0x1p50 : 1;
}

/* One side's tree into the joint one. A function that has no row (it came to nothing) is passed
 * over: what is below it hangs on its parent. */
static enum status add_side(struct joint *j, const struct merged *m, const uint32_t *row,
                            double ticks, bool is_base)
{
    uint32_t *to = calloc(m->tree->len, sizeof(*to));
    enum status st = to ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < m->tree->len && st == STATUS_OK; i++) {
        uint32_t r = i ? row[m->tree->function[i]] : 0;
        to[i] = to[m->tree->parent[i]];
        if (r)
            st = merge_tree_child(&j->tree, to[i], r - 1, &to[i]);
        if (st != STATUS_OK)
            break;
        double amount = ticks == 1 ? 0 : (double)m->self[i] * ticks;
        int64_t self = ticks == 1 ? m->self[i] : fabs(amount) < 9e18 ? llround(amount) : INT64_MAX;
        if (self < 0)
            self = 0; /* freed more than allocated there: cannot be drawn */
        merge_add(&j->self[to[i]], self);
        if (is_base)
            merge_add(&j->base[to[i]], self);
        if (m->flags)
            j->flags[to[i]] |= m->flags[i];
    }
    free(to);
    return st;
}

static enum status join(struct joint *j, const struct merged *base, const struct merged *target)
{
    const struct diff *d = j->d;
    double scale = d->target_scale;
    double target_tick = target->tick * scale;
    size_t most = base->tree->len + target->tree->len;
    j->tick = choose_tick(d, base->tick, target_tick);
    j->is_estimated = base->is_estimated || target->is_estimated;
    j->samples = base->samples + target->samples;
    j->self = calloc(most, sizeof(*j->self));
    j->base = calloc(most, sizeof(*j->base));
    j->flags = calloc(most, sizeof(*j->flags));
    uint32_t *base_row = rows_of(d, true);
    uint32_t *target_row = rows_of(d, false);
    enum status st = STATUS_NO_MEMORY;
    if (j->self && j->base && j->flags && base_row && target_row)
        st = merge_tree_init(&j->tree);
    if (st == STATUS_OK)
        st = add_side(j, base, base_row, base->tick / j->tick, true);
    if (st == STATUS_OK)
        st = add_side(j, target, target_row, target_tick / j->tick, false);
    free(base_row);
    free(target_row);
    return st;
}

/* ---- more than chance? ---- */

static uint64_t to_samples(double amount, double total, uint64_t samples)
{
    double n = total > 0 ? amount / total * (double)samples : 0;
    return n > 0 && n < 1e18 ? (uint64_t)(n + 0.5) : 0;
}

/* A box's samples are its share of the profile's: exact where all weigh the same. */
static enum status test_boxes(struct flame *f, const struct diff *d)
{
    if (!d->is_tested)
        return STATUS_OK;
    double target_total = d->normalise == DIFF_BY_TOTAL ? d->base_total : d->target_total;
    double *p = malloc(f->nodes * sizeof(*p));
    double *q = malloc(f->nodes * sizeof(*q));
    size_t *order = malloc(f->nodes * sizeof(*order));
    enum status st = p && q && order ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < f->nodes && st == STATUS_OK; i++) {
        double base = f->base[i] * f->scale;
        double target = (f->x1[i] - f->x0[i] - f->base[i]) * f->scale;
        p[i] = diff_test_counts(d, to_samples(base, d->base_total, d->base_samples),
                                to_samples(target, target_total, d->target_samples));
    }
    if (st == STATUS_OK)
        diff_control(p, q, order, f->nodes);
    for (size_t i = 0; i < f->nodes && st == STATUS_OK; i++) {
        if (q[i] <= DIFF_RATE)
            f->flags[i] |= FLAME_CHANGED;
    }
    free(p);
    free(q);
    free(order);
    return st;
}

/* ---- */

static enum status draw(struct flame *f, const struct joint *j, const struct flame_options *options)
{
    struct merged m = {
        .tick = j->tick, .tree = &j->tree, .self = j->self, .base = j->base, .flags = j->flags};
    struct flame_boxes boxes;
    enum status st = options->is_inverted ? flame_boxes_inverted(&boxes, &m, options, j->d->len)
                                          : flame_boxes_top_down(&boxes, &m, options);
    if (st == STATUS_OK)
        st = flame_lay_out(f, &boxes, options->max_depth, j->tick);
    f->total = (double)boxes.total * j->tick;
    flame_boxes_free(&boxes);
    return st == STATUS_OK ? test_boxes(f, j->d) : st;
}

enum status diff_flame_build(struct flame *out, const struct diff *d,
                             struct query_cache *base_cache, struct query_cache *target_cache,
                             const struct flame_options *options, struct error *err)
{
    if (!d->value.unit)
        return error_set(err, STATUS_UNSUPPORTED,
                         "these two have benchmarks in common, which make no flame graph");
    struct query_filter base_filter = {.value = d->base_key};
    struct query_filter target_filter = {.value = d->target_key};
    struct merged base = {0};
    struct merged target = {0};
    struct joint j = {.d = d};
    enum status st =
        merged_init(&base, d->base, base_cache, &base_filter, options->min_fraction, err);
    if (st != STATUS_OK)
        return st;
    st = merged_init(&target, d->target, target_cache, &target_filter, options->min_fraction, err);
    if (st != STATUS_OK) {
        merged_deinit(&base);
        return st;
    }
    st = join(&j, &base, &target);
    merged_deinit(&base);
    merged_deinit(&target);
    struct flame f = {.value = d->value, .samples = j.samples, .is_estimated = j.is_estimated};
    if (st == STATUS_OK)
        st = draw(&f, &j, options);
    joint_deinit(&j);
    if (st != STATUS_OK) {
        flame_free(&f);
        return error_set(err, st, "no memory for the flame graph");
    }
    *out = f;
    return STATUS_OK;
}
