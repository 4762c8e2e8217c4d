#include "backend/query/heap_values.h"

#include <stdlib.h>
#include <string.h>

static bool find_column(const struct profile *p, uint32_t set, const char *name, uint32_t *column)
{
    for (uint32_t c = 0; c < p->sets[set].values_len; c++) {
        if (strcmp(strtab_text(&p->tables.strings, p->sets[set].types[c].name), name) == 0) {
            *column = c;
            return true;
        }
    }
    return false;
}

bool heap_columns_find(const struct profile *p, uint32_t set, struct heap_columns *out)
{
    const struct sample_set *s = &p->sets[set];
    return strcmp(strtab_text(&p->tables.strings, s->name), "heap") == 0 &&
           find_column(p, set, "allocated", &out->allocated) &&
           find_column(p, set, "freed", &out->freed) && find_column(p, set, "born", &out->born);
}

static int64_t value_at(const struct sample_set *s, uint32_t column, size_t row)
{
    return s->values[column].value ? s->values[column].value[row] : s->values[column].constant;
}

/* When most was in use within the window; the end of the window when no series tells. */
static uint64_t peak_time(const struct profile *p, uint64_t from, uint64_t to)
{
    uint64_t when = to;
    double most = -1;
    for (size_t i = 0; i < p->series_len; i++) {
        const struct series *s = &p->series[i];
        if (s->has_process || strcmp(strtab_text(&p->tables.strings, s->name), "heap") != 0)
            continue;
        for (size_t k = 0; k < s->len; k++) {
            if (s->time_ns[k] >= from && s->time_ns[k] < to && s->value[k] > most) {
                most = s->value[k];
                when = s->time_ns[k] + 1; /* what happened up to then, that moment too */
            }
        }
    }
    return when;
}

/* What a row adds: bytes that came to be alive in it, as the derived value counts them. */
struct lifetime {
    uint64_t from, to; /* rows in [from, to) */
    bool counts_old;   /* frees of blocks born before `from` too */
};

static struct lifetime lifetime_of(const struct profile *p, const struct query_value *v,
                                   const struct query_filter *f)
{
    uint64_t from = f->has_from ? f->from_ns : 0;
    uint64_t to = f->has_to ? f->to_ns : UINT64_MAX;
    switch (v->derived) {
    case QUERY_LEAKED:
        return (struct lifetime){from, to, false};
    case QUERY_AT_PEAK:
        return (struct lifetime){0, peak_time(p, from, to), true};
    case QUERY_IN_USE:
    case QUERY_AS_IS:
        break;
    }
    return (struct lifetime){0, to, true};
}

static int64_t alive_in(const struct sample_set *s, const struct heap_columns *c,
                        const struct lifetime *l, size_t row)
{
    uint64_t t = s->time_ns ? s->time_ns[row] : 0;
    if (t < l->from || t >= l->to)
        return 0;
    int64_t bytes = value_at(s, c->allocated, row);
    bool is_counted = l->counts_old || value_at(s, c->born, row) >= (int64_t)l->from;
    if (is_counted)
        merge_add(&bytes, -value_at(s, c->freed, row));
    return bytes;
}

enum status heap_sums_init(struct stack_sums *s, const struct profile *p,
                           const struct query_value *v, const struct query_filter *filter)
{
    const struct sample_set *set = &p->sets[v->set];
    struct heap_columns columns = {0};
    struct filter_rows rows;
    /* Time is this file's matter, the rest the filter's. */
    struct query_filter others = *filter;
    others.has_from = others.has_to = false;
    size_t stacks = p->tables.stacks_len ? p->tables.stacks_len : 1;
    *s = (struct stack_sums){0};
    s->self = calloc(stacks, sizeof(*s->self));
    s->count = calloc(stacks, sizeof(*s->count));
    enum status st = heap_columns_find(p, v->set, &columns) ? STATUS_OK : STATUS_NOT_FOUND;
    if (st == STATUS_OK && !(s->self && s->count))
        st = STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = filter_rows_init(&rows, p, set, false, &others);
    if (st != STATUS_OK) {
        stack_sums_deinit(s);
        return st;
    }
    struct lifetime life = lifetime_of(p, v, filter);
    for (size_t i = 0; i < set->len; i++) {
        int64_t bytes = filter_rows_pass(&rows, i) ? alive_in(set, &columns, &life, i) : 0;
        if (bytes == 0)
            continue;
        uint32_t stack = set->stack ? set->stack[i] : 0;
        s->count[stack]++;
        s->samples++;
        merge_add(&s->self[stack], bytes);
    }
    filter_rows_deinit(&rows);
    return STATUS_OK;
}

double heap_value_total(const struct profile *p, const struct query_value *v)
{
    static const struct query_filter everything = {0};
    const struct sample_set *set = &p->sets[v->set];
    struct heap_columns columns;
    if (!heap_columns_find(p, v->set, &columns))
        return 0;
    struct lifetime life = lifetime_of(p, v, &everything);
    int64_t sum = 0;
    for (size_t i = 0; i < set->len; i++)
        merge_add(&sum, alive_in(set, &columns, &life, i));
    return (double)sum;
}
