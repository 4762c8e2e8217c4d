#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/diff_parts.h"
#include "backend/query/diff_stats.h"

/* With fewer samples in both together no change can be significant; leaving them out by their sum,
 * which says nothing of the change, makes the others' tests sharper. */
enum { LEAST_SAMPLES = 6 };

/* ---- functions ---- */

double diff_test_counts(const struct diff *d, uint64_t base, uint64_t target)
{
    if (base + target < LEAST_SAMPLES)
        return (double)NAN;
    if (d->normalise == DIFF_BY_TOTAL)
        return diff_proportions(base, d->base_samples, target, d->target_samples);
    return diff_poisson(base, target, d->base_total / (double)d->base_samples,
                        d->target_total / (double)d->target_samples);
}

/* `calls`: how often the change was paid, where the numbers are those of one call. */
static bool is_growth(const struct diff *d, const struct diff_number *n, uint64_t calls)
{
    double change = n->target - n->base;
    double whole = fmax(d->base_total, d->normalise == DIFF_BY_TOTAL ? 0 : d->target_total);
    double paid = d->normalise == DIFF_BY_CALLS ? change * (double)calls : change;
    if (d->is_tested && !n->is_significant)
        return false;
    return change > 0 && paid >= DIFF_LEAST_SHARE * whole &&
           change >= DIFF_LEAST_RELATIVE * n->base;
}

static int compare_rows(const void *a, const void *b)
{
    const struct diff_row *x = a;
    const struct diff_row *y = b;
    if (x->is_regression != y->is_regression)
        return x->is_regression ? -1 : 1;
    double x_self = x->self.target - x->self.base;
    double y_self = y->self.target - y->self.base;
    if (x_self != y_self)
        return x_self > y_self ? -1 : 1;
    double x_total = x->total.target - x->total.base;
    double y_total = y->total.target - y->total.base;
    if (x_total != y_total)
        return x_total > y_total ? -1 : 1;
    if (x->target_function != y->target_function)
        return x->target_function < y->target_function ? -1 : 1;
    return x->base_function < y->base_function ? -1 : x->base_function > y->base_function;
}

static void set_q(struct diff_number *n, double q)
{
    n->q = q;
    n->is_significant = q <= DIFF_RATE; /* NaN is not */
}

/* Self and total are two families of tests: whoever reads a column sees its rate. */
static enum status test_rows(struct diff *d)
{
    size_t n = d->len ? d->len : 1;
    double *p = malloc(n * sizeof(*p));
    double *q = malloc(n * sizeof(*q));
    size_t *order = malloc(n * sizeof(*order));
    enum status st = p && q && order ? STATUS_OK : STATUS_NO_MEMORY;
    for (int family = 0; st == STATUS_OK && family < 2; family++) {
        for (size_t i = 0; i < d->len; i++) {
            const struct diff_row *r = &d->rows[i];
            p[i] = family ? diff_test_counts(d, r->base_samples_total, r->target_samples_total)
                          : diff_test_counts(d, r->base_samples_self, r->target_samples_self);
        }
        diff_control(p, q, order, d->len);
        for (size_t i = 0; i < d->len; i++)
            set_q(family ? &d->rows[i].total : &d->rows[i].self, q[i]);
    }
    free(p);
    free(q);
    free(order);
    return st;
}

enum status diff_judge_rows(struct diff *d)
{
    enum status st = d->is_tested ? test_rows(d) : STATUS_OK;
    if (st != STATUS_OK)
        return st;
    for (size_t i = 0; i < d->len; i++) {
        struct diff_row *r = &d->rows[i];
        r->is_significant = r->self.is_significant || r->total.is_significant;
        r->is_regression =
            is_growth(d, &r->self, r->target_calls) || is_growth(d, &r->total, r->target_primitive);
        d->significant += r->is_significant;
        d->regressions += r->is_regression;
    }
    if (d->len > 1)
        qsort(d->rows, d->len, sizeof(*d->rows), compare_rows);
    return STATUS_OK;
}

/* ---- benchmarks ---- */

static int compare_names(const void *a, const void *b)
{
    const struct diff_benchmark *x = a;
    const struct diff_benchmark *y = b;
    int order = strcmp(x->name, y->name);
    if (order == 0)
        order = (y->base != NULL) - (x->base != NULL);
    return order;
}

static double growth_of(const struct diff_benchmark *b)
{
    double g = b->base && b->target ? diff_relative(b->base->mean_s, b->target->mean_s) : 0;
    return isnan(g) ? 0 : g;
}

static int compare_benchmarks(const void *a, const void *b)
{
    const struct diff_benchmark *x = a;
    const struct diff_benchmark *y = b;
    if (x->is_regression != y->is_regression)
        return x->is_regression ? -1 : 1;
    double x_growth = growth_of(x);
    double y_growth = growth_of(y);
    if (x_growth != y_growth)
        return x_growth > y_growth ? -1 : 1;
    return compare_names(a, b);
}

static void put_all(struct diff *d, const struct profile *p, bool is_base)
{
    for (size_t i = 0; i < p->benchmarks_len; i++) {
        const struct model_benchmark *b = &p->benchmarks[i];
        d->benchmarks[d->benchmarks_len++] = (struct diff_benchmark){
            .name = strtab_text(&p->tables.strings, b->name),
            .base = is_base ? b : NULL,
            .target = is_base ? NULL : b,
            .q = (double)NAN,
        };
    }
}

static void join_names(struct diff *d)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->benchmarks_len; i++) {
        struct diff_benchmark *last = kept ? &d->benchmarks[kept - 1] : NULL;
        struct diff_benchmark *b = &d->benchmarks[i];
        if (last && !last->target && b->target && strcmp(last->name, b->name) == 0)
            last->target = b->target;
        else
            d->benchmarks[kept++] = *b;
    }
    d->benchmarks_len = kept;
}

/* A stall in one round moves the mean, not the median: both must have grown. */
static bool is_slower(const struct diff_benchmark *b)
{
    double mean = diff_relative(b->base->mean_s, b->target->mean_s);
    double median = diff_relative(b->base->median_s, b->target->median_s);
    bool is_tested = !isnan(b->q);
    return mean >= DIFF_LEAST_RELATIVE && (isnan(median) || median >= DIFF_LEAST_RELATIVE) &&
           (!is_tested || b->is_significant);
}

enum status diff_judge_benchmarks(struct diff *d)
{
    size_t most = d->base->benchmarks_len + d->target->benchmarks_len;
    d->benchmarks = calloc(most, sizeof(*d->benchmarks));
    double *p = malloc(most * sizeof(*p));
    double *q = malloc(most * sizeof(*q));
    size_t *order = malloc(most * sizeof(*order));
    enum status st = d->benchmarks && p && q && order ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        put_all(d, d->base, true);
        put_all(d, d->target, false);
        qsort(d->benchmarks, d->benchmarks_len, sizeof(*d->benchmarks), compare_names);
        join_names(d);
        for (size_t i = 0; i < d->benchmarks_len; i++) {
            const struct diff_benchmark *b = &d->benchmarks[i];
            p[i] = b->base && b->target
                       ? diff_welch(b->base->mean_s, b->base->stddev_s, b->base->rounds,
                                    b->target->mean_s, b->target->stddev_s, b->target->rounds)
                       : (double)NAN;
        }
        diff_control(p, q, order, d->benchmarks_len);
        for (size_t i = 0; i < d->benchmarks_len; i++) {
            struct diff_benchmark *b = &d->benchmarks[i];
            b->q = q[i];
            b->is_significant = q[i] <= DIFF_RATE;
            b->is_regression = b->base && b->target && is_slower(b);
            d->significant += b->is_significant;
            d->regressions += b->is_regression;
        }
        qsort(d->benchmarks, d->benchmarks_len, sizeof(*d->benchmarks), compare_benchmarks);
    }
    free(p);
    free(q);
    free(order);
    return st;
}
