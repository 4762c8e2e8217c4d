#include "backend/query/call_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/call_builder.h"
#include "backend/query/flame.h"
#include "backend/query/merge.h"
#include "common/base/array.h"

enum { DEFAULT_NODES = 200000 };

static bool builder_init(struct call_builder *b)
{
    size_t r = b->x.rows ? b->x.rows : 1;
    size_t e = b->x.edges ? b->x.edges : 1;
    b->edge_stamp = calloc(e, sizeof(*b->edge_stamp));
    b->row_stamp = calloc(r, sizeof(*b->row_stamp));
    b->mark = calloc(e, sizeof(*b->mark));
    b->budget = calloc(e, sizeof(*b->budget));
    b->own = calloc(r, sizeof(*b->own));
    b->is_on_path = calloc(e, sizeof(*b->is_on_path));
    b->is_dead = calloc(e, sizeof(*b->is_dead));
    b->is_repeat_dead = calloc(e, sizeof(*b->is_repeat_dead));
    b->depth = calloc(r, sizeof(*b->depth));
    b->queue = calloc(r, sizeof(*b->queue));
    b->came_by = calloc(r, sizeof(*b->came_by));
    b->reached = calloc(r, sizeof(*b->reached));
    b->chain = calloc(r, sizeof(*b->chain));
    return b->edge_stamp && b->row_stamp && b->mark && b->budget && b->own && b->is_on_path &&
           b->is_dead && b->is_repeat_dead && b->depth && b->queue && b->came_by && b->reached &&
           b->chain;
}

static void builder_deinit(struct call_builder *b)
{
    call_index_deinit(&b->x);
    free(b->edge_stamp);
    free(b->row_stamp);
    free(b->mark);
    free(b->budget);
    free(b->own);
    free(b->is_on_path);
    free(b->is_dead);
    free(b->is_repeat_dead);
    free(b->depth);
    free(b->queue);
    free(b->came_by);
    free(b->reached);
    free(b->chain);
    free(b->frames);
}

enum status call_add_node(struct call_builder *b, uint32_t parent, uint32_t row, double width,
                          uint32_t flags, uint32_t *node)
{
    struct call_tree *t = b->tree;
    if (t->len >= b->max_nodes)
        return STATUS_TOO_LARGE;
    if (!array_reserve(&t->nodes, &t->cap, t->len + 1))
        return STATUS_NO_MEMORY;
    /* `function` is the row until the tree is done. */
    t->nodes[t->len] = (struct call_tree_node){
        .parent = parent, .function = row, .flags = flags, .self = width, .total = width};
    *node = (uint32_t)t->len++;
    return STATUS_OK;
}

/* A box that holds all of a call but a fiftieth is not called shared out: profiles disagree with
 * themselves by more. */
uint32_t call_apportioned(double width, double whole)
{
    return width < whole * 0.98 ? FLAME_APPORTIONED : 0;
}

enum status call_add_calls_out(struct call_builder *b, uint32_t node, uint32_t row, double amount)
{
    const struct call_index *x = &b->x;
    double share = x->own[row] > 0 ? amount / x->own[row] : 0;
    for (size_t e = x->first[row]; e < x->first[row + 1]; e++) {
        if (call_index_is_inner(x, row, e))
            continue;
        double width = x->time[e] * share;
        if (width < b->min_width)
            continue;
        uint32_t child;
        enum status st = call_add_node(b, node, x->callee[e], width,
                                       CALL_PENDING | call_apportioned(width, x->time[e]), &child);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

/* ---- the whole ---- */

static enum status expand(struct call_builder *b, uint32_t node)
{
    struct call_tree_node *n = &b->tree->nodes[node];
    uint32_t row = n->function;
    double width = n->total;
    n->flags &= ~(uint32_t)CALL_PENDING;
    uint32_t group = b->x.group[row];
    if (b->x.is_recursive[group])
        return call_expand_group(b, node, row, width);
    double need = b->x.need[group];
    return call_add_calls_out(b, node, row, need > 0 ? b->x.own[row] * (width / need) : 0);
}

static enum status grow(struct call_builder *b)
{
    const struct call_index *x = &b->x;
    b->tree->len = 0;
    memset(b->depth, 0, x->rows * sizeof(*b->depth)); /* the walk before may have been cut off */
    uint32_t node;
    enum status st = call_add_node(b, 0, 0, x->sum, 0, &node);
    for (uint32_t v = 0; v < x->rows && st == STATUS_OK; v++) {
        if (x->at_root[v] >= b->min_width && x->at_root[v] > 0)
            st = call_add_node(b, 0, v, x->at_root[v], CALL_PENDING, &node);
    }
    for (uint32_t i = 1; st == STATUS_OK && i < b->tree->len; i++) {
        if (b->tree->nodes[i].flags & CALL_PENDING)
            st = expand(b, i);
    }
    return st;
}

/* The widest tree that fits max_nodes. */
static enum status grow_to_fit(struct call_builder *b, double min_fraction)
{
    /* A millionth of the whole is far below a pixel. */
    b->min_width = b->x.sum * (min_fraction > 1e-6 ? min_fraction : 1e-6);
    for (;;) {
        enum status st = grow(b);
        if (st != STATUS_TOO_LARGE || b->min_width > b->x.sum)
            return st;
        b->min_width *= 4;
    }
}

/* How far the outermost boxes of all functions are from their totals, in sum. */
static enum status disagreement(const struct call_builder *b, double *sum)
{
    const struct call_tree *t = b->tree;
    struct merge_tree view = {.len = t->len};
    uint32_t *outer = NULL;
    double *width = calloc(b->x.rows ? b->x.rows : 1, sizeof(*width));
    view.parent = malloc(t->len * sizeof(*view.parent));
    view.function = malloc(t->len * sizeof(*view.function));
    enum status st = width && view.parent && view.function ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; st == STATUS_OK && i < t->len; i++) {
        view.parent[i] = t->nodes[i].parent;
        view.function[i] = t->nodes[i].function;
    }
    if (st == STATUS_OK)
        st = merge_tree_outer(&view, b->x.rows, &outer);
    for (size_t i = 1; st == STATUS_OK && i < t->len; i++)
        width[t->nodes[i].function] += outer[i] ? 0 : t->nodes[i].total;
    *sum = 0;
    for (size_t r = 0; st == STATUS_OK && r < b->x.rows; r++)
        *sum += fabs(width[r] - b->x.total[r]);
    free(outer);
    free(width);
    merge_tree_deinit(&view);
    return st;
}

static bool has_recursion(const struct call_index *x)
{
    for (size_t g = 0; g < x->groups; g++) {
        if (x->is_recursive[g])
            return true;
    }
    return false;
}

/* Within a group a call graph does not tell the order of calls. Both ways to guess it are tried;
 * the one that agrees better with the functions' totals stays. */
static enum status grow_best(struct call_builder *b, double min_fraction)
{
    enum status st = grow_to_fit(b, min_fraction);
    if (st != STATUS_OK || !has_recursion(&b->x))
        return st;
    double plain_sum = 0;
    double round_sum = 0;
    double plain_min = b->min_width;
    struct call_tree plain = *b->tree;
    st = disagreement(b, &plain_sum);
    *b->tree = (struct call_tree){0};
    b->goes_round_first = true;
    if (st == STATUS_OK)
        st = grow_to_fit(b, min_fraction);
    if (st == STATUS_OK)
        st = disagreement(b, &round_sum);
    if (st == STATUS_OK && round_sum < plain_sum) {
        free(plain.nodes);
        return STATUS_OK;
    }
    free(b->tree->nodes);
    *b->tree = plain;
    b->min_width = plain_min;
    return st;
}

/* Rows become functions; a box's self is what its children leave. */
static void finish(struct call_builder *b)
{
    struct call_tree *t = b->tree;
    for (size_t i = t->len - 1; i > 0; i--)
        t->nodes[t->nodes[i].parent].self -= t->nodes[i].total;
    for (size_t i = 0; i < t->len; i++) {
        struct call_tree_node *n = &t->nodes[i];
        if (n->self < 0)
            n->self = 0;
        if (i > 0)
            n->function = b->graph->rows[n->function].function;
    }
    t->total = b->x.sum;
    t->min_width = b->min_width;
}

enum status call_tree_build(struct call_tree *out, const struct profile *p, double min_fraction,
                            size_t max_nodes, struct error *err)
{
    struct call_tree tree = {0};
    struct call_builder b = {.graph = &p->call_graph, .tree = &tree};
    b.max_nodes = max_nodes ? max_nodes : DEFAULT_NODES;
    enum status st = call_index_init(&b.x, b.graph);
    if (st == STATUS_OK && !builder_init(&b))
        st = STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = grow_best(&b, min_fraction);
    if (st == STATUS_OK) {
        finish(&b);
        *out = tree;
    } else {
        free(tree.nodes);
        st = error_set(err, st,
                       st == STATUS_NO_MEMORY ? "no memory for the tree of calls"
                                              : "too many functions for a tree of calls");
    }
    builder_deinit(&b);
    return st;
}

void call_tree_free(struct call_tree *t)
{
    free(t->nodes);
    *t = (struct call_tree){0};
}
