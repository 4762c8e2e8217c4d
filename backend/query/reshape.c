#include "backend/query/reshape.h"

#include <stdlib.h>
#include <string.h>

#include "backend/query/flame.h"
#include "common/base/array.h"

bool reshape_is_needed(const struct query_filter *f)
{
    return f->has_focus || f->hide_len || f->hide_modules_len || f->hide_packages_len || f->group ||
           f->collapses;
}

static enum status mark_groups(uint8_t *hidden, const struct profile *p, enum group_by by,
                               const uint32_t *items, size_t len)
{
    struct groups g;
    size_t functions = p->tables.functions_len;
    enum status st = groups_build(&g, p, by);
    if (st != STATUS_OK)
        return st;
    uint8_t *is_named = calloc(functions ? functions : 1, 1);
    for (size_t i = 0; is_named && i < len; i++) {
        if (items[i] < functions)
            is_named[g.of[items[i]]] = 1;
    }
    for (size_t f = 0; is_named && f < functions; f++)
        hidden[f] |= is_named[g.of[f]];
    st = is_named ? STATUS_OK : STATUS_NO_MEMORY;
    free(is_named);
    groups_deinit(&g);
    return st;
}

enum status reshape_hidden(uint8_t **out, const struct profile *p, const struct query_filter *f)
{
    size_t functions = p->tables.functions_len;
    uint8_t *hidden = calloc(functions ? functions : 1, 1);
    enum status st = hidden ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; hidden && i < f->hide_len; i++) {
        if (f->hide[i] < functions)
            hidden[f->hide[i]] = 1;
    }
    if (st == STATUS_OK && f->hide_modules_len)
        st = mark_groups(hidden, p, GROUP_BY_MODULE, f->hide_modules, f->hide_modules_len);
    if (st == STATUS_OK && f->hide_packages_len)
        st = mark_groups(hidden, p, GROUP_BY_PACKAGE, f->hide_packages, f->hide_packages_len);
    if (st != STATUS_OK) {
        free(hidden);
        return st;
    }
    *out = hidden;
    return STATUS_OK;
}

/* The nearest node from `node` up to the root that is of this function; 0 = none. A folded path
 * names each function once, so it is no longer than there are functions. */
static uint32_t find_above(const struct merge_tree *t, uint32_t node, uint32_t function)
{
    while (node && t->function[node] != function)
        node = t->parent[node];
    return node;
}

/* A flag for every node there is, 0 for the new ones. */
static bool reserve_flags(struct reshape *r, size_t *cap)
{
    size_t before = *cap;
    if (!array_reserve(&r->flags, cap, r->tree.len))
        return false;
    memset(r->flags + before, 0, (*cap - before) * sizeof(*r->flags));
    return true;
}

struct placing {
    struct reshape *r;
    const struct query_filter *f;
    const uint8_t *hidden;
    size_t cap_flags;
};

/* Where a node of `function` goes whose parent went to `up`. */
static enum status place(struct placing *p, uint32_t up, uint32_t function, uint32_t *to)
{
    struct reshape *r = p->r;
    uint32_t shown = r->groups.of ? r->groups.of[function] : function;
    if (up == (uint32_t)RESHAPE_OUTSIDE && (function == p->f->focus || shown == p->f->focus))
        up = 0;
    *to = up;
    if (up == (uint32_t)RESHAPE_OUTSIDE || p->hidden[function])
        return STATUS_OK;
    /* The next function of the same module is the same box; further down it is another visit. */
    if (r->groups.of && up && r->tree.function[up] == shown)
        return STATUS_OK;
    uint32_t above = p->f->collapses ? find_above(&r->tree, up, shown) : 0;
    if (above) {
        *to = above;
        if (!reserve_flags(r, &p->cap_flags))
            return STATUS_NO_MEMORY;
        r->flags[above] |= FLAME_FOLDED;
        return STATUS_OK;
    }
    return merge_tree_child(&r->tree, up, shown, to);
}

enum status reshape_init(struct reshape *r, const struct merge_tree *t, const struct profile *p,
                         const struct query_filter *f)
{
    *r = (struct reshape){0};
    uint8_t *hidden = NULL;
    enum status st = merge_tree_init(&r->tree);
    if (st == STATUS_OK)
        st = reshape_hidden(&hidden, p, f);
    if (st == STATUS_OK && f->group)
        st = groups_build(&r->groups, p, f->group);
    if (st == STATUS_OK) {
        r->to = malloc(t->len * sizeof(*r->to));
        st = r->to ? STATUS_OK : STATUS_NO_MEMORY;
    }
    struct placing placing = {.r = r, .f = f, .hidden = hidden};
    if (st == STATUS_OK)
        r->to[0] = f->has_focus ? (uint32_t)RESHAPE_OUTSIDE : 0;
    for (size_t i = 1; i < t->len && st == STATUS_OK; i++)
        st = place(&placing, r->to[t->parent[i]], t->function[i], &r->to[i]);
    if (st == STATUS_OK && r->flags && !reserve_flags(r, &placing.cap_flags))
        st = STATUS_NO_MEMORY;
    free(hidden);
    if (st != STATUS_OK)
        reshape_deinit(r);
    return st;
}

void reshape_deinit(struct reshape *r)
{
    merge_tree_deinit(&r->tree);
    groups_deinit(&r->groups);
    free(r->to);
    free(r->flags);
    *r = (struct reshape){0};
}

struct sums {
    int64_t *self;
    uint32_t *count, *flags;
};

static void move_sums(struct merged *m, const uint32_t *to, struct sums *s)
{
    m->samples = 0;
    for (size_t i = 0; i < m->tree->len; i++) {
        if (to[i] == (uint32_t)RESHAPE_OUTSIDE)
            continue;
        merge_add(&s->self[to[i]], m->self[i]);
        s->count[to[i]] += m->count[i];
        m->samples += m->count[i];
        if (m->flags)
            s->flags[to[i]] |= m->flags[i];
    }
}

enum status reshape_merged(struct merged *m, const struct profile *p, const struct query_filter *f)
{
    struct reshape r;
    enum status st = reshape_init(&r, m->tree, p, f);
    if (st != STATUS_OK)
        return st;
    uint32_t *outer = NULL;
    struct sums s = {calloc(r.tree.len, sizeof(*s.self)), calloc(r.tree.len, sizeof(*s.count)),
                     calloc(r.tree.len, sizeof(*s.flags))};
    st = s.self && s.count && s.flags ? merge_tree_outer(&r.tree, p->tables.functions_len, &outer)
                                      : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        move_sums(m, r.to, &s);
        for (size_t i = 0; r.flags && i < r.tree.len; i++)
            s.flags[i] |= r.flags[i];
        bool has_flags = m->flags || r.flags;
        free(m->self);
        free(m->count);
        free(m->flags);
        merge_tree_deinit(&m->own_tree);
        free(m->own_outer);
        m->self = s.self;
        m->count = s.count;
        m->flags = has_flags ? s.flags : NULL;
        m->own_tree = r.tree;
        m->own_outer = outer;
        m->groups = r.groups;
        m->tree = &m->own_tree;
        m->outer = outer;
        r.tree = (struct merge_tree){0};
        r.groups = (struct groups){0};
        s.self = NULL;
        s.count = NULL;
        if (has_flags)
            s.flags = NULL;
    }
    free(s.self);
    free(s.count);
    free(s.flags);
    reshape_deinit(&r);
    return st;
}
