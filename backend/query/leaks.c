#include "backend/query/leaks.h"

#include <math.h>
#include <stdlib.h>

#include "backend/query/heap_values.h"
#include "backend/query/memory_places.h"
#include "backend/query/merge.h"
#include "common/base/array.h"

enum {
    END_GRID = 200,             /* how finely the program's end is looked for */
    LEAST_GROWTH = 64 * 1024,   /* bytes; less is not worth a person's time */
    TICK_NS = 100 * 1000 * 1000 /* the collector tells what changed so often */
};
static const double sure_enough = 0.99; /* of the trend */
static const double errors_apart = 3;   /* growth in standard errors, sampled */
static const double late_share = 0.35;  /* of the usual growth, that the last third must show */
static const double last_rise = 0.85;   /* of the windows: the last new high comes after these */

struct heap_rows {
    const struct sample_set *set;
    struct heap_columns columns;
    struct filter_rows rows;
    const struct memory_places *places;
};

static uint32_t place_at(const struct heap_rows *h, size_t row)
{
    uint32_t stack = h->set->stack ? h->set->stack[row] : 0;
    return filter_rows_pass(&h->rows, row) ? h->places->of_stack[stack] : MEMORY_OUTSIDE;
}

static int64_t change_at(const struct heap_rows *h, size_t row)
{
    int64_t change = heap_value_at(h->set, h->columns.allocated, row);
    merge_add(&change, -heap_value_at(h->set, h->columns.freed, row));
    return change;
}

/* ---- which part of the run ---- */

/* A program that ends gives its memory back: that is no news of what it did before. Within the last
 * fifth, the end is where less than half of the memory of before is left and never comes back. */
static uint64_t before_the_end(const struct heap_rows *h, uint64_t from, uint64_t to)
{
    int64_t total[END_GRID] = {0};
    for (size_t i = 0; i < h->set->len; i++) {
        uint64_t t = h->set->time_ns[i];
        if (t >= to || place_at(h, i) == MEMORY_OUTSIDE)
            continue;
        size_t k = t <= from ? 0 : (size_t)((double)(t - from) / (double)(to - from) * END_GRID);
        merge_add(&total[k < END_GRID ? k : END_GRID - 1], change_at(h, i));
    }
    int64_t most = 0;
    for (size_t k = 1; k < END_GRID; k++)
        merge_add(&total[k], total[k - 1]);
    for (size_t k = END_GRID / 2; k < END_GRID; k++)
        most = total[k] > most ? total[k] : most;
    size_t end = END_GRID;
    while (end > END_GRID - END_GRID / 5 && total[end - 1] < most / 2)
        end--;
    return from + (uint64_t)((double)(to - from) * (double)end / END_GRID);
}

static bool choose_span(struct leaks *l, const struct heap_rows *h, const struct profile *p,
                        const struct query_filter *f)
{
    if (!h->set->time_ns || h->set->len == 0)
        return false;
    uint64_t last = h->set->time_ns[h->set->len - 1] + 1;
    uint64_t end = p->duration_ns > last ? p->duration_ns : last;
    l->from_ns = f->has_from ? f->from_ns : 0;
    l->to_ns = f->has_to && f->to_ns < end ? f->to_ns : end;
    if (l->from_ns >= l->to_ns)
        return false;
    if (l->to_ns == end)
        l->to_ns = before_the_end(h, l->from_ns, end);
    uint64_t ticks = (l->to_ns - l->from_ns) / TICK_NS;
    l->windows = ticks < LEAKS_WINDOWS ? (size_t)ticks : LEAKS_WINDOWS;
    return l->windows >= LEAKS_LEAST_WINDOWS;
}

/* ---- what is kept, by place and window ---- */

/* What a place has now, and since when. */
struct kept {
    int64_t bytes;
    uint64_t since;
};

static size_t window_of(const struct leaks *l, uint64_t t)
{
    if (t <= l->from_ns)
        return 0;
    size_t k =
        (size_t)((double)(t - l->from_ns) / (double)(l->to_ns - l->from_ns) * (double)l->windows);
    return k < l->windows ? k : l->windows - 1;
}

/* It had this from its last change until `t`. */
static void keep(const struct leaks *l, const struct kept *k, uint64_t t, int64_t *least)
{
    for (size_t w = window_of(l, k->since); w <= window_of(l, t); w++)
        least[w] = k->bytes < least[w] ? k->bytes : least[w];
}

/* The least that each place had in each window: what comes and goes within one does not count. */
static enum status find_kept(const struct leaks *l, const struct heap_rows *h, int64_t **out)
{
    size_t places = h->places->len ? h->places->len : 1;
    struct kept *now = calloc(places, sizeof(*now));
    int64_t *least = calloc(places, l->windows * sizeof(*least));
    if (!now || !least) {
        free(now);
        free(least);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < places * l->windows; i++)
        least[i] = INT64_MAX;
    for (size_t i = 0; i < h->set->len; i++) {
        uint64_t t = h->set->time_ns[i];
        uint32_t place = place_at(h, i);
        if (t >= l->to_ns || place == MEMORY_OUTSIDE)
            continue;
        /* What is told of one moment belongs together. */
        if (t >= l->from_ns && t != now[place].since) {
            keep(l, &now[place], t, &least[place * l->windows]);
            now[place].since = t;
        }
        merge_add(&now[place].bytes, change_at(h, i));
    }
    for (size_t place = 0; place < h->places->len; place++)
        keep(l, &now[place], l->to_ns, &least[place * l->windows]);
    free(now);
    *out = least;
    return STATUS_OK;
}

/* ---- is it a trend ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double normal_below(double z)
{
    return 0.5 * erfc(-z / sqrt(2.0));
}

/* Mann and Kendall's test for a trend, ties counted; Theil and Sen's slope a window. */
static double trend(const double *y, size_t n, double *slope)
{
    double slopes[LEAKS_WINDOWS * (LEAKS_WINDOWS - 1) / 2];
    size_t pairs = 0;
    double score = 0;
    double ties = 0;
    for (size_t i = 0; i < n; i++) {
        size_t same = 1;
        bool is_first = true;
        for (size_t k = 0; k < n; k++) {
            if (k < i && y[k] == y[i])
                is_first = false;
            if (k <= i)
                continue;
            same += y[k] == y[i];
            score += (y[k] > y[i]) - (y[k] < y[i]);
            slopes[pairs++] = (y[k] - y[i]) / (double)(k - i);
        }
        double t = (double)same;
        if (is_first)
            ties += t * (t - 1) * (2 * t + 5);
    }
    qsort(slopes, pairs, sizeof(*slopes), by_size);
    *slope = pairs % 2 ? slopes[pairs / 2] : (slopes[pairs / 2 - 1] + slopes[pairs / 2]) / 2;
    double m = (double)n;
    double variance = (m * (m - 1) * (2 * m + 5) - ties) / 18;
    if (variance <= 0 || score <= 0)
        return 0;
    return normal_below((score - 1) / sqrt(variance));
}

/* What has filled up no longer grows: not in the last third, and no new high at the end. */
static bool grows_still(const double *y, size_t n)
{
    size_t third = n - n / 3;
    double usual = (y[n - 1] - y[0]) / (double)(n - 1);
    double late = (y[n - 1] - y[third - 1]) / (double)(n - third);
    size_t high = 0;
    for (size_t k = 1; k < n; k++) {
        if (y[k] > y[high])
            high = k;
    }
    return late >= late_share * usual && (double)(high + 1) > last_rise * (double)n;
}

static bool judge(struct leak *leak, const struct leaks *l, uint64_t every_bytes)
{
    const double *y = leak->in_use;
    size_t n = l->windows;
    double slope;
    leak->grown_bytes = y[n - 1] - y[0];
    if (leak->grown_bytes < LEAST_GROWTH || !grows_still(y, n))
        return false;
    leak->confidence = trend(y, n, &slope);
    double window_min = (double)(l->to_ns - l->from_ns) / 6e10 / (double)n;
    leak->bytes_per_min = slope / window_min;
    leak->steps = (uint32_t)n - 1;
    leak->rises = 0;
    for (size_t k = 1; k < n; k++)
        leak->rises += y[k] > y[k - 1];
    /* Of what came; blocks that others took the place of add to it, but break the trend too. */
    if (every_bytes) {
        leak->error_bytes = sqrt(leak->grown_bytes * (double)every_bytes);
        double sure = normal_below(leak->grown_bytes / leak->error_bytes);
        if (leak->grown_bytes < errors_apart * leak->error_bytes)
            return false;
        leak->confidence = fmin(leak->confidence, sure);
    }
    return leak->confidence >= sure_enough && slope > 0;
}

static int by_rate(const void *a, const void *b)
{
    const struct leak *x = a;
    const struct leak *y = b;
    if (x->bytes_per_min != y->bytes_per_min)
        return x->bytes_per_min > y->bytes_per_min ? -1 : 1;
    if (x->function != y->function)
        return x->function < y->function ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static enum status judge_all(struct leaks *l, const struct heap_rows *h, const int64_t *kept,
                             uint64_t every_bytes)
{
    size_t cap = 0;
    for (size_t i = 0; i < h->places->len; i++) {
        const struct memory_place *at = &h->places->items[i];
        struct leak leak = {.function = at->function, .line = at->line, .stack = at->stack};
        for (size_t k = 0; k < l->windows; k++)
            leak.in_use[k] = (double)kept[i * l->windows + k];
        if (!judge(&leak, l, every_bytes))
            continue;
        if (!array_reserve(&l->items, &cap, l->len + 1))
            return STATUS_NO_MEMORY;
        l->items[l->len++] = leak;
    }
    if (l->len > 1)
        qsort(l->items, l->len, sizeof(*l->items), by_rate);
    return STATUS_OK;
}

/* The stack that leaks most of each place's growth. */
static enum status find_stacks(struct leaks *l, const struct heap_rows *h, const struct profile *p)
{
    size_t stacks = p->tables.stacks_len ? p->tables.stacks_len : 1;
    int64_t *grown = calloc(stacks, sizeof(*grown));
    uint32_t *best = calloc(h->places->len ? h->places->len : 1, sizeof(*best));
    if (!grown || !best) {
        free(grown);
        free(best);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < h->set->len; i++) {
        uint64_t t = h->set->time_ns[i];
        if (t >= l->from_ns && t < l->to_ns && place_at(h, i) != MEMORY_OUTSIDE)
            merge_add(&grown[h->set->stack ? h->set->stack[i] : 0], change_at(h, i));
    }
    for (uint32_t s = 0; s < stacks; s++) {
        uint32_t place = h->places->of_stack[s];
        if (place != MEMORY_OUTSIDE && grown[s] > 0 &&
            (best[place] == 0 || grown[s] > grown[best[place]]))
            best[place] = s;
    }
    for (size_t i = 0; i < l->len; i++) {
        uint32_t place = h->places->of_stack[l->items[i].stack];
        if (place != MEMORY_OUTSIDE && best[place])
            l->items[i].stack = best[place];
    }
    free(grown);
    free(best);
    return STATUS_OK;
}

enum status leaks_find(struct leaks *out, const struct profile *p,
                       const struct query_filter *filter, enum memory_by by, struct error *err)
{
    uint32_t set;
    struct heap_rows h = {0};
    struct memory_places places = {0};
    struct query_filter others = *filter;
    struct leaks l = {0};
    int64_t *kept = NULL;
    if (!heap_set_find(p, &set, &h.columns))
        return error_set(err, STATUS_UNSUPPORTED,
                         "this profile does not tell allocations over time");
    h.set = &p->sets[set];
    h.places = &places;
    others.has_from = others.has_to = false;
    enum status st = memory_places_init(&places, p, filter, by);
    if (st == STATUS_OK)
        st = filter_rows_init(&h.rows, p, h.set, false, &others);
    if (st == STATUS_OK) {
        l.is_too_short = !choose_span(&l, &h, p, filter);
        if (!l.is_too_short)
            st = find_kept(&l, &h, &kept);
        if (st == STATUS_OK && kept)
            st = judge_all(&l, &h, kept, heap_every_bytes(p, h.set));
        if (st == STATUS_OK && l.len)
            st = find_stacks(&l, &h, p);
    }
    free(kept);
    filter_rows_deinit(&h.rows);
    memory_places_deinit(&places);
    if (st != STATUS_OK) {
        leaks_free(&l);
        return error_set(err, st, "no memory to look for leaks");
    }
    *out = l;
    return STATUS_OK;
}

void leaks_free(struct leaks *l)
{
    free(l->items);
    *l = (struct leaks){0};
}
