#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/query/diff_parts.h"
#include "backend/query/names.h"
#include "backend/query/summary.h"

static const char *const state_names[] = {"changed", "added", "removed", "same"};

static size_t at_most(size_t n, size_t top)
{
    return top && top < n ? top : n;
}

/* ---- JSON ---- */

static void put_known(struct json_out *j, const char *key, double v)
{
    if (isnan(v))
        return; /* keys that do not apply are left out */
    json_put_f64(j, key, v);
}

static void put_change(struct json_out *j, double base, double target)
{
    put_known(j, "base", base);
    put_known(j, "target", target);
    put_known(j, "change", target - base);
    put_known(j, "relative", diff_relative(base, target));
}

static void put_number(struct json_out *j, const char *key, const struct diff_number *n,
                       bool is_tested)
{
    json_out_key(j, key);
    json_out_object(j);
    put_change(j, n->base, n->target);
    put_known(j, "q", n->q);
    if (is_tested)
        json_put_bool(j, "is_significant", n->is_significant);
    json_out_end(j);
}

static void put_pair(struct json_out *j, const char *key, uint64_t base, uint64_t target)
{
    json_out_key(j, key);
    json_out_object(j);
    json_put_u64(j, "base", base);
    json_put_u64(j, "target", target);
    json_out_end(j);
}

static void put_row(struct json_out *j, const struct diff *d, const struct diff_row *r)
{
    uint32_t function;
    const struct profile *who = diff_row_who(d, r, &function);
    size_t len;
    const char *module = names_module(who, function, &len);
    json_out_object(j);
    names_members(j, who, function);
    if (len) {
        json_out_key(j, "module");
        json_out_string(j, module, len);
    }
    if (r->base_function != (uint32_t)DIFF_NONE)
        json_put_u64(j, "base_id", r->base_function);
    if (r->target_function != (uint32_t)DIFF_NONE)
        json_put_u64(j, "target_id", r->target_function);
    json_put_text(j, "state", state_names[r->state]);
    put_number(j, "self", &r->self, d->is_tested);
    put_number(j, "total", &r->total, d->is_tested);
    if (d->is_tested) {
        put_pair(j, "samples_self", r->base_samples_self, r->target_samples_self);
        put_pair(j, "samples_total", r->base_samples_total, r->target_samples_total);
        json_put_bool(j, "is_significant", r->is_significant);
    }
    if (d->value.source == QUERY_CALL_GRAPH) {
        put_pair(j, "ncalls", r->base_calls, r->target_calls);
        put_pair(j, "primitive_calls", r->base_primitive, r->target_primitive);
    }
    json_put_bool(j, "is_regression", r->is_regression);
    json_out_end(j);
}

static void put_benchmark(struct json_out *j, const struct diff_benchmark *b)
{
    static const struct model_benchmark none = {.mean_s = (double)NAN,
                                                .median_s = (double)NAN,
                                                .stddev_s = (double)NAN,
                                                .min_s = (double)NAN};
    const struct model_benchmark *x = b->base ? b->base : &none;
    const struct model_benchmark *y = b->target ? b->target : &none;
    const struct {
        const char *key;
        double base, target;
    } numbers[] = {
        {"mean_s", x->mean_s, y->mean_s},
        {"median_s", x->median_s, y->median_s},
        {"stddev_s", x->stddev_s, y->stddev_s},
        {"min_s", x->min_s, y->min_s},
    };
    json_out_object(j);
    json_put_text(j, "name", b->name);
    json_put_text(j, "state",
                  state_names[b->base && b->target ? DIFF_CHANGED
                              : b->target          ? DIFF_ADDED
                                                   : DIFF_REMOVED]);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        json_out_key(j, numbers[i].key);
        json_out_object(j);
        put_change(j, numbers[i].base, numbers[i].target);
        json_out_end(j);
    }
    put_pair(j, "rounds", x->rounds, y->rounds);
    put_known(j, "q", b->q);
    if (!isnan(b->q))
        json_put_bool(j, "is_significant", b->is_significant);
    json_put_bool(j, "is_regression", b->is_regression);
    json_out_end(j);
}

static void put_whole(struct json_out *j, const char *key, double total, uint64_t samples)
{
    json_out_key(j, key);
    json_out_object(j);
    put_known(j, "total", total);
    if (samples)
        json_put_u64(j, "samples", samples);
    json_out_end(j);
}

static void put_counts(struct json_out *j, const struct diff *d)
{
    uint64_t of[4] = {0};
    for (size_t i = 0; i < d->len; i++)
        of[d->rows[i].state]++;
    json_out_key(j, "counts");
    json_out_object(j);
    json_put_u64(j, "functions", d->len);
    for (size_t i = 0; i < 4; i++)
        json_put_u64(j, state_names[i], of[i]);
    json_put_u64(j, "benchmarks", d->benchmarks_len);
    json_put_u64(j, "significant", d->significant);
    json_put_u64(j, "regressions", d->regressions);
    json_out_end(j);
}

void diff_write_members(const struct diff *d, size_t top, struct json_out *j)
{
    if (d->value.unit) {
        json_put_text(j, "value", d->value.name);
        json_put_text(j, "unit", d->value.unit);
        json_put_text(j, "normalise", diff_normalise_name(d->normalise));
        json_put_bool(j, "is_tested", d->is_tested);
        if (d->is_tested)
            put_known(j, "rate", DIFF_RATE);
        put_whole(j, "base", d->base_total, d->base_samples);
        put_whole(j, "target", d->target_total, d->target_samples);
    }
    put_counts(j, d);
    json_out_key(j, "functions");
    json_out_array(j);
    for (size_t i = 0; i < at_most(d->len, top); i++)
        put_row(j, d, &d->rows[i]);
    json_out_end(j);
    json_out_key(j, "benchmarks");
    json_out_array(j);
    for (size_t i = 0; i < at_most(d->benchmarks_len, top); i++)
        put_benchmark(j, &d->benchmarks[i]);
    json_out_end(j);
}

/* ---- text ---- */

static void amount(double v, const char *unit, bool is_change, char out[32])
{
    char words[28];
    summary_amount(fabs(v), unit, words, sizeof(words));
    snprintf(out, 32, "%s%s", v < 0 ? "-" : is_change && v > 0 ? "+" : "", words);
}

static void relative(double base, double target, char out[16])
{
    double r = diff_relative(base, target);
    if (isnan(r))
        snprintf(out, 16, "%s", target > 0 ? "new" : "");
    else
        snprintf(out, 16, "%+.1f %%", fmax(-999999, fmin(999999, r * 100)));
}

/* A newline or an escape in a foreign name must not reach the terminal. */
static void put_place(struct buf *out, const struct profile *p, uint32_t function)
{
    struct buf place;
    buf_init(&place, 0);
    names_place(&place, p, function);
    struct error safe = {0};
    error_set(&safe, STATUS_OK, "%.*s", (int)(place.len < 400 ? place.len : 400),
              place.data ? (const char *)place.data : "");
    buf_put_text(out, safe.text);
    buf_deinit(&place);
}

static void text_row(const struct diff *d, const struct diff_row *r, struct buf *out)
{
    uint32_t function;
    const struct profile *who = diff_row_who(d, r, &function);
    char self[32];
    char self_part[16];
    char total[32];
    char total_part[16];
    char sure[24] = "";
    amount(r->self.target - r->self.base, d->value.unit, true, self);
    relative(r->self.base, r->self.target, self_part);
    amount(r->total.target - r->total.base, d->value.unit, true, total);
    relative(r->total.base, r->total.target, total_part);
    double q = fmin(isnan(r->self.q) ? 2 : r->self.q, isnan(r->total.q) ? 2 : r->total.q);
    if (d->is_tested && q <= 1)
        snprintf(sure, sizeof(sure), "%.2g", q < 1e-99 ? 0 : q);
    buf_printf(out, "%s %11s %10s %11s %10s ", r->is_regression ? "!" : " ", self, self_part, total,
               total_part);
    if (d->is_tested)
        buf_printf(out, "%9s ", sure);
    if (d->value.source == QUERY_CALL_GRAPH && d->target_value.source == QUERY_CALL_GRAPH) {
        char calls[48];
        snprintf(calls, sizeof(calls), "%" PRIu64 ">%" PRIu64, r->base_calls, r->target_calls);
        if (r->base_calls == r->target_calls)
            snprintf(calls, sizeof(calls), "%" PRIu64, r->target_calls);
        buf_printf(out, "%15s ", calls);
    }
    put_place(out, who, function);
    if (r->state == DIFF_ADDED || r->state == DIFF_REMOVED)
        buf_printf(out, " [%s]", state_names[r->state]);
    buf_put_byte(out, '\n');
}

static void text_functions(const struct diff *d, size_t top, struct buf *out)
{
    char base[32];
    char target[32];
    char part[16];
    bool is_graph =
        d->value.source == QUERY_CALL_GRAPH && d->target_value.source == QUERY_CALL_GRAPH;
    amount(d->base_total, d->value.unit, false, base);
    amount(d->target_total, d->value.unit, false, target);
    relative(d->base_total, d->target_total, part);
    buf_printf(out, "%s: %s -> %s (%s)", d->value.name, base, target, part);
    if (d->is_tested)
        buf_printf(out, ", %" PRIu64 " and %" PRIu64 " samples", d->base_samples,
                   d->target_samples);
    if (d->normalise == DIFF_BY_TOTAL)
        buf_put_text(out, "; the target is scaled to the base's total");
    if (d->normalise == DIFF_BY_CALLS)
        buf_put_text(out, "; numbers are those of one call");
    buf_printf(out, "\n%zu functions, %zu regressions (!)", d->len, d->regressions);
    if (d->is_tested)
        buf_printf(out, ", %zu changes beyond chance (q <= %.2f)", d->significant, DIFF_RATE);
    buf_printf(out, "\n\n  %11s %10s %11s %10s ", "self", "", "total", "");
    if (d->is_tested)
        buf_printf(out, "%9s ", "q");
    if (is_graph)
        buf_printf(out, "%15s ", "ncalls");
    buf_put_text(out, "function\n");
    size_t left = at_most(d->len, top);
    for (size_t i = 0; i < d->len && left; i++) {
        if (d->rows[i].state == DIFF_SAME)
            continue;
        text_row(d, &d->rows[i], out);
        left--;
    }
}

static void text_benchmark(const struct diff_benchmark *b, struct buf *out)
{
    char mean[32];
    char part[16] = "";
    char median[16] = "";
    char min[16] = "";
    struct error safe = {0};
    amount((b->target ? b->target : b->base)->mean_s, "s", false, mean);
    if (b->base && b->target) {
        relative(b->base->mean_s, b->target->mean_s, part);
        relative(b->base->median_s, b->target->median_s, median);
        relative(b->base->min_s, b->target->min_s, min);
    }
    error_set(&safe, STATUS_OK, "%.400s", b->name);
    buf_printf(out, "%s %11s %10s %10s %10s ", b->is_regression ? "!" : " ", mean, part, median,
               min);
    if (isnan(b->q))
        buf_printf(out, "%9s ", "");
    else
        buf_printf(out, "%9.2g ", b->q);
    buf_put_text(out, safe.text);
    if (!b->base || !b->target)
        buf_put_text(out, b->target ? " [added]" : " [removed]");
    buf_put_byte(out, '\n');
}

enum status diff_write_text(const struct diff *d, size_t top, struct buf *out)
{
    if (d->value.unit)
        text_functions(d, top, out);
    if (d->value.unit && d->benchmarks_len)
        buf_put_byte(out, '\n');
    if (d->benchmarks_len)
        buf_printf(out, "  %11s %10s %10s %10s %9s benchmark\n", "mean", "", "median", "min", "q");
    for (size_t i = 0; i < at_most(d->benchmarks_len, top); i++)
        text_benchmark(&d->benchmarks[i], out);
    return buf_status(out);
}
