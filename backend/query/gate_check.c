#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/query/gate.h"
#include "backend/query/names.h"
#include "backend/query/summary.h"

/* One number of a term in both profiles. */
struct reading {
    double base, target;
    double base_whole, target_whole; /* what a share is one of; 0 = none */
    const char *unit;
    bool may_be_chance;
};

struct checking {
    const struct gate_term *term;
    struct buf *reasons;
    struct error *err;
    size_t seen;
    bool holds;
};

static bool is_true(enum gate_op op, double v, double limit)
{
    switch (op) {
    case GATE_MORE:
        return v > limit;
    case GATE_MORE_EQUAL:
        return v >= limit;
    case GATE_LESS:
        return v < limit;
    case GATE_LESS_EQUAL:
        return v <= limit;
    }
    return false;
}

/* What one of the reading's unit is in the limit's; 0 = they do not agree. */
static double in_unit(const struct gate_term *t, const char *unit)
{
    bool is_bytes = strcmp(unit, "bytes") == 0 || strcmp(unit, "B") == 0;
    if (t->unit == GATE_SECONDS)
        return query_unit_seconds(unit);
    if (t->unit == GATE_BYTES)
        return is_bytes ? 1 : 0;
    return 1;
}

/* From 0 to something is more than any growth in percent. */
static double growth(double base, double target)
{
    double g = diff_relative(base, target);
    return !isnan(g) ? g : target > 0 ? (double)INFINITY : 0;
}

static double measured(const struct gate_term *t, const struct reading *r, double scale)
{
    if (t->unit == GATE_PERCENT) {
        if (t->is_growth)
            return growth(r->base, r->target);
        return r->target_whole > 0 ? r->target / r->target_whole : 0;
    }
    return (t->is_growth ? r->target - r->base : r->target) * scale;
}

static void tell(struct checking *c, const char *who, const struct reading *r)
{
    char base[32];
    char target[32];
    struct error line = {0};
    summary_amount(r->base, r->unit, base, sizeof(base));
    summary_amount(r->target, r->unit, target, sizeof(target));
    double g = growth(r->base, r->target) * 100;
    if (isfinite(g))
        error_set(&line, STATUS_OK, "%.300s: %s, was %s (%+.1f %%)", who, target, base, g);
    else
        error_set(&line, STATUS_OK, "%.300s: %s, was %s", who, target, base);
    buf_put_text(c->reasons, line.text);
    buf_put_byte(c->reasons, '\n');
}

static enum status read_one(struct checking *c, const char *who, const struct reading *r)
{
    const struct gate_term *t = c->term;
    double scale = in_unit(t, r->unit);
    if (scale <= 0)
        return error_set(c->err, STATUS_INVALID, "gate: %.200s is measured in %s, not in %s", who,
                         *r->unit ? r->unit : "numbers",
                         t->unit == GATE_SECONDS ? "seconds" : "bytes");
    c->seen++;
    bool is_upward = t->op == GATE_MORE || t->op == GATE_MORE_EQUAL;
    if (t->is_growth && is_upward && r->may_be_chance)
        return STATUS_OK;
    if (!is_true(t->op, measured(t, r, scale), t->limit))
        return STATUS_OK;
    c->holds = true;
    tell(c, who, r);
    return STATUS_OK;
}

/* ---- functions: any that the name fits ---- */

/* "hash_password", or "login.hash_password" with its module or file. */
static bool is_named(const char *pattern, const struct profile *p, uint32_t function)
{
    size_t len;
    const char *name = names_function(p, function, &len);
    if (gate_glob(pattern, name, len))
        return true;
    char full[512];
    size_t scope_len;
    const char *scope = names_module(p, function, &scope_len);
    if (scope_len == 0)
        scope = diff_stem(p, function, &scope_len);
    if (scope_len == 0 || scope_len + len + 1 > sizeof(full))
        return false;
    memcpy(full, scope, scope_len);
    full[scope_len] = '.';
    memcpy(full + scope_len + 1, name, len);
    return gate_glob(pattern, full, scope_len + 1 + len);
}

static struct reading read_row(const struct gate_term *t, const struct diff *d,
                               const struct diff_row *r)
{
    if (t->metric == GATE_CALLS)
        return (struct reading){
            .base = (double)r->base_calls, .target = (double)r->target_calls, .unit = ""};
    const struct diff_number *n = t->metric == GATE_SELF ? &r->self : &r->total;
    return (struct reading){
        .base = n->base,
        .target = n->target,
        .base_whole = d->base_total,
        .target_whole = d->normalise == DIFF_BY_TOTAL ? d->base_total : d->target_total,
        .unit = d->value.unit,
        .may_be_chance = d->is_tested && !n->is_significant,
    };
}

static enum status check_rows(struct checking *c, const struct diff *d)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < d->len && st == STATUS_OK; i++) {
        const struct diff_row *row = &d->rows[i];
        uint32_t function;
        const struct profile *who = diff_row_who(d, row, &function);
        if (!is_named(c->term->name, who, function))
            continue;
        struct reading r = read_row(c->term, d, row);
        struct buf place;
        buf_init(&place, 0);
        names_place(&place, who, function);
        buf_put_byte(&place, 0);
        st = buf_status(&place);
        if (st == STATUS_OK)
            st = read_one(c, (const char *)place.data, &r);
        buf_deinit(&place);
    }
    return st;
}

/* ---- the whole ---- */

static enum status check_whole(struct checking *c, const struct diff *d)
{
    struct reading r = {.base = d->base_total, .target = d->target_total, .unit = d->value.unit};
    if (c->term->metric == GATE_TOTAL)
        return read_one(c, "total", &r);
    r = (struct reading){.unit = ""};
    for (size_t i = 0; i < d->len; i++) {
        r.base += (double)d->rows[i].base_calls;
        r.target += (double)d->rows[i].target_calls;
    }
    return read_one(c, "calls", &r);
}

static bool is_bytes(const char *unit)
{
    return strcmp(unit, "bytes") == 0 || strcmp(unit, "B") == 0;
}

/* The largest point of the series that tells memory: resident, else whichever is in bytes. */
static bool highest_point(const struct profile *p, double *out)
{
    const struct series *best = NULL;
    for (size_t i = 0; i < p->series_len; i++) {
        const struct series *s = &p->series[i];
        if (!s->len || !is_bytes(strtab_text(&p->tables.strings, s->unit)))
            continue;
        bool is_rss = strcmp(strtab_text(&p->tables.strings, s->name), "rss") == 0;
        if (best && (!is_rss || best->has_process < s->has_process))
            continue;
        best = s;
    }
    for (size_t k = 0; best && k < best->len; k++)
        *out = k && *out > best->value[k] ? *out : best->value[k];
    return best != NULL;
}

static bool read_memory(const struct profile *p, bool is_peak, double *out)
{
    struct query_values v = {0};
    bool is_found = false;
    if (query_values_list(p, &v) != STATUS_OK)
        v.len = 0;
    for (size_t i = 0; i < v.len && !is_found; i++) {
        is_found = is_peak
                       ? v.items[i].derived == QUERY_AT_PEAK
                       : v.items[i].derived == QUERY_AS_IS &&
                             strcmp(v.items[i].name, "allocated") == 0 && is_bytes(v.items[i].unit);
        if (is_found)
            *out = query_value_total(p, &v.items[i]);
    }
    query_values_free(&v);
    return is_found || (is_peak && highest_point(p, out));
}

static enum status check_memory(struct checking *c, const struct diff *d)
{
    bool is_peak = c->term->metric == GATE_PEAK;
    struct reading r = {.unit = "bytes"};
    if (!read_memory(d->base, is_peak, &r.base) && c->term->is_growth)
        return error_set(c->err, STATUS_INVALID, "gate: the base does not know its %s",
                         is_peak ? "peak" : "allocations");
    if (!read_memory(d->target, is_peak, &r.target))
        return error_set(c->err, STATUS_INVALID, "gate: the target does not know its %s",
                         is_peak ? "peak" : "allocations");
    return read_one(c, is_peak ? "peak" : "allocated", &r);
}

/* Memory by function: the same comparison of another value. */
static enum status check_memory_rows(struct checking *c, const struct diff *d)
{
    struct diff_options options = {.value = c->term->metric == GATE_PEAK ? "peak" : "allocated"};
    struct diff memory;
    enum status st = diff_build(&memory, d->base, NULL, d->target, NULL, &options, c->err);
    if (st != STATUS_OK)
        return st;
    st = check_rows(c, &memory);
    diff_free(&memory);
    return st;
}

static enum status check_duration(struct checking *c, const struct diff *d)
{
    struct reading r = {.base = (double)d->base->duration_ns / 1e9,
                        .target = (double)d->target->duration_ns / 1e9,
                        .unit = "s"};
    if (!d->target->duration_ns || (c->term->is_growth && !d->base->duration_ns))
        return error_set(c->err, STATUS_INVALID, "gate: the %s does not know its duration",
                         d->target->duration_ns ? "base" : "target");
    return read_one(c, "duration", &r);
}

static enum status check_benchmarks(struct checking *c, const struct diff *d)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < d->benchmarks_len && st == STATUS_OK; i++) {
        const struct diff_benchmark *b = &d->benchmarks[i];
        if (!gate_glob(c->term->name, b->name, strlen(b->name)))
            continue;
        struct reading r = {
            .base = b->base ? b->base->mean_s : 0,
            .target = b->target ? b->target->mean_s : 0,
            .unit = "s",
            .may_be_chance = !isnan(b->q) && !b->is_significant,
        };
        /* A new benchmark has nothing to have grown from. */
        r.may_be_chance |= !b->base;
        st = read_one(c, b->name, &r);
    }
    return st;
}

/* ---- terms ---- */

static enum status check_what(struct checking *c, const struct diff *d)
{
    switch (c->term->metric) {
    case GATE_PEAK:
    case GATE_ALLOCATED:
        return c->term->has_name ? check_memory_rows(c, d) : check_memory(c, d);
    case GATE_MEAN:
        return check_benchmarks(c, d);
    case GATE_DURATION:
        return check_duration(c, d);
    case GATE_CALLS:
        if (d->value.source != QUERY_CALL_GRAPH || d->target_value.source != QUERY_CALL_GRAPH)
            return error_set(c->err, STATUS_INVALID, "gate: these profiles do not count calls");
        break;
    case GATE_SELF:
    case GATE_TOTAL:
        break;
    }
    if (!d->value.unit)
        return error_set(c->err, STATUS_INVALID, "gate: these profiles have no functions");
    return c->term->has_name ? check_rows(c, d) : check_whole(c, d);
}

static enum status check_term(const struct gate_term *t, const struct diff *d, bool *holds,
                              struct buf *reasons, struct error *err)
{
    struct checking c = {.term = t, .reasons = reasons, .err = err};
    enum status st = check_what(&c, d);
    if (st != STATUS_OK)
        return err && err->status == STATUS_OK ? error_set(err, st, "no memory for the gate") : st;
    if (c.seen == 0)
        return error_set(err, STATUS_INVALID, "gate: neither profile has %s named \"%s\"",
                         t->metric == GATE_MEAN ? "a benchmark" : "a function", t->name);
    *holds = c.holds;
    return STATUS_OK;
}

enum status gate_check(const struct gate *g, const struct diff *d, bool *holds, struct buf *reasons,
                       struct error *err)
{
    bool any = false;
    for (size_t i = 0; i < g->len;) {
        bool all = true;
        size_t before = reasons->len;
        do {
            bool is_held = false;
            enum status st = check_term(&g->terms[i], d, &is_held, reasons, err);
            if (st != STATUS_OK)
                return st;
            all = all && is_held;
            i++;
        } while (i < g->len && !g->terms[i].begins_group);
        if (!all)
            reasons->len = before; /* a half of an "and" is no reason */
        any = any || all;
    }
    *holds = any;
    return buf_status(reasons);
}
