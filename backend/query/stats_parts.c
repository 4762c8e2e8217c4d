#include "backend/query/stats_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/merge.h"
#include "backend/query/names.h"
#include "common/base/array.h"
#include "common/base/map.h"

static const char *text_of(const struct profile *p, uint32_t string)
{
    return strtab_text(&p->tables.strings, string);
}

/* ---- counts ---- */

enum { MAX_OWN_COUNTS = 16 };

struct count {
    const char *name;
    uint64_t value;
};

static enum status count_stacks(const struct profile *p, uint64_t *stacks)
{
    uint8_t *is_met = calloc(p->tables.stacks_len ? p->tables.stacks_len : 1, 1);
    if (!is_met)
        return STATUS_NO_MEMORY;
    *stacks = 0;
    for (size_t s = 0; s < p->sets_len; s++) {
        const struct sample_set *set = &p->sets[s];
        for (size_t i = 0; set->stack && i < set->len; i++) {
            *stacks += !is_met[set->stack[i]];
            is_met[set->stack[i]] = 1;
        }
    }
    free(is_met);
    return STATUS_OK;
}

static void count_calls(const struct profile *p, uint64_t *calls, uint64_t *primitive)
{
    for (size_t i = 0; i < p->call_graph.rows_len; i++) {
        *calls += p->call_graph.rows[i].calls;
        *primitive += p->call_graph.rows[i].primitive_calls;
    }
}

/* Functions that have a number of their own: row 0 means "unknown". */
static uint64_t count_functions(const struct profile *p)
{
    if (p->call_graph.rows_len)
        return p->call_graph.rows_len;
    return p->tables.functions_len ? p->tables.functions_len - 1 : 0;
}

static void add_count(struct count *list, size_t *len, const char *name, uint64_t value)
{
    if (value)
        list[(*len)++] = (struct count){name, value};
}

enum status stats_write_counts(struct json_out *j, const struct profile *p)
{
    struct count own[MAX_OWN_COUNTS];
    size_t len = 0;
    uint64_t samples = 0;
    uint64_t points = 0;
    uint64_t stacks = 0;
    uint64_t calls = 0;
    uint64_t primitive = 0;
    for (size_t i = 0; i < p->sets_len; i++)
        samples += p->sets[i].len;
    for (size_t i = 0; i < p->series_len; i++)
        points += p->series[i].len;
    enum status st = count_stacks(p, &stacks);
    if (st != STATUS_OK)
        return st;
    count_calls(p, &calls, &primitive);
    add_count(own, &len, "samples", samples);
    add_count(own, &len, "stacks", stacks);
    add_count(own, &len, "functions", count_functions(p));
    add_count(own, &len, "calls", calls);
    add_count(own, &len, "primitive_calls", primitive);
    add_count(own, &len, "threads", p->tables.threads_len);
    add_count(own, &len, "processes", p->tables.processes_len);
    add_count(own, &len, "lines", p->lines_len);
    add_count(own, &len, "points", points);
    json_out_key(j, "counts");
    json_out_object(j);
    for (size_t i = 0; i < len; i++) {
        bool is_told = false;
        for (size_t c = 0; c < p->counters_len; c++)
            is_told |= strcmp(text_of(p, p->counters[c].name), own[i].name) == 0;
        if (is_told)
            continue; /* the producer knows better */
        json_put_u64(j, own[i].name, own[i].value);
    }
    for (size_t c = 0; c < p->counters_len; c++) {
        json_put_u64(j, text_of(p, p->counters[c].name), p->counters[c].value);
    }
    json_out_end(j);
    return STATUS_OK;
}

/* ---- lines ---- */

struct line_index {
    struct map by_place; /* function, line -> row */
    struct stats_lines *out;
    size_t cap;
};

static struct stats_line *line_at(struct line_index *x, uint32_t function, uint32_t line)
{
    uint64_t key = map_pair(function, line);
    uint32_t *found = map_find(&x->by_place, key);
    if (found)
        return &x->out->rows[*found];
    if (!array_reserve(&x->out->rows, &x->cap, x->out->len + 1) ||
        !map_put(&x->by_place, key, (uint32_t)x->out->len))
        return NULL;
    struct stats_line *row = &x->out->rows[x->out->len++];
    *row = (struct stats_line){
        .function = function, .line = line, .time_s = NAN, .bytes = NAN, .count = NAN};
    return row;
}

static void add_known(double *sum, double x)
{
    if (!isnan(x))
        *sum = isnan(*sum) ? x : *sum + x;
}

static enum status add_hits(struct line_index *x, const struct profile *p)
{
    for (size_t i = 0; i < p->lines_len; i++) {
        const struct line_row *h = &p->lines[i];
        struct stats_line *row = line_at(x, h->function, h->line);
        if (!row)
            return STATUS_NO_MEMORY;
        row->has_hits = true;
        row->hits += h->hits;
        add_known(&row->time_s, h->time_s);
        add_known(&row->bytes, !isnan(h->increment_bytes) ? h->increment_bytes : h->memory_bytes);
    }
    return STATUS_OK;
}

/* Adds one value of one set, where its stacks end. */
static enum status add_column(struct line_index *x, const struct profile *p,
                              const struct query_value *v, const struct query_filter *filter)
{
    double per_second = query_units_per_second(v->unit);
    bool is_bytes = strcmp(v->unit, "bytes") == 0 || strcmp(v->unit, "B") == 0;
    struct stack_sums sums;
    enum status st = stack_sums_init(&sums, p, false, v, filter);
    if (st != STATUS_OK)
        return st;
    for (uint32_t s = 1; s < p->tables.stacks_len && st == STATUS_OK; s++) {
        if (!sums.count[s])
            continue;
        const struct wire_frame *f = &p->tables.frames[p->tables.stacks[s].frame];
        struct stats_line *row = f->line ? line_at(x, f->function, f->line) : NULL;
        if (!row) {
            st = f->line ? STATUS_NO_MEMORY : STATUS_OK;
            continue;
        }
        add_known(per_second > 0 ? &row->time_s
                  : is_bytes     ? &row->bytes
                                 : &row->count,
                  (double)sums.self[s]);
    }
    /* Whole units are added up, so that a sum is rounded once. */
    struct stats_line *rows = per_second > 0 ? x->out->rows : NULL;
    for (size_t i = 0; rows && i < x->out->len; i++)
        rows[i].time_s /= per_second;
    stack_sums_deinit(&sums);
    return st;
}

/* The default value, and beside bytes the count of the same set (tracemalloc's size and count). */
static enum status add_ends(struct line_index *x, const struct profile *p,
                            const struct query_filter *filter)
{
    struct query_value v;
    if (query_value_find(p, filter->value, &v, NULL) != STATUS_OK || v.source != QUERY_SAMPLES)
        return STATUS_OK;
    enum status st = add_column(x, p, &v, filter);
    const struct sample_set *set = &p->sets[v.set];
    for (uint32_t c = 0; c < set->values_len && st == STATUS_OK; c++) {
        bool is_count = strcmp(text_of(p, set->types[c].unit), "count") == 0;
        if (!is_count || c == v.column)
            continue;
        struct query_value count = {.source = QUERY_SAMPLES,
                                    .set = v.set,
                                    .column = c,
                                    .set_name = v.set_name,
                                    .name = text_of(p, set->types[c].name),
                                    .unit = "count"};
        return add_column(x, p, &count, filter);
    }
    return st;
}

static double weight_of(const struct stats_line *l)
{
    if (!isnan(l->bytes))
        return l->bytes;
    if (!isnan(l->time_s))
        return l->time_s;
    return isnan(l->count) ? (double)l->hits : l->count;
}

static int by_weight(const void *a, const void *b)
{
    const struct stats_line *x = a;
    const struct stats_line *y = b;
    double wx = weight_of(x);
    double wy = weight_of(y);
    if (wx != wy)
        return wx > wy ? -1 : 1;
    if (x->function != y->function)
        return x->function < y->function ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

enum status stats_lines_build(struct stats_lines *out, const struct profile *p,
                              const struct query_filter *filter)
{
    struct stats_lines l = {0};
    struct line_index x = {.out = &l};
    map_init(&x.by_place);
    enum status st = p->lines_len ? add_hits(&x, p) : add_ends(&x, p, filter);
    map_deinit(&x.by_place);
    if (st != STATUS_OK) {
        stats_lines_free(&l);
        return st;
    }
    if (l.len > 1)
        qsort(l.rows, l.len, sizeof(*l.rows), by_weight);
    *out = l;
    return STATUS_OK;
}

void stats_lines_free(struct stats_lines *l)
{
    free(l->rows);
    *l = (struct stats_lines){0};
}

static void known(struct json_out *j, const char *key, double value)
{
    if (isnan(value))
        return;
    json_put_f64(j, key, value);
}

enum status stats_write_lines(struct json_out *j, const struct profile *p,
                              const struct query_filter *filter, size_t top)
{
    struct stats_lines l;
    enum status st = stats_lines_build(&l, p, filter);
    if (st != STATUS_OK)
        return st;
    size_t n = top && top < l.len ? top : l.len;
    if (n) {
        json_out_key(j, "lines");
        json_out_array(j);
    }
    for (size_t i = 0; i < n; i++) {
        const struct stats_line *r = &l.rows[i];
        size_t len;
        json_out_object(j);
        const char *text = names_function(p, r->function, &len);
        json_put_string(j, "function", text, len);
        text = names_file(p, r->function, &len);
        json_put_string(j, "file", text, len);
        json_put_u64(j, "line", r->line);
        if (r->has_hits) {
            json_put_u64(j, "hits", r->hits);
        }
        known(j, "time_s", r->time_s);
        known(j, "bytes", r->bytes);
        known(j, "count", r->count);
        json_out_end(j);
    }
    if (n)
        json_out_end(j);
    stats_lines_free(&l);
    return STATUS_OK;
}

/* ---- memory ---- */

enum heap_key { HEAP_PEAK, HEAP_IN_USE, HEAP_ALLOCATED, HEAP_COUNT, HEAP_LEAKED, HEAP_KEYS };

static const struct {
    const char *counters[2]; /* a producer's own number comes first */
    const char *values[4];   /* names of values that mean the same */
} heap_keys[HEAP_KEYS] = {
    [HEAP_PEAK] = {{"peak_bytes", "heap_peak_bytes"}, {"peak", "high_water", "at peak", NULL}},
    [HEAP_IN_USE] = {{"in_use_bytes", NULL}, {"in_use", "inuse_space", "inuse", NULL}},
    [HEAP_ALLOCATED] = {{"allocated_bytes", NULL},
                        {"allocated", "alloc_space", "allocated_bytes", NULL}},
    [HEAP_COUNT] = {{"allocations", NULL}, {"allocations", "alloc_objects", "blocks", NULL}},
    [HEAP_LEAKED] = {{"leaked_bytes", NULL}, {"leaked", "at end", NULL}},
};

static bool find_counter(const struct profile *p, const char *name, double *value)
{
    for (size_t i = 0; i < p->counters_len; i++) {
        if (strcmp(text_of(p, p->counters[i].name), name) == 0) {
            *value = (double)p->counters[i].value;
            return true;
        }
    }
    return false;
}

static void find_total(const struct query_values *list, const struct profile *p,
                       const char *const *names, double *value)
{
    for (size_t i = 0; i < list->len; i++) {
        for (const char *const *n = names; *n; n++) {
            if (strcmp(*n, list->items[i].name) == 0) {
                *value = query_value_total(p, &list->items[i]);
                return;
            }
        }
    }
}

static const struct series *heap_series(const struct profile *p)
{
    for (size_t i = 0; i < p->series_len; i++) {
        if (strcmp(text_of(p, p->series[i].name), "heap") == 0 && p->series[i].len)
            return &p->series[i];
    }
    return NULL;
}

void stats_heap_build(struct stats_heap *h, const struct profile *p)
{
    double found[HEAP_KEYS];
    struct query_values list = {0};
    query_values_list(p, &list); /* without memory for it there are only counters */
    for (int k = 0; k < HEAP_KEYS; k++) {
        found[k] = NAN;
        if (!find_counter(p, heap_keys[k].counters[0], &found[k]) &&
            !(heap_keys[k].counters[1] && find_counter(p, heap_keys[k].counters[1], &found[k])))
            find_total(&list, p, heap_keys[k].values, &found[k]);
    }
    query_values_free(&list);
    const struct series *s = heap_series(p);
    if (s && isnan(found[HEAP_PEAK])) {
        found[HEAP_PEAK] = s->value[0];
        for (size_t i = 1; i < s->len; i++)
            found[HEAP_PEAK] = fmax(found[HEAP_PEAK], s->value[i]);
    }
    if (s && isnan(found[HEAP_IN_USE]))
        found[HEAP_IN_USE] = s->value[s->len - 1];
    *h = (struct stats_heap){found[HEAP_PEAK], found[HEAP_IN_USE], found[HEAP_ALLOCATED],
                             found[HEAP_COUNT], found[HEAP_LEAKED]};
}

bool stats_has_heap(const struct profile *p)
{
    struct stats_heap h;
    stats_heap_build(&h, p);
    return !isnan(h.peak_bytes) || !isnan(h.in_use_bytes) || !isnan(h.allocated_bytes) ||
           !isnan(h.leaked_bytes);
}

void stats_write_heap(struct json_out *j, const struct profile *p)
{
    if (!stats_has_heap(p))
        return;
    struct stats_heap h;
    stats_heap_build(&h, p);
    json_out_key(j, "heap");
    json_out_object(j);
    known(j, "peak_bytes", h.peak_bytes);
    known(j, "in_use_bytes", h.in_use_bytes);
    known(j, "allocated_bytes", h.allocated_bytes);
    known(j, "allocations", h.allocations);
    known(j, "leaked_bytes", h.leaked_bytes);
    json_out_end(j);
}
