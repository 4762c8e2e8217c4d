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
    *out = (struct heap_columns){0};
    out->has_counts = find_column(p, set, "allocations", &out->allocations) &&
                      find_column(p, set, "frees", &out->frees);
    out->has_temporary = find_column(p, set, "temporary", &out->temporary) &&
                         find_column(p, set, "temporaries", &out->temporaries);
    return strcmp(strtab_text(&p->tables.strings, s->name), "heap") == 0 &&
           find_column(p, set, "allocated", &out->allocated) &&
           find_column(p, set, "freed", &out->freed) && find_column(p, set, "born", &out->born);
}

bool heap_set_find(const struct profile *p, uint32_t *set, struct heap_columns *columns)
{
    for (size_t i = 0; i < p->sets_len; i++) {
        if (heap_columns_find(p, (uint32_t)i, columns)) {
            *set = (uint32_t)i;
            return true;
        }
    }
    return false;
}

uint64_t heap_every_bytes(const struct profile *p, const struct sample_set *s)
{
    static const char most[] = "heap_every_bytes_most";
    if (s->period <= 1)
        return 0;
    const struct model_counter *c = profile_find_counter(p, most, sizeof(most) - 1);
    return c && c->value > s->period ? c->value : s->period;
}

/* The collector's own series has the highest moments between two ticks too. */
static bool peak_of_series(const struct profile *p, uint64_t from, uint64_t to,
                           struct heap_peak *out)
{
    bool is_found = false;
    for (size_t i = 0; i < p->series_len; i++) {
        const struct series *s = &p->series[i];
        if (s->has_process || strcmp(strtab_text(&p->tables.strings, s->name), "heap") != 0)
            continue;
        for (size_t k = 0; k < s->len; k++) {
            if (s->time_ns[k] >= from && s->time_ns[k] < to &&
                (!is_found || s->value[k] > out->bytes)) {
                /* what happened up to then, that moment too */
                *out = (struct heap_peak){s->time_ns[k] + 1, s->value[k]};
                is_found = true;
            }
        }
    }
    return is_found;
}

/* Rows are in order of time; what is told of one moment belongs together. */
static enum status peak_of_rows(const struct profile *p, uint32_t set, const struct query_filter *f,
                                uint64_t from, uint64_t to, struct heap_peak *out)
{
    const struct sample_set *s = &p->sets[set];
    struct heap_columns c = {0};
    struct filter_rows rows;
    struct query_filter others = *f;
    others.has_from = others.has_to = false;
    if (!heap_columns_find(p, set, &c))
        return STATUS_NOT_FOUND;
    enum status st = filter_rows_init(&rows, p, s, false, &others);
    if (st != STATUS_OK)
        return st;
    int64_t now = 0;
    for (size_t i = 0; i < s->len && s->time_ns && s->time_ns[i] < to; i++) {
        if (filter_rows_pass(&rows, i)) {
            merge_add(&now, heap_value_at(s, c.allocated, i));
            merge_add(&now, -heap_value_at(s, c.freed, i));
        }
        bool is_moment = i + 1 == s->len || s->time_ns[i + 1] != s->time_ns[i];
        if (is_moment && s->time_ns[i] >= from && (double)now > out->bytes)
            *out = (struct heap_peak){s->time_ns[i] + 1, (double)now};
    }
    filter_rows_deinit(&rows);
    return STATUS_OK;
}

enum status heap_peak_find(const struct profile *p, uint32_t set, const struct query_filter *f,
                           struct heap_peak *out)
{
    uint64_t from = f->has_from ? f->from_ns : 0;
    uint64_t to = f->has_to ? f->to_ns : UINT64_MAX;
    bool is_part = f->threads_len || f->processes_len || f->domains;
    *out = (struct heap_peak){to, 0};
    if (!is_part && peak_of_series(p, from, to, out))
        return STATUS_OK;
    return peak_of_rows(p, set, f, from, to, out);
}

/* What a row adds: bytes that came to be alive in it, as the derived value counts them. */
struct lifetime {
    uint64_t born_from; /* of blocks born from here on */
    uint64_t to;        /* rows before this */
};

static enum status lifetime_of(const struct profile *p, const struct query_value *v,
                               const struct query_filter *f, struct lifetime *out)
{
    struct heap_peak peak;
    enum status st = STATUS_OK;
    uint64_t from = f->has_from ? f->from_ns : 0;
    uint64_t to = f->has_to ? f->to_ns : UINT64_MAX;
    switch (v->derived) {
    case QUERY_LEAKED:
        *out = (struct lifetime){from, to};
        break;
    case QUERY_AT_PEAK:
        st = heap_peak_find(p, v->set, f, &peak);
        *out = (struct lifetime){0, st == STATUS_OK ? peak.time_ns : to};
        break;
    case QUERY_IN_USE:
    case QUERY_AS_IS:
        *out = (struct lifetime){0, to};
        break;
    }
    return st;
}

static int64_t alive_in(const struct sample_set *s, const struct heap_columns *c,
                        const struct lifetime *l, size_t row)
{
    uint64_t t = s->time_ns ? s->time_ns[row] : 0;
    /* Both sides by birth: a tick that the window begins in is in it as a whole. */
    if (t >= l->to || (l->born_from && heap_value_at(s, c->born, row) < (int64_t)l->born_from))
        return 0;
    int64_t bytes = heap_value_at(s, c->allocated, row);
    merge_add(&bytes, -heap_value_at(s, c->freed, row));
    return bytes;
}

/* Births long ago are told in steps, rounded up: a block of before the window may seem to be freed
 * that was not allocated in it. */
static void drop_negative(struct stack_sums *s, size_t stacks)
{
    for (size_t i = 0; i < stacks; i++)
        s->self[i] = s->self[i] > 0 ? s->self[i] : 0;
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
    struct lifetime life = {0};
    if (st == STATUS_OK)
        st = lifetime_of(p, v, filter, &life);
    if (st == STATUS_OK)
        st = filter_rows_init(&rows, p, set, false, &others);
    if (st != STATUS_OK) {
        stack_sums_deinit(s);
        return st;
    }
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
    if (v->derived == QUERY_LEAKED)
        drop_negative(s, stacks);
    return STATUS_OK;
}

double heap_value_total(const struct profile *p, const struct query_value *v)
{
    static const struct query_filter everything = {0};
    const struct sample_set *set = &p->sets[v->set];
    struct heap_columns columns;
    struct lifetime life;
    if (!heap_columns_find(p, v->set, &columns) ||
        lifetime_of(p, v, &everything, &life) != STATUS_OK)
        return 0;
    int64_t sum = 0;
    for (size_t i = 0; i < set->len; i++)
        merge_add(&sum, alive_in(set, &columns, &life, i));
    return (double)sum;
}
