#include "backend/query/cache.h"

#include <stdlib.h>
#include <string.h>

#include "backend/query/cache_state.h"
#include "common/base/array.h"

struct query_cache *query_cache_new(void)
{
    struct query_cache *c = calloc(1, sizeof(*c));
    if (c && merge_tree_init(&c->tree) != STATUS_OK) {
        free(c);
        return NULL;
    }
    return c;
}

static void free_parts(struct query_cache *c)
{
    merge_tree_deinit(&c->tree);
    free(c->node_of_stack);
    free(c->outer);
    free(c->order);
    for (size_t i = 0; i < CACHE_SUMS; i++) {
        free(c->sums[i].self);
        free(c->sums[i].count);
    }
}

void query_cache_free(struct query_cache *c)
{
    if (!c)
        return;
    free_parts(c);
    free(c);
}

size_t query_cache_size(const struct query_cache *c)
{
    size_t size = sizeof(*c);
    size += (c->tree.cap_parent + c->tree.cap_function + c->tree.slots_cap) * sizeof(uint32_t);
    size += (c->cap_stacks + c->outer_len) * sizeof(uint32_t);
    for (size_t i = 0; i < CACHE_SUMS; i++)
        size += c->sums[i].cap_self * sizeof(int64_t) + c->sums[i].cap_count * sizeof(uint32_t);
    return size;
}

static enum status add_stacks(struct query_cache *c, const struct profile *p)
{
    const struct tables *t = &p->tables;
    if (!array_reserve(&c->node_of_stack, &c->cap_stacks, t->stacks_len ? t->stacks_len : 1))
        return STATUS_NO_MEMORY;
    /* Usually each stack is a node of its own; merging lines makes it fewer. */
    if (t->stacks_len > c->stacks * 2 && !merge_tree_reserve(&c->tree, t->stacks_len))
        return STATUS_NO_MEMORY;
    if (c->stacks == 0) {
        c->node_of_stack[0] = 0;
        c->stacks = 1;
    }
    for (; c->stacks < t->stacks_len; c->stacks++) {
        const struct wire_stack *s = &t->stacks[c->stacks];
        uint32_t function = t->frames[s->frame].function;
        enum status st = merge_tree_child(&c->tree, c->node_of_stack[s->parent], function,
                                          &c->node_of_stack[c->stacks]);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

enum status query_cache_update(struct query_cache *c, const struct profile *p)
{
    enum status st = add_stacks(c, p);
    if (st != STATUS_OK || c->outer_len == c->tree.len)
        return st;
    uint32_t *outer;
    st = merge_tree_outer(&c->tree, p->tables.functions_len, &outer);
    if (st == STATUS_OK) {
        free(c->outer);
        c->outer = outer;
        c->outer_len = c->tree.len;
    }
    return st;
}

enum status query_cache_order(struct query_cache *c, const struct profile *p, uint32_t set,
                              bool *is_ordered)
{
    if (c->order_len < p->sets_len) {
        if (!array_reserve(&c->order, &c->cap_order, p->sets_len))
            return STATUS_NO_MEMORY;
        for (; c->order_len < p->sets_len; c->order_len++)
            c->order[c->order_len] = (struct cache_order){0};
    }
    struct cache_order *o = &c->order[set];
    const struct sample_set *s = &p->sets[set];
    if (s->time_ns) {
        size_t i = o->checked ? o->checked : 1;
        for (; i < s->len && !o->is_broken; i++)
            o->is_broken = s->time_ns[i] < s->time_ns[i - 1];
        o->checked = s->len;
    }
    *is_ordered = !o->is_broken;
    return STATUS_OK;
}

/* The sums of this value, or the ones used longest ago, emptied. */
static struct cache_sums *choose_sums(struct query_cache *c, const struct query_value *v)
{
    struct cache_sums *oldest = &c->sums[0];
    for (size_t i = 0; i < CACHE_SUMS; i++) {
        struct cache_sums *s = &c->sums[i];
        if (s->used && s->set == v->set && s->column == v->column)
            return s;
        if (s->used < oldest->used)
            oldest = s;
    }
    oldest->set = v->set;
    oldest->column = v->column;
    oldest->rows = 0;
    oldest->stacks = 0;
    return oldest;
}

static void add_rows(struct cache_sums *s, const struct sample_set *set, const int64_t *value)
{
    size_t i = s->rows;
    if (!value) {
        for (; i < set->len; i++)
            s->count[set->stack[i]]++;
    } else {
        for (; i < set->len; i++) {
            s->count[set->stack[i]]++;
            merge_add(&s->self[set->stack[i]], value[i]);
        }
    }
    s->rows = set->len;
}

/* A value that was the same in all rows so far is only counted. When it stops being so, the model
 * makes a column of it, and the sums begin again. */
enum status query_cache_sums(struct query_cache *c, const struct profile *p,
                             const struct query_value *v, const struct cache_sums **out)
{
    struct cache_sums *s = choose_sums(c, v);
    const struct sample_set *set = &p->sets[v->set];
    const int64_t *value = set->values[v->column].value;
    size_t stacks = p->tables.stacks_len ? p->tables.stacks_len : 1;
    bool is_counted = s->rows > 0 && s->cap_self == 0;
    if (is_counted && value)
        s->rows = s->stacks = 0;
    if (!array_reserve(&s->count, &s->cap_count, stacks))
        return STATUS_NO_MEMORY;
    memset(s->count + s->stacks, 0, (stacks - s->stacks) * sizeof(*s->count));
    if (value) {
        if (!array_reserve(&s->self, &s->cap_self, stacks))
            return STATUS_NO_MEMORY;
        memset(s->self + s->stacks, 0, (stacks - s->stacks) * sizeof(*s->self));
    } else if (s->cap_self) {
        free(s->self);
        s->self = NULL;
        s->cap_self = 0;
    }
    s->stacks = stacks;
    if (set->stack)
        add_rows(s, set, value);
    else if (set->len > s->rows) {
        s->count[0] += (uint32_t)(set->len - s->rows);
        for (size_t i = s->rows; value && i < set->len; i++)
            merge_add(&s->self[0], value[i]);
        s->rows = set->len;
    }
    s->used = ++c->clock;
    *out = s;
    return STATUS_OK;
}
