#include "backend/query/call_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/call_index.h"
#include "backend/query/flame.h"
#include "backend/query/merge.h"
#include "common/base/array.h"

enum {
    DEFAULT_NODES = 200000,
    MAX_LEAD = 64,          /* rows looked at when going round is weighed */
    MAX_RECURSION = 2000,   /* boxes of one group below each other */
    PENDING = 1 << 16,      /* this box's children are not made yet */
    EDGE_NONE = UINT32_MAX, /* the box's own edge: none */
};

/* One call of the walk within a group of functions that call each other. */
struct frame {
    uint32_t node, row;
    uint32_t via;                          /* edge it came by */
    uint64_t old_mark;                     /* of that edge */
    bool was_on_path;                      /* that edge, before */
    enum { LEADING, NEW, REPEATING } pass; /* over the edges, in this order */
    double widest_new; /* of the calls not on the path yet, when the box began */
    size_t edge;       /* next to try */
    double cap, left;  /* width it may take, width not yet filled */
};

struct builder {
    const struct call_graph *graph;
    struct call_index x;
    struct call_tree *tree;
    size_t max_nodes;
    double min_width;
    bool goes_round_first; /* one of the two ways to order calls within a group */
    /* of the walk in hand; a row or edge is set up when `stamp` meets it */
    uint64_t stamp, fresh;
    uint64_t *edge_stamp, *row_stamp, *mark;
    double *budget; /* of each edge: width it may still have on a first passage */
    double *own;    /* of each row: self and calls out of the group still to place */
    bool *is_on_path, *is_dead, *is_repeat_dead;
    uint32_t *depth; /* of each row: how often it is on the path */
    struct frame *frames;
    size_t frames_len, cap_frames;
    /* for shortest chains of calls */
    uint64_t search;
    uint64_t *reached;
    uint32_t *queue, *came_by, *chain;
};

static bool builder_init(struct builder *b)
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

static void builder_deinit(struct builder *b)
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

/* STATUS_TOO_LARGE means: again, with wider boxes. */
static enum status add_node(struct builder *b, uint32_t parent, uint32_t row, double width,
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
static uint32_t apportioned(double width, double whole)
{
    return width < whole * 0.98 ? FLAME_APPORTIONED : 0;
}

/* Boxes for the calls of `row` that leave its group, when `amount` of its own time is placed
 * here. Their insides are made later. */
static enum status add_calls_out(struct builder *b, uint32_t node, uint32_t row, double amount)
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
        enum status st = add_node(b, node, x->callee[e], width,
                                  PENDING | apportioned(width, x->time[e]), &child);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

/* ---- within a group ---- */

static void meet_edge(struct builder *b, size_t e, double scale)
{
    if (b->edge_stamp[e] == b->stamp)
        return;
    b->edge_stamp[e] = b->stamp;
    b->budget[e] = b->x.time[e] * scale;
    b->is_on_path[e] = b->is_dead[e] = b->is_repeat_dead[e] = false;
    b->mark[e] = 0;
}

static void meet_row(struct builder *b, uint32_t row, double scale)
{
    if (b->row_stamp[row] == b->stamp)
        return;
    b->row_stamp[row] = b->stamp;
    b->own[row] = b->x.own[row] * scale;
}

/* Whether this edge may be taken now, and how wide. A call that is on the path already is free,
 * but only when a new one was met since: recursion goes round once for each new thing. */
static double edge_width(const struct builder *b, const struct frame *f, size_t e,
                         bool is_repeating)
{
    uint32_t callee = b->x.callee[e];
    if (b->is_on_path[e] != is_repeating || (b->depth[callee] && !b->x.may_recur[callee]))
        return 0;
    if (is_repeating)
        return b->is_repeat_dead[e] || b->mark[e] >= b->fresh ? 0 : f->left;
    if (b->is_dead[e])
        return 0;
    return b->budget[e] < f->left ? b->budget[e] : f->left;
}

/* Places own time of `row` in the innermost box, up to `width`. */
static enum status place_own(struct builder *b, double width, double scale)
{
    struct frame *f = &b->frames[b->frames_len - 1];
    meet_row(b, f->row, scale);
    double own = b->own[f->row] < width ? b->own[f->row] : width;
    if (own <= 0)
        return STATUS_OK;
    b->own[f->row] -= own;
    f->left -= own;
    return add_calls_out(b, f->node, f->row, own);
}

/* What the calls of a new box cannot fill is its own time: placed at once, so that it does not go
 * into a deeper box of the same function. */
static enum status place_first(struct builder *b, double scale)
{
    const struct call_index *x = &b->x;
    struct frame *f = &b->frames[b->frames_len - 1];
    double filled = 0;
    for (size_t e = x->first[f->row]; e < x->first[f->row + 1] && filled < f->left; e++) {
        if (x->time[e] * scale < b->min_width)
            break;
        if (!call_index_is_inner(x, f->row, e))
            continue;
        meet_edge(b, e, scale);
        double width = edge_width(b, f, e, b->is_on_path[e]);
        filled += width;
        if (!b->is_on_path[e] && width > f->widest_new)
            f->widest_new = width;
    }
    return filled < f->left ? place_own(b, f->left - filled, scale) : STATUS_OK;
}

static enum status push(struct builder *b, uint32_t node, uint32_t row, uint32_t via, double cap,
                        double scale)
{
    if (!array_reserve(&b->frames, &b->cap_frames, b->frames_len + 1))
        return STATUS_NO_MEMORY;
    struct frame *f = &b->frames[b->frames_len++];
    *f = (struct frame){
        .node = node, .row = row, .via = via, .edge = b->x.first[row], .cap = cap, .left = cap};
    b->depth[row]++;
    if (via != EDGE_NONE) {
        f->was_on_path = b->is_on_path[via];
        f->old_mark = b->mark[via];
        if (!f->was_on_path)
            b->fresh++;
        b->is_on_path[via] = true;
        b->mark[via] = b->fresh;
    }
    return place_first(b, scale);
}

/* The widest new call that going round from `row` leads to, through calls that are on the path. */
static double find_lead(struct builder *b, uint32_t row, double scale)
{
    const struct call_index *x = &b->x;
    uint32_t rows[MAX_LEAD] = {row};
    size_t len = 1;
    double lead = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t v = rows[i];
        for (size_t e = x->first[v]; e < x->first[v + 1]; e++) {
            if (x->time[e] * scale < b->min_width)
                break;
            uint32_t w = x->callee[e];
            if (!call_index_is_inner(x, v, e) || (b->depth[w] && !x->may_recur[w]))
                continue;
            meet_edge(b, e, scale);
            if (!b->is_on_path[e]) {
                if (!b->is_dead[e] && b->budget[e] > lead)
                    lead = b->budget[e];
                continue;
            }
            size_t k = 0;
            while (k < len && rows[k] != w)
                k++;
            if (k == len && len < MAX_LEAD && !b->is_repeat_dead[e])
                rows[len++] = w;
        }
    }
    return lead;
}

/* Going round comes before a new call when it leads to a wider one that fits in here: the inner
 * run of a recursive function is where its narrower calls belong. */
static bool is_leading(struct builder *b, const struct frame *f, size_t e, double scale)
{
    double lead = find_lead(b, b->x.callee[e], scale);
    return (lead < f->left ? lead : f->left) > (f->widest_new < f->left ? f->widest_new : f->left);
}

/* The width for this edge in the pass in hand; 0 = not now. */
static double width_now(struct builder *b, struct frame *f, size_t e, double scale)
{
    if (!call_index_is_inner(&b->x, f->row, e))
        return 0;
    meet_edge(b, e, scale);
    bool is_round = f->pass != NEW;
    if (f->pass == REPEATING && b->is_on_path[e] && b->mark[e] >= b->fresh)
        b->tree->nodes[f->node].flags |= FLAME_FOLDED;
    double width = edge_width(b, f, e, is_round);
    if (f->pass == LEADING && width >= b->min_width &&
        !(b->goes_round_first && is_leading(b, f, e, scale)))
        return 0;
    return width;
}

/* The next child of the innermost box: `*is_down` when one was begun. */
static enum status step_down(struct builder *b, double scale, bool *is_down)
{
    const struct call_index *x = &b->x;
    *is_down = false;
    struct frame *f = &b->frames[b->frames_len - 1];
    for (;;) {
        bool is_pass_over = f->edge == x->first[f->row + 1] ||
                            x->time[f->edge] * scale < b->min_width; /* the rest is narrower */
        if (is_pass_over) {
            if (f->pass == REPEATING)
                return STATUS_OK;
            f->pass++;
            f->edge = x->first[f->row];
            continue;
        }
        size_t e = f->edge++;
        double width = width_now(b, f, e, scale);
        if (width < b->min_width || f->left < b->min_width || b->frames_len >= MAX_RECURSION)
            continue;
        uint32_t node;
        enum status st = add_node(b, f->node, x->callee[e], width, 0, &node);
        if (st == STATUS_OK)
            st = push(b, node, x->callee[e], (uint32_t)e, width, scale);
        *is_down = st == STATUS_OK;
        return st;
    }
}

/* All children are made: its own time comes last, then the width is known. */
static enum status step_up(struct builder *b, double scale)
{
    enum status st = place_own(b, b->frames[b->frames_len - 1].left, scale);
    if (st != STATUS_OK)
        return st;
    struct frame f = b->frames[--b->frames_len];
    b->depth[f.row]--;
    if (f.via == EDGE_NONE)
        return STATUS_OK;
    double width = f.cap - f.left;
    if (!f.was_on_path) {
        b->fresh--;
        b->budget[f.via] -= width;
    }
    b->is_on_path[f.via] = f.was_on_path;
    b->mark[f.via] = f.old_mark;
    if (width <= 0) {
        /* Nothing is left to place down there, and there will not be more. */
        *(f.was_on_path ? &b->is_repeat_dead[f.via] : &b->is_dead[f.via]) = true;
        b->tree->len = f.node;
        return STATUS_OK;
    }
    b->tree->nodes[f.node].total = b->tree->nodes[f.node].self = width;
    b->tree->nodes[f.node].flags |= apportioned(width, b->x.time[f.via]);
    b->frames[b->frames_len - 1].left -= width;
    return STATUS_OK;
}

/* Members of the entry's group, the nearest first, each with who calls it on the way. */
static size_t find_chains(struct builder *b, uint32_t entry)
{
    const struct call_index *x = &b->x;
    size_t len = 0;
    b->search++;
    b->queue[len++] = entry;
    b->reached[entry] = b->search;
    for (size_t i = 0; i < len; i++) {
        uint32_t v = b->queue[i];
        for (size_t e = x->first[v]; e < x->first[v + 1]; e++) {
            uint32_t w = x->callee[e];
            if (!call_index_is_inner(x, v, e) || b->reached[w] == b->search)
                continue;
            b->reached[w] = b->search;
            b->came_by[w] = v;
            b->queue[len++] = w;
        }
    }
    return len;
}

static enum status add_chain(struct builder *b, uint32_t node, uint32_t entry, uint32_t row,
                             double width)
{
    size_t len = 0;
    for (uint32_t v = row; v != entry; v = b->came_by[v])
        b->chain[len++] = v;
    enum status st = STATUS_OK;
    while (len > 0 && st == STATUS_OK)
        st = add_node(b, node, b->chain[--len], width, FLAME_APPORTIONED, &node);
    return st == STATUS_OK ? add_calls_out(b, node, row, width) : st;
}

/* What the walk could not place goes down the shortest chain of calls from the entry. */
static enum status place_rest(struct builder *b, uint32_t node, uint32_t entry, double scale)
{
    size_t len = find_chains(b, entry);
    enum status st = STATUS_OK;
    for (size_t i = 1; i < len && st == STATUS_OK; i++) {
        uint32_t v = b->queue[i];
        meet_row(b, v, scale);
        if (b->own[v] >= b->min_width)
            st = add_chain(b, node, entry, v, b->own[v]);
    }
    return st;
}

static enum status expand_group(struct builder *b, uint32_t node, uint32_t entry, double width)
{
    double need = b->x.need[b->x.group[entry]];
    if (need <= 0)
        return STATUS_OK;
    double scale = width / need;
    b->stamp++;
    b->fresh = 1;
    b->frames_len = 0;
    enum status st = push(b, node, entry, EDGE_NONE, width, scale);
    while (st == STATUS_OK && b->frames_len > 0) {
        bool is_down;
        st = step_down(b, scale, &is_down);
        if (st == STATUS_OK && !is_down)
            st = step_up(b, scale);
    }
    double left = b->frames[0].left; /* of the entry, which was taken off last */
    /* A search through the whole group is for what can be seen. */
    if (st == STATUS_OK && left >= b->min_width && left >= b->x.sum * 1e-4)
        st = place_rest(b, node, entry, scale);
    return st;
}

/* ---- the whole ---- */

static enum status expand(struct builder *b, uint32_t node)
{
    struct call_tree_node *n = &b->tree->nodes[node];
    uint32_t row = n->function;
    double width = n->total;
    n->flags &= ~(uint32_t)PENDING;
    uint32_t group = b->x.group[row];
    if (b->x.is_recursive[group])
        return expand_group(b, node, row, width);
    double need = b->x.need[group];
    return add_calls_out(b, node, row, need > 0 ? b->x.own[row] * (width / need) : 0);
}

static enum status grow(struct builder *b)
{
    const struct call_index *x = &b->x;
    b->tree->len = 0;
    memset(b->depth, 0, x->rows * sizeof(*b->depth)); /* the walk before may have been cut off */
    uint32_t node;
    enum status st = add_node(b, 0, 0, x->sum, 0, &node);
    for (uint32_t v = 0; v < x->rows && st == STATUS_OK; v++) {
        if (x->at_root[v] >= b->min_width && x->at_root[v] > 0)
            st = add_node(b, 0, v, x->at_root[v], PENDING, &node);
    }
    for (uint32_t i = 1; st == STATUS_OK && i < b->tree->len; i++) {
        if (b->tree->nodes[i].flags & PENDING)
            st = expand(b, i);
    }
    return st;
}

/* The widest tree that fits max_nodes. */
static enum status grow_to_fit(struct builder *b, double min_fraction)
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
static enum status disagreement(const struct builder *b, double *sum)
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
static enum status grow_best(struct builder *b, double min_fraction)
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
static void finish(struct builder *b)
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
    struct builder b = {.graph = &p->call_graph, .tree = &tree};
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
