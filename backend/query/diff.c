#include "backend/query/diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/diff_parts.h"
#include "backend/query/diff_stats.h"
#include "backend/query/table.h"

/* One profile's rows and how many samples stand behind each. */
struct side {
    const struct profile *p;
    struct query_cache *cache;
    struct table table;
    char *key;
    bool is_counted;
};

static void side_deinit(struct side *s)
{
    table_free(&s->table);
    free(s->key);
}

const char *diff_normalise_name(enum diff_normalise n)
{
    static const char *const names[] = {"none", "total", "ncalls"};
    return names[n];
}

enum status diff_normalise_find(const char *name, enum diff_normalise *out, struct error *err)
{
    if (!name || !*name) {
        *out = DIFF_AS_IS;
        return STATUS_OK;
    }
    for (enum diff_normalise n = DIFF_AS_IS; n <= DIFF_BY_CALLS; n++) {
        if (strcmp(name, diff_normalise_name(n)) == 0) {
            *out = n;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_INVALID, "normalise is none, total or ncalls, not \"%.40s\"",
                     name);
}

double diff_relative(double base, double target)
{
    return base != 0 ? target / base - 1 : (double)NAN;
}

const struct profile *diff_row_who(const struct diff *d, const struct diff_row *r,
                                   uint32_t *function)
{
    bool has_target = r->target_function != (uint32_t)DIFF_NONE;
    *function = has_target ? r->target_function : r->base_function;
    return has_target ? d->target : d->base;
}

/* ---- which value ---- */

static const char *find_key(const struct query_values *v, const char *key)
{
    for (size_t i = 0; i < v->len; i++) {
        if (strcmp(v->items[i].key, key) == 0)
            return v->items[i].key;
    }
    return NULL;
}

/* The key asked for, or the base's first that both have, or each one's first. */
static enum status choose_keys(struct side *base, struct side *target, const char *asked)
{
    struct query_values b = {0};
    struct query_values t = {0};
    enum status st = query_values_list(base->p, &b);
    if (st == STATUS_OK)
        st = query_values_list(target->p, &t);
    const char *key = asked && *asked ? asked : NULL;
    for (size_t i = 0; i < b.len && !key; i++)
        key = find_key(&t, b.items[i].key);
    const char *base_key = key ? key : b.len ? b.items[0].key : "";
    const char *target_key = key ? key : t.len ? t.items[0].key : "";
    if (st == STATUS_OK) {
        base->key = strdup(base_key);
        target->key = strdup(target_key);
        st = base->key && target->key ? STATUS_OK : STATUS_NO_MEMORY;
    }
    query_values_free(&b);
    query_values_free(&t);
    return st;
}

/* ---- how many samples ---- */

static bool counts_samples(const char *name, const char *unit)
{
    return strcmp(unit, "samples") == 0 ||
           (strcmp(unit, "count") == 0 && strcmp(name, "samples") == 0);
}

static uint64_t to_count(double v)
{
    return v > 0 && v < 1e18 ? (uint64_t)(v + 0.5) : 0;
}

static void counts_are(struct table *t, double per_value)
{
    t->samples = to_count(t->total * per_value);
    for (size_t i = 0; i < t->len; i++) {
        t->rows[i].samples_self = to_count(t->rows[i].self * per_value);
        t->rows[i].samples_total = to_count(t->rows[i].total * per_value);
    }
}

/* Another value of the set says how many samples each row of it stands for (pprof). */
static enum status counts_from(struct side *s, const char *key)
{
    struct table counts;
    struct query_filter filter = {.value = key};
    struct table_options options = {0};
    enum status st = table_build(&counts, s->p, s->cache, &filter, &options, NULL);
    if (st != STATUS_OK)
        return st == STATUS_NO_MEMORY ? st : STATUS_OK;
    size_t n = s->p->tables.functions_len;
    uint32_t *row_of = calloc(n ? n : 1, sizeof(*row_of));
    if (!row_of) {
        table_free(&counts);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < counts.len; i++)
        row_of[counts.rows[i].function] = (uint32_t)i + 1;
    for (size_t i = 0; i < s->table.len; i++) {
        uint32_t at = row_of[s->table.rows[i].function];
        s->table.rows[i].samples_self = at ? to_count(counts.rows[at - 1].self) : 0;
        s->table.rows[i].samples_total = at ? to_count(counts.rows[at - 1].total) : 0;
    }
    s->table.samples = to_count(counts.total);
    s->is_counted = true;
    free(row_of);
    table_free(&counts);
    return STATUS_OK;
}

static enum status count_from_sibling(struct side *s)
{
    struct query_values v = {0};
    enum status st = query_values_list(s->p, &v);
    for (size_t i = 0; st == STATUS_OK && i < v.len && !s->is_counted; i++) {
        const struct query_value *o = &v.items[i];
        if (o->source == QUERY_SAMPLES && o->derived == QUERY_AS_IS &&
            o->set == s->table.value.set && counts_samples(o->name, o->unit))
            st = counts_from(s, o->key);
    }
    query_values_free(&v);
    return st;
}

/* Only what was sampled is tested: allocations and traced events are what they are. */
static enum status count_samples(struct side *s)
{
    const struct query_value *v = &s->table.value;
    double unit_s = query_unit_seconds(v->unit);
    if (v->source != QUERY_SAMPLES || v->derived != QUERY_AS_IS)
        return STATUS_OK;
    if (counts_samples(v->name, v->unit)) {
        counts_are(&s->table, 1);
        s->is_counted = true;
        return STATUS_OK;
    }
    if (unit_s <= 0)
        return STATUS_OK;
    enum status st = count_from_sibling(s);
    if (st != STATUS_OK || s->is_counted)
        return st;
    const struct sample_set *set = &s->p->sets[v->set];
    bool is_sampled = s->p->rate_hz > 0 || set->period > 0;
    if (is_sampled && !set->has_time && s->p->rate_hz > 0)
        counts_are(&s->table, unit_s * s->p->rate_hz); /* folded: a row is many samples */
    s->is_counted = is_sampled && (set->has_time || s->p->rate_hz > 0);
    return STATUS_OK;
}

static enum status side_build(struct side *s, struct error *err)
{
    struct query_filter filter = {.value = s->key};
    struct table_options options = {0};
    enum status st = table_build(&s->table, s->p, s->cache, &filter, &options, err);
    if (st == STATUS_OK && count_samples(s) != STATUS_OK)
        st = error_set(err, STATUS_NO_MEMORY, "no memory for the comparison");
    return st;
}

/* ---- rows ---- */

/* What a number of the target is multiplied by to be in the base's unit. */
static enum status unit_scale(struct diff *d, double *scale, struct error *err)
{
    const char *a = d->value.unit;
    const char *b = d->target_value.unit;
    double a_s = query_unit_seconds(a);
    double b_s = query_unit_seconds(b);
    *scale = 1;
    if (strcmp(a, b) == 0 || d->normalise == DIFF_BY_TOTAL)
        return STATUS_OK;
    if (a_s <= 0 || b_s <= 0)
        return error_set(err, STATUS_UNSUPPORTED,
                         "the base measures %s, the target %s: only their shares compare "
                         "(normalise by total)",
                         a, b);
    *scale = b_s / a_s;
    return STATUS_OK;
}

static double by_calls(double v, uint64_t calls)
{
    return calls ? v / (double)calls : v;
}

static void fill_row(struct diff_row *r, const struct table_row *b, const struct table_row *t,
                     enum diff_normalise normalise, double scale)
{
    static const struct table_row none = {.function = (uint32_t)DIFF_NONE};
    bool has_both = b && t;
    r->state = has_both ? DIFF_CHANGED : t ? DIFF_ADDED : DIFF_REMOVED;
    b = b ? b : &none;
    t = t ? t : &none;
    r->base_function = b->function;
    r->target_function = t->function;
    r->base_samples_self = b->samples_self;
    r->base_samples_total = b->samples_total;
    r->target_samples_self = t->samples_self;
    r->target_samples_total = t->samples_total;
    r->base_calls = b->calls;
    r->target_calls = t->calls;
    r->base_primitive = b->primitive_calls;
    r->target_primitive = t->primitive_calls;
    r->self = (struct diff_number){b->self, t->self * scale, (double)NAN, false};
    r->total = (struct diff_number){b->total, t->total * scale, (double)NAN, false};
    if (normalise == DIFF_BY_CALLS) {
        r->self.base = by_calls(r->self.base, b->calls);
        r->self.target = by_calls(r->self.target, t->calls);
        r->total.base = by_calls(r->total.base, b->primitive_calls);
        r->total.target = by_calls(r->total.target, t->primitive_calls);
    }
    if (has_both && r->self.base == r->self.target && r->total.base == r->total.target &&
        b->calls == t->calls && b->primitive_calls == t->primitive_calls)
        r->state = DIFF_SAME;
}

static enum status fill_rows(struct diff *d, const struct side *base, const struct side *target,
                             double unit)
{
    struct diff_pair *pairs;
    size_t n;
    enum status st = diff_match(base->p, &base->table, target->p, &target->table, &pairs, &n);
    if (st != STATUS_OK)
        return st;
    d->rows = calloc(n ? n : 1, sizeof(*d->rows));
    if (!d->rows) {
        free(pairs);
        return STATUS_NO_MEMORY;
    }
    d->target_scale = unit;
    if (d->normalise == DIFF_BY_TOTAL)
        d->target_scale = target->table.total > 0 ? base->table.total / target->table.total : 1;
    for (size_t i = 0; i < n; i++) {
        const struct diff_pair *p = &pairs[i];
        fill_row(&d->rows[i], p->base == (uint32_t)DIFF_NONE ? NULL : &base->table.rows[p->base],
                 p->target == (uint32_t)DIFF_NONE ? NULL : &target->table.rows[p->target],
                 d->normalise, d->target_scale);
    }
    d->len = n;
    free(pairs);
    return STATUS_OK;
}

static enum status diff_functions(struct diff *d, struct side *base, struct side *target,
                                  const struct diff_options *options, struct error *err)
{
    if (choose_keys(base, target, options->value) != STATUS_OK)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the comparison");
    enum status st = side_build(base, err);
    if (st != STATUS_OK) {
        error_prefix(err, "base");
        return st;
    }
    st = side_build(target, err);
    if (st != STATUS_OK) {
        error_prefix(err, "target");
        return st;
    }
    d->value = base->table.value;
    d->target_value = target->table.value;
    bool is_graph =
        d->value.source == QUERY_CALL_GRAPH && d->target_value.source == QUERY_CALL_GRAPH;
    if (d->normalise == DIFF_BY_CALLS && !is_graph)
        return error_set(err, STATUS_UNSUPPORTED,
                         "only call graphs (cProfile, callgrind) know how often a function ran: "
                         "these cannot be compared by ncalls");
    double unit;
    st = unit_scale(d, &unit, err);
    if (st != STATUS_OK)
        return st;
    d->base_total = base->table.total;
    d->target_total = target->table.total * unit;
    d->is_tested = base->is_counted && target->is_counted && base->table.samples &&
                   target->table.samples && base->table.total > 0 && target->table.total > 0;
    if (d->is_tested) {
        d->base_samples = base->table.samples;
        d->target_samples = target->table.samples;
    }
    if (fill_rows(d, base, target, unit) != STATUS_OK || diff_judge_rows(d) != STATUS_OK)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the comparison");
    d->base_key = base->key;
    d->target_key = target->key;
    base->key = target->key = NULL;
    return STATUS_OK;
}

static bool has_functions(const struct profile *p)
{
    return p->call_graph.rows_len > 0 || p->sets_len > 0 || p->lines_len > 0;
}

enum status diff_build(struct diff *out, const struct profile *base, struct query_cache *base_cache,
                       const struct profile *target, struct query_cache *target_cache,
                       const struct diff_options *options, struct error *err)
{
    struct diff d = {.base = base, .target = target, .normalise = options->normalise};
    struct side b = {.p = base, .cache = base_cache};
    struct side t = {.p = target, .cache = target_cache};
    enum status st = STATUS_OK;
    bool has_benchmarks = base->benchmarks_len && target->benchmarks_len;
    if (has_functions(base) && has_functions(target))
        st = diff_functions(&d, &b, &t, options, err);
    else if (!has_benchmarks)
        st = error_set(err, STATUS_UNSUPPORTED,
                       "these two have nothing in common that compares: functions or benchmarks");
    if (st == STATUS_OK && has_benchmarks && diff_judge_benchmarks(&d) != STATUS_OK)
        st = error_set(err, STATUS_NO_MEMORY, "no memory for the comparison");
    side_deinit(&b);
    side_deinit(&t);
    if (st != STATUS_OK) {
        diff_free(&d);
        return st;
    }
    *out = d;
    return STATUS_OK;
}

void diff_free(struct diff *d)
{
    free(d->rows);
    free(d->benchmarks);
    free(d->base_key);
    free(d->target_key);
    *d = (struct diff){0};
}
