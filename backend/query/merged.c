#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/cache_state.h"
#include "backend/query/call_tree.h"
#include "backend/query/heap_values.h"
#include "backend/query/merge.h"
#include "backend/query/reshape.h"

/* ---- sums by stack ---- */

enum { BLOCK = 4096 };

/* Numbers of the rows from `begin` on that pass, at most BLOCK of them looked at. Without
 * branches: to the processor threads and states are as good as random. */
static size_t choose_rows(const struct filter_rows *r, size_t begin, size_t end, uint32_t *chosen)
{
    const struct filter_rows f = *r;
    size_t n = 0;
    for (size_t i = begin; i < end; i++) {
        chosen[n] = (uint32_t)i;
        n += filter_rows_pass(&f, i);
    }
    return n;
}

static void add_chosen(struct stack_sums *s, const uint32_t *stack, const int64_t *value,
                       const uint32_t *chosen, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        uint32_t at = stack ? stack[chosen[k]] : 0;
        s->count[at]++;
        if (value)
            merge_add(&s->self[at], value[chosen[k]]);
    }
}

static void sum_rows(struct stack_sums *s, const struct filter_rows *r, const int64_t *value)
{
    const uint32_t *stack = r->set->stack;
    bool is_plain = !r->thread_passes && !r->states && !r->domains && !r->checks_time;
    if (is_plain && stack && !value) {
        for (size_t i = r->begin; i < r->end; i++)
            s->count[stack[i]]++;
        return;
    }
    if (is_plain && stack) {
        for (size_t i = r->begin; i < r->end; i++) {
            s->count[stack[i]]++;
            merge_add(&s->self[stack[i]], value[i]);
        }
        return;
    }
    uint32_t chosen[BLOCK];
    for (size_t i = r->begin; i < r->end; i += BLOCK) {
        size_t end = r->end - i < BLOCK ? r->end : i + BLOCK;
        add_chosen(s, stack, value, chosen, choose_rows(r, i, end, chosen));
    }
}

static int64_t times(int64_t value, uint32_t count)
{
    int64_t product;
    if (__builtin_mul_overflow(value, (int64_t)count, &product))
        return value > 0 ? INT64_MAX : INT64_MIN;
    return product;
}

enum status stack_sums_init(struct stack_sums *s, const struct profile *p, bool is_ordered,
                            const struct query_value *v, const struct query_filter *filter)
{
    if (v->derived)
        return heap_sums_init(s, p, v, filter);
    *s = (struct stack_sums){0};
    size_t stacks = p->tables.stacks_len ? p->tables.stacks_len : 1;
    s->self = calloc(stacks, sizeof(*s->self));
    s->count = calloc(stacks, sizeof(*s->count));
    if (!s->self || !s->count) {
        stack_sums_deinit(s);
        return STATUS_NO_MEMORY;
    }
    const struct sample_set *set = &p->sets[v->set];
    struct filter_rows rows;
    enum status st = filter_rows_init(&rows, p, set, is_ordered, filter);
    if (st != STATUS_OK) {
        stack_sums_deinit(s);
        return st;
    }
    const int64_t *value = set->values[v->column].value;
    sum_rows(s, &rows, value);
    filter_rows_deinit(&rows);
    for (size_t i = 0; i < stacks; i++) {
        s->samples += s->count[i];
        if (!value)
            s->self[i] = times(set->values[v->column].constant, s->count[i]);
    }
    return STATUS_OK;
}

void stack_sums_deinit(struct stack_sums *s)
{
    free(s->self);
    free(s->count);
    *s = (struct stack_sums){0};
}

/* ---- sums by node ---- */

static enum status alloc_sums(struct merged *m, size_t nodes)
{
    m->self = calloc(nodes, sizeof(*m->self));
    m->count = calloc(nodes, sizeof(*m->count));
    return m->self && m->count ? STATUS_OK : STATUS_NO_MEMORY;
}

static bool has_row_filter(const struct query_filter *f)
{
    return f->has_from || f->has_to || f->threads_len || f->processes_len || f->states ||
           f->domains;
}

static void fold(struct merged *m, const struct query_cache *c, const int64_t *self,
                 const uint32_t *count, int64_t constant)
{
    for (size_t i = 0; i < c->stacks; i++) {
        if (!count[i])
            continue;
        uint32_t node = c->node_of_stack[i];
        m->count[node] += count[i];
        m->samples += count[i];
        merge_add(&m->self[node], self ? self[i] : times(constant, count[i]));
    }
}

static enum status sum_samples(struct merged *m, const struct profile *p, struct query_cache *c,
                               const struct query_filter *f)
{
    enum status st = query_cache_update(c, p);
    if (st == STATUS_OK)
        st = alloc_sums(m, c->tree.len);
    if (st != STATUS_OK)
        return st;
    m->tree = &c->tree;
    m->outer = c->outer;
    m->tick = 1;
    if (!has_row_filter(f) && !m->value.derived) {
        const struct cache_sums *sums;
        st = query_cache_sums(c, p, &m->value, &sums);
        if (st == STATUS_OK)
            fold(m, c, sums->self, sums->count,
                 p->sets[m->value.set].values[m->value.column].constant);
        return st;
    }
    bool is_ordered;
    struct stack_sums sums;
    st = query_cache_order(c, p, m->value.set, &is_ordered);
    if (st == STATUS_OK)
        st = stack_sums_init(&sums, p, is_ordered, &m->value, f);
    if (st == STATUS_OK) {
        fold(m, c, sums.self, sums.count, 0);
        stack_sums_deinit(&sums);
    }
    return st;
}

/* ---- a call graph's estimated tree ---- */

/* Whole numbers carry the widths: nanoseconds of a time, events as they are, else a small part
 * of the total. */
static double choose_tick(const struct call_tree *t, const char *unit)
{
    double seconds = query_unit_seconds(unit);
    if (seconds > 0 && t->total * seconds < 9e9)
        return 1e-9 / seconds;
    bool is_whole = true;
    for (size_t i = 0; i < t->len && is_whole; i++)
        is_whole = t->nodes[i].self == floor(t->nodes[i].self);
    if (is_whole && t->total < 9e15)
        return 1;
    return t->total / 9e15;
}

/* Boxes of one function beside each other, made in several steps, become one. */
static enum status copy_call_tree(struct merged *m, const struct call_tree *t, size_t functions)
{
    struct merge_tree *own = &m->own_tree;
    uint32_t *to = calloc(t->len, sizeof(*to));
    enum status st = alloc_sums(m, t->len);
    m->flags = calloc(t->len, sizeof(*m->flags));
    if (st == STATUS_OK)
        st = to && m->flags ? merge_tree_init(own) : STATUS_NO_MEMORY;
    for (size_t i = 0; i < t->len && st == STATUS_OK; i++) {
        const struct call_tree_node *n = &t->nodes[i];
        if (i > 0)
            st = merge_tree_child(own, to[n->parent], n->function, &to[i]);
        if (st == STATUS_OK) {
            m->flags[to[i]] |= n->flags;
            merge_add(&m->self[to[i]], llround(n->self / m->tick));
        }
    }
    free(to);
    m->tree = own;
    if (st == STATUS_OK)
        st = merge_tree_outer(own, functions, &m->own_outer);
    m->outer = m->own_outer;
    return st;
}

static enum status sum_call_graph(struct merged *m, const struct profile *p, double min_fraction,
                                  struct error *err)
{
    struct call_tree tree;
    enum status st = call_tree_build(&tree, p, min_fraction, 0, err);
    if (st != STATUS_OK)
        return st;
    m->is_estimated = true;
    m->tick = tree.total > 0 ? choose_tick(&tree, m->value.unit) : 1;
    st = copy_call_tree(m, &tree, p->tables.functions_len);
    call_tree_free(&tree);
    return st;
}

/* ---- line hits: every function stands alone under the root ---- */

static enum status sum_lines(struct merged *m, const struct profile *p)
{
    bool is_time = query_unit_seconds(m->value.unit) > 0;
    m->tick = is_time ? 1e-9 : 1;
    enum status st = merge_tree_init(&m->own_tree);
    if (st != STATUS_OK)
        return st;
    size_t functions = p->tables.functions_len;
    st = alloc_sums(m, functions + 1);
    for (size_t i = 0; i < p->lines_len && st == STATUS_OK; i++) {
        double amount = is_time ? p->lines[i].time_s : p->lines[i].increment_bytes;
        uint32_t node;
        st = merge_tree_child(&m->own_tree, 0, p->lines[i].function, &node);
        if (st == STATUS_OK && isfinite(amount) && fabs(amount / m->tick) < 9e18)
            merge_add(&m->self[node], llround(amount / m->tick));
        if (st == STATUS_OK)
            m->count[node]++;
    }
    m->tree = &m->own_tree;
    if (st == STATUS_OK)
        st = merge_tree_outer(&m->own_tree, functions, &m->own_outer);
    m->outer = m->own_outer;
    return st;
}

enum status merged_init(struct merged *m, const struct profile *p, struct query_cache *cache,
                        const struct query_filter *filter, double min_fraction, struct error *err)
{
    *m = (struct merged){0};
    enum status st = query_value_find(p, filter->value, &m->value, err);
    if (st != STATUS_OK)
        return st;
    if (!cache && m->value.source == QUERY_SAMPLES) {
        cache = m->own_cache = query_cache_new();
        if (!cache)
            return error_set(err, STATUS_NO_MEMORY, "no memory for the tree of stacks");
    }
    switch (m->value.source) {
    case QUERY_SAMPLES:
        st = sum_samples(m, p, cache, filter);
        break;
    case QUERY_CALL_GRAPH:
        st = sum_call_graph(m, p, min_fraction, err);
        break;
    case QUERY_LINES:
        st = sum_lines(m, p);
        break;
    }
    if (st == STATUS_OK && reshape_is_needed(filter))
        st = reshape_merged(m, p, filter);
    if (st != STATUS_OK) {
        merged_deinit(m);
        return st == STATUS_NO_MEMORY ? error_set(err, st, "no memory for the tree of stacks") : st;
    }
    return STATUS_OK;
}

void merged_deinit(struct merged *m)
{
    free(m->self);
    free(m->count);
    free(m->flags);
    merge_tree_deinit(&m->own_tree);
    free(m->own_outer);
    groups_deinit(&m->groups);
    query_cache_free(m->own_cache);
    *m = (struct merged){0};
}
