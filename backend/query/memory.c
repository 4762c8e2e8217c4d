#include "backend/query/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/heap_values.h"
#include "backend/query/memory_places.h"
#include "backend/query/merge.h"

const char *memory_measure_name(enum memory_measure m)
{
    static const char *const names[MEMORY_MEASURES] = {
        [MEMORY_IN_USE] = "in_use", [MEMORY_ALLOCATED] = "allocated",
        [MEMORY_FREED] = "freed",   [MEMORY_LEAKED] = "leaked",
        [MEMORY_PEAK] = "peak",     [MEMORY_TEMPORARY] = "temporary",
        [MEMORY_SHORT] = "short",   [MEMORY_BASE] = "base",
        [MEMORY_GROWN] = "grown",
    };
    return m < MEMORY_MEASURES ? names[m] : NULL;
}

/* A block of s bytes is drawn with p = 1 - exp(-s/R) and stands for s/p bytes: one drawn block adds
 * (s/p)^2 (1-p) to the variance. With x = s/R that is bytes * s / (exp(x) - 1), at most bytes * R.
 * s is the mean size of the place's blocks, which many small blocks pull down: towards the bound.
 */
double memory_standard_error(struct memory_amount a, uint64_t every_bytes)
{
    double bytes = fabs((double)a.bytes);
    double every = (double)every_bytes;
    if (every_bytes == 0 || bytes == 0)
        return 0;
    if (a.count == 0)
        return sqrt(bytes * every);
    double size = bytes / fabs((double)a.count);
    double x = size / every;
    double each = x > 1e-9 ? size / expm1(x) : every;
    return sqrt(bytes * (each < every ? each : every));
}

/* ---- sums ---- */

enum { TICK_NS = 100 * 1000 * 1000 }; /* the collector tells what changed so often */

struct sums {
    const struct sample_set *set;
    struct heap_columns columns;
    uint64_t from, to, peak, base, short_ns;
    bool has_base;
};

static void add(struct memory_amount *to, int64_t bytes, int64_t count)
{
    merge_add(&to->bytes, bytes);
    merge_add(&to->count, count);
}

static void add_row(struct memory_amount *of, const struct sums *s, size_t row)
{
    const struct sample_set *set = s->set;
    const struct heap_columns *c = &s->columns;
    uint64_t t = set->time_ns ? set->time_ns[row] : 0;
    int64_t got = heap_value_at(set, c->allocated, row);
    int64_t gone = heap_value_at(set, c->freed, row);
    int64_t gots = c->has_counts ? heap_value_at(set, c->allocations, row) : 0;
    int64_t gones = c->has_counts ? heap_value_at(set, c->frees, row) : 0;
    if (t < s->peak)
        add(&of[MEMORY_PEAK], got - gone, gots - gones);
    if (s->has_base && t < s->base)
        add(&of[MEMORY_BASE], got - gone, gots - gones);
    if (t >= s->to)
        return;
    add(&of[MEMORY_IN_USE], got - gone, gots - gones);
    /* By birth, as heap_values.c has it. */
    if (s->from == 0 || heap_value_at(set, c->born, row) >= (int64_t)s->from)
        add(&of[MEMORY_LEAKED], got - gone, gots - gones);
    if (t < s->from)
        return;
    add(&of[MEMORY_ALLOCATED], got, gots);
    add(&of[MEMORY_FREED], gone, gones);
    /* Births are told as the ends of their ticks: those of this very tick lie ahead. */
    int64_t born = heap_value_at(set, c->born, row);
    if (born >= (int64_t)t || t - (uint64_t)born < s->short_ns)
        add(&of[MEMORY_SHORT], gone, gones);
    if (c->has_temporary)
        add(&of[MEMORY_TEMPORARY], heap_value_at(set, c->temporary, row),
            heap_value_at(set, c->temporaries, row));
}

static void add_all(struct memory_amount *to, const struct memory_amount *from)
{
    for (int m = 0; m < MEMORY_MEASURES; m++)
        add(&to[m], from[m].bytes, from[m].count);
}

static void grow(struct memory_amount *of)
{
    of[MEMORY_GROWN] = of[MEMORY_IN_USE];
    add(&of[MEMORY_GROWN], -of[MEMORY_BASE].bytes, -of[MEMORY_BASE].count);
}

static bool is_empty(const struct memory_amount *of)
{
    for (int m = 0; m < MEMORY_MEASURES; m++) {
        if (of[m].bytes || of[m].count)
            return false;
    }
    return true;
}

/* ---- order ---- */

static int64_t weight(const struct memory_amount *of, enum memory_measure sort)
{
    int64_t bytes = of[sort].bytes;
    return sort == MEMORY_GROWN && bytes < 0 ? -bytes : bytes;
}

static _Thread_local enum memory_measure sorted_by;

static int by_weight(const void *a, const void *b)
{
    const struct memory_row *x = a;
    const struct memory_row *y = b;
    int64_t wx = weight(x->of, sorted_by);
    int64_t wy = weight(y->of, sorted_by);
    if (wx != wy)
        return wx > wy ? -1 : 1;
    if (x->of[MEMORY_ALLOCATED].bytes != y->of[MEMORY_ALLOCATED].bytes)
        return x->of[MEMORY_ALLOCATED].bytes > y->of[MEMORY_ALLOCATED].bytes ? -1 : 1;
    if (x->function != y->function)
        return x->function < y->function ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* ---- the whole ---- */

/* Sums by stack, then by place: so the stack that weighs most of a place is known too. */
static enum status fold(struct memory *m, const struct memory_places *places,
                        const struct memory_row *stacks, size_t stacks_len)
{
    m->rows = calloc(places->len ? places->len : 1, sizeof(*m->rows));
    int64_t *heaviest = calloc(places->len ? places->len : 1, sizeof(*heaviest));
    if (!m->rows || !heaviest) {
        free(heaviest);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < places->len; i++)
        m->rows[i] = (struct memory_row){.function = places->items[i].function,
                                         .line = places->items[i].line,
                                         .stack = places->items[i].stack};
    for (size_t s = 0; s < stacks_len; s++) {
        uint32_t at = places->of_stack[stacks[s].stack];
        int64_t w = weight(stacks[s].of, m->options.sort);
        if (w > heaviest[at] || is_empty(m->rows[at].of)) {
            heaviest[at] = w;
            m->rows[at].stack = stacks[s].stack;
        }
        add_all(m->rows[at].of, stacks[s].of);
        add_all(m->total, stacks[s].of);
    }
    free(heaviest);
    for (size_t i = 0; i < places->len; i++) {
        if (is_empty(m->rows[i].of))
            continue;
        grow(m->rows[i].of);
        m->rows[m->places++] = m->rows[i];
    }
    grow(m->total);
    return STATUS_OK;
}

/* Only stacks that have rows take memory here: a heap's stacks are many, its busy ones few. */
struct stack_rows {
    uint32_t *index; /* by stack: its row + 1; 0 = none */
    struct memory_row *rows;
    size_t len;
};

static enum status stack_rows_init(struct stack_rows *r, const struct profile *p,
                                   const struct sample_set *set)
{
    size_t stacks = p->tables.stacks_len ? p->tables.stacks_len : 1;
    *r = (struct stack_rows){.index = calloc(stacks, sizeof(*r->index))};
    if (!r->index)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < set->len; i++) {
        uint32_t stack = set->stack ? set->stack[i] : 0;
        if (!r->index[stack])
            r->index[stack] = (uint32_t)++r->len;
    }
    r->rows = calloc(r->len ? r->len : 1, sizeof(*r->rows));
    if (!r->rows)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < stacks; i++) {
        if (r->index[i])
            r->rows[r->index[i] - 1].stack = i;
    }
    return STATUS_OK;
}

static void stack_rows_deinit(struct stack_rows *r)
{
    free(r->index);
    free(r->rows);
}

static void keep_filled(struct stack_rows *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->len; i++) {
        struct memory_amount *leaked = &r->rows[i].of[MEMORY_LEAKED];
        if (leaked->bytes < 0 || (leaked->bytes == 0 && leaked->count < 0))
            *leaked = (struct memory_amount){0};
        if (is_empty(r->rows[i].of))
            continue;
        grow(r->rows[i].of);
        r->rows[kept++] = r->rows[i];
    }
    r->len = kept;
}

static enum status sum_stacks(struct memory *m, const struct profile *p, const struct sums *s,
                              const struct query_filter *filter, const struct memory_places *places)
{
    struct stack_rows stacks;
    struct filter_rows rows = {0};
    struct query_filter others = *filter;
    others.has_from = others.has_to = false;
    enum status st = stack_rows_init(&stacks, p, s->set);
    if (st == STATUS_OK)
        st = filter_rows_init(&rows, p, s->set, false, &others);
    for (size_t i = 0; i < s->set->len && st == STATUS_OK; i++) {
        uint32_t stack = s->set->stack ? s->set->stack[i] : 0;
        if (places->of_stack[stack] != MEMORY_OUTSIDE && filter_rows_pass(&rows, i))
            add_row(stacks.rows[stacks.index[stack] - 1].of, s, i);
    }
    if (st == STATUS_OK) {
        keep_filled(&stacks);
        st = fold(m, places, stacks.rows, stacks.len);
    }
    filter_rows_deinit(&rows);
    stack_rows_deinit(&stacks);
    return st;
}

static struct sums make_sums(const struct profile *p, uint32_t set, const struct query_filter *f,
                             const struct memory_options *o)
{
    return (struct sums){
        .set = &p->sets[set],
        .from = f->has_from ? f->from_ns : 0,
        .to = f->has_to ? f->to_ns : UINT64_MAX,
        .has_base = o->has_base,
        .short_ns = o->short_ns ? o->short_ns : TICK_NS,
        .base = o->base_ns < UINT64_MAX ? o->base_ns + 1 : o->base_ns,
    };
}

enum status memory_build(struct memory *out, const struct profile *p,
                         const struct query_filter *filter, const struct memory_options *options,
                         struct error *err)
{
    uint32_t set;
    struct heap_columns columns;
    if (!heap_set_find(p, &set, &columns))
        return error_set(err, STATUS_UNSUPPORTED,
                         "this profile does not tell allocations over time");
    struct memory m = {.options = *options,
                       .every_bytes = heap_every_bytes(p, &p->sets[set]),
                       .has_counts = columns.has_counts};
    m.has_temporary = columns.has_temporary && m.every_bytes == 0;
    struct sums sums = make_sums(p, set, filter, options);
    struct memory_places places = {0};
    struct heap_peak peak;
    sums.columns = columns;
    sums.columns.has_temporary = m.has_temporary;
    enum status st = heap_peak_find(p, set, filter, &peak);
    if (st == STATUS_OK) {
        sums.peak = peak.time_ns;
        m.peak_ns = peak.time_ns ? peak.time_ns - 1 : 0;
        m.peak_bytes = peak.bytes;
        st = memory_places_init(&places, p, filter, options->by);
    }
    if (st == STATUS_OK)
        st = sum_stacks(&m, p, &sums, filter, &places);
    memory_places_deinit(&places);
    if (st != STATUS_OK) {
        memory_free(&m);
        return error_set(err, st, "no memory for the table of allocations");
    }
    memory_sort(&m, options->sort);
    m.len = options->limit && options->limit < m.places ? options->limit : m.places;
    *out = m;
    return STATUS_OK;
}

void memory_sort(struct memory *m, enum memory_measure measure)
{
    sorted_by = measure;
    if (m->places > 1)
        qsort(m->rows, m->places, sizeof(*m->rows), by_weight);
    m->len = m->places;
}

void memory_free(struct memory *m)
{
    free(m->rows);
    *m = (struct memory){0};
}
