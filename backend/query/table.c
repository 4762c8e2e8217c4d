#include "backend/query/table.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/merge.h"
#include "backend/query/names.h"

/* ---- rows ---- */

static enum status rows_of_graph(struct table *t, const struct profile *p)
{
    const struct call_graph *g = &p->call_graph;
    t->rows = calloc(g->rows_len, sizeof(*t->rows));
    if (!t->rows)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < g->rows_len; i++) {
        t->rows[i] = (struct table_row){
            .function = g->rows[i].function,
            .self = g->rows[i].self,
            .total = g->rows[i].total,
            .calls = g->rows[i].calls,
            .primitive_calls = g->rows[i].primitive_calls,
        };
        t->total += g->rows[i].self;
        t->calls += g->rows[i].calls;
        t->primitive_calls += g->rows[i].primitive_calls;
    }
    t->len = g->rows_len;
    return STATUS_OK;
}

struct sums {
    int64_t *self, *total;
    uint64_t *samples_self, *samples_total;
};

static enum status sum_functions(const struct merged *m, struct sums *s)
{
    const struct merge_tree *t = m->tree;
    int64_t *total = malloc(t->len * sizeof(*total));
    uint32_t *count = malloc(t->len * sizeof(*count));
    if (!total || !count) {
        free(total);
        free(count);
        return STATUS_NO_MEMORY;
    }
    memcpy(total, m->self, t->len * sizeof(*total));
    memcpy(count, m->count, t->len * sizeof(*count));
    for (size_t i = t->len - 1; i > 0; i--) {
        merge_add(&total[t->parent[i]], total[i]);
        count[t->parent[i]] += count[i];
        uint32_t f = t->function[i];
        merge_add(&s->self[f], m->self[i]);
        s->samples_self[f] += m->count[i];
        if (!m->outer[i]) {
            merge_add(&s->total[f], total[i]);
            s->samples_total[f] += count[i];
        }
    }
    free(total);
    free(count);
    return STATUS_OK;
}

static enum status rows_of_sums(struct table *t, const struct merged *m, const struct sums *s,
                                size_t functions)
{
    size_t n = 0;
    for (size_t f = 0; f < functions; f++)
        n += s->samples_total[f] > 0;
    t->rows = calloc(n ? n : 1, sizeof(*t->rows));
    if (!t->rows)
        return STATUS_NO_MEMORY;
    for (size_t f = 0; f < functions; f++) {
        if (!s->samples_total[f])
            continue;
        t->rows[t->len++] = (struct table_row){
            .function = (uint32_t)f,
            .self = (double)s->self[f] * m->tick,
            .total = (double)s->total[f] * m->tick,
            .samples_self = s->samples_self[f],
            .samples_total = s->samples_total[f],
        };
    }
    int64_t total = 0;
    for (size_t i = 0; i < m->tree->len; i++)
        merge_add(&total, m->self[i]);
    t->total = (double)total * m->tick;
    t->samples = m->samples;
    return STATUS_OK;
}

static enum status rows_of_samples(struct table *t, const struct profile *p,
                                   struct query_cache *cache, const struct query_filter *filter,
                                   struct error *err)
{
    struct merged m;
    enum status st = merged_init(&m, p, cache, filter, 0, err);
    if (st != STATUS_OK)
        return st;
    size_t n = p->tables.functions_len ? p->tables.functions_len : 1;
    struct sums s = {calloc(n, sizeof(int64_t)), calloc(n, sizeof(int64_t)),
                     calloc(n, sizeof(uint64_t)), calloc(n, sizeof(uint64_t))};
    st = s.self && s.total && s.samples_self && s.samples_total ? sum_functions(&m, &s)
                                                                : STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = rows_of_sums(t, &m, &s, n);
    free(s.self);
    free(s.total);
    free(s.samples_self);
    free(s.samples_total);
    merged_deinit(&m);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for the table");
}

/* ---- which, and in what order ---- */

enum sort_key {
    SORT_SELF,
    SORT_TOTAL,
    SORT_SAMPLES,
    SORT_CALLS,
    SORT_PRIMITIVE,
    SORT_NAME,
    SORT_FILE,
};

static bool sort_key_of(const char *name, enum sort_key *key)
{
    static const struct {
        const char *name;
        enum sort_key key;
    } keys[] = {
        {"self", SORT_SELF},
        {"tottime", SORT_SELF},
        {"total", SORT_TOTAL},
        {"cumtime", SORT_TOTAL},
        {"samples", SORT_SAMPLES},
        {"samples_self", SORT_SAMPLES},
        {"ncalls", SORT_CALLS},
        {"pcalls", SORT_PRIMITIVE},
        {"name", SORT_NAME},
        {"file", SORT_FILE},
        {"primitive_calls", SORT_PRIMITIVE},
        {"samples_total", SORT_TOTAL},
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].name, name) == 0) {
            *key = keys[i].key;
            return true;
        }
    }
    return false;
}

struct sorting {
    const struct profile *p;
    enum sort_key key;
    bool is_reversed;
};

static int compare_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

/* From large to small, texts from a to z. */
static int compare_key(const struct sorting *s, const struct table_row *a,
                       const struct table_row *b)
{
    size_t a_len;
    size_t b_len;
    const char *a_text;
    const char *b_text;
    switch (s->key) {
    case SORT_SELF:
        return a->self > b->self ? -1 : a->self < b->self;
    case SORT_TOTAL:
        return a->total > b->total ? -1 : a->total < b->total;
    case SORT_SAMPLES:
        return a->samples_self > b->samples_self ? -1 : a->samples_self < b->samples_self;
    case SORT_CALLS:
        return a->calls > b->calls ? -1 : a->calls < b->calls;
    case SORT_PRIMITIVE:
        return a->primitive_calls > b->primitive_calls ? -1
                                                       : a->primitive_calls < b->primitive_calls;
    case SORT_NAME:
        a_text = names_function(s->p, a->function, &a_len);
        b_text = names_function(s->p, b->function, &b_len);
        return compare_text(a_text, a_len, b_text, b_len);
    case SORT_FILE:
        a_text = names_file(s->p, a->function, &a_len);
        b_text = names_file(s->p, b->function, &b_len);
        return compare_text(a_text, a_len, b_text, b_len);
    }
    return 0;
}

static int compare_rows(const void *a, const void *b, void *ctx)
{
    const struct sorting *s = ctx;
    const struct table_row *x = a;
    const struct table_row *y = b;
    int order = compare_key(s, x, y);
    if (s->is_reversed)
        order = -order;
    if (order == 0 && s->key != SORT_TOTAL)
        order = x->total > y->total ? -1 : x->total < y->total;
    if (order == 0 && s->key != SORT_SELF)
        order = x->self > y->self ? -1 : x->self < y->self;
    return order ? order : x->function < y->function ? -1 : x->function > y->function;
}

static bool has_part(const char *text, size_t len, const char *part, size_t part_len)
{
    for (size_t i = 0; i + part_len <= len; i++) {
        size_t k = 0;
        while (k < part_len &&
               tolower((unsigned char)text[i + k]) == tolower((unsigned char)part[k]))
            k++;
        if (k == part_len)
            return true;
    }
    return part_len == 0;
}

static void keep_named(struct table *t, const struct profile *p, const char *part)
{
    size_t part_len = strlen(part);
    size_t kept = 0;
    for (size_t i = 0; i < t->len; i++) {
        size_t len;
        const char *name = names_function(p, t->rows[i].function, &len);
        bool is_kept = has_part(name, len, part, part_len);
        name = names_file(p, t->rows[i].function, &len);
        if (is_kept || has_part(name, len, part, part_len))
            t->rows[kept++] = t->rows[i];
    }
    t->len = kept;
}

enum status table_build(struct table *out, const struct profile *p, struct query_cache *cache,
                        const struct query_filter *filter, const struct table_options *options,
                        struct error *err)
{
    struct table t = {0};
    struct sorting sorting = {.p = p, .key = SORT_SELF};
    const char *sort = options->sort && *options->sort ? options->sort : "self";
    sorting.is_reversed = *sort == '-';
    if (!sort_key_of(sort + sorting.is_reversed, &sorting.key))
        return error_set(err, STATUS_INVALID, "no column \"%.40s\" to sort by", sort);
    enum status st = query_value_find(p, filter->value, &t.value, err);
    if (st != STATUS_OK)
        return st;
    if (t.value.source == QUERY_CALL_GRAPH)
        st = rows_of_graph(&t, p) == STATUS_OK
                 ? STATUS_OK
                 : error_set(err, STATUS_NO_MEMORY, "no memory for the table");
    else
        st = rows_of_samples(&t, p, cache, filter, err);
    if (st != STATUS_OK) {
        table_free(&t);
        return st;
    }
    if (options->text && *options->text)
        keep_named(&t, p, options->text);
    if (t.len > 1)
        qsort_r(t.rows, t.len, sizeof(*t.rows), compare_rows, &sorting);
    if (options->limit && options->limit < t.len)
        t.len = options->limit;
    *out = t;
    return STATUS_OK;
}

void table_free(struct table *t)
{
    free(t->rows);
    *t = (struct table){0};
}
