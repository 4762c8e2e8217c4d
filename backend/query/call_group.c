/* Recursion: a tree for functions that call each other.
 *
 * What is placed is their own time and their calls out of the group, in all exactly the width of
 * the entry. Where it is placed is guessed from the times of the calls within the group: each of
 * them is a budget of width, spent the widest first, and going round a cycle again is free but
 * must lead to a call that is not on the path yet. */

#include "backend/query/call_builder.h"
#include "backend/query/flame.h"
#include "common/base/array.h"

enum {
    MAX_LEAD = 64,          /* rows looked at when going round is weighed */
    MAX_RECURSION = 2000,   /* boxes of one group below each other */
    EDGE_NONE = UINT32_MAX, /* the box's own edge: none */
};

static void meet_edge(struct call_builder *b, size_t e, double scale)
{
    if (b->edge_stamp[e] == b->stamp)
        return;
    b->edge_stamp[e] = b->stamp;
    b->budget[e] = b->x.time[e] * scale;
    b->is_on_path[e] = b->is_dead[e] = b->is_repeat_dead[e] = false;
    b->mark[e] = 0;
}

static void meet_row(struct call_builder *b, uint32_t row, double scale)
{
    if (b->row_stamp[row] == b->stamp)
        return;
    b->row_stamp[row] = b->stamp;
    b->own[row] = b->x.own[row] * scale;
}

/* Whether this edge may be taken now, and how wide. A call that is on the path already is free,
 * but only when a new one was met since: recursion goes round once for each new thing. */
static double edge_width(const struct call_builder *b, const struct call_frame *f, size_t e,
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
static enum status place_own(struct call_builder *b, double width, double scale)
{
    struct call_frame *f = &b->frames[b->frames_len - 1];
    meet_row(b, f->row, scale);
    double own = b->own[f->row] < width ? b->own[f->row] : width;
    if (own <= 0)
        return STATUS_OK;
    b->own[f->row] -= own;
    f->left -= own;
    return call_add_calls_out(b, f->node, f->row, own);
}

/* What the calls of a new box cannot fill is its own time: placed at once, so that it does not go
 * into a deeper box of the same function. */
static enum status place_first(struct call_builder *b, double scale)
{
    const struct call_index *x = &b->x;
    struct call_frame *f = &b->frames[b->frames_len - 1];
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

static enum status push(struct call_builder *b, uint32_t node, uint32_t row, uint32_t via,
                        double cap, double scale)
{
    if (!array_reserve(&b->frames, &b->cap_frames, b->frames_len + 1))
        return STATUS_NO_MEMORY;
    struct call_frame *f = &b->frames[b->frames_len++];
    *f = (struct call_frame){
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

static bool is_among(const uint32_t *rows, size_t len, uint32_t row)
{
    for (size_t k = 0; k < len; k++) {
        if (rows[k] == row)
            return true;
    }
    return false;
}

/* The widest new call that going round from `row` leads to, through calls that are on the path. */
static double find_lead(struct call_builder *b, uint32_t row, double scale)
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
            if (len < MAX_LEAD && !b->is_repeat_dead[e] && !is_among(rows, len, w))
                rows[len++] = w;
        }
    }
    return lead;
}

/* Going round comes before a new call when it leads to a wider one that fits in here: the inner
 * run of a recursive function is where its narrower calls belong. */
static bool is_leading(struct call_builder *b, const struct call_frame *f, size_t e, double scale)
{
    double lead = find_lead(b, b->x.callee[e], scale);
    return (lead < f->left ? lead : f->left) > (f->widest_new < f->left ? f->widest_new : f->left);
}

/* The width for this edge in the pass in hand; 0 = not now. */
static double width_now(struct call_builder *b, struct call_frame *f, size_t e, double scale)
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
static enum status step_down(struct call_builder *b, double scale, bool *is_down)
{
    const struct call_index *x = &b->x;
    *is_down = false;
    struct call_frame *f = &b->frames[b->frames_len - 1];
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
        enum status st = call_add_node(b, f->node, x->callee[e], width, 0, &node);
        if (st == STATUS_OK)
            st = push(b, node, x->callee[e], (uint32_t)e, width, scale);
        *is_down = st == STATUS_OK;
        return st;
    }
}

/* All children are made: its own time comes last, then the width is known. */
static enum status step_up(struct call_builder *b, double scale)
{
    enum status st = place_own(b, b->frames[b->frames_len - 1].left, scale);
    if (st != STATUS_OK)
        return st;
    struct call_frame f = b->frames[--b->frames_len];
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
    b->tree->nodes[f.node].flags |= call_apportioned(width, b->x.time[f.via]);
    b->frames[b->frames_len - 1].left -= width;
    return STATUS_OK;
}

/* Members of the entry's group, the nearest first, each with who calls it on the way. */
static size_t find_chains(struct call_builder *b, uint32_t entry)
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

static enum status add_chain(struct call_builder *b, uint32_t node, uint32_t entry, uint32_t row,
                             double width)
{
    size_t len = 0;
    for (uint32_t v = row; v != entry; v = b->came_by[v])
        b->chain[len++] = v;
    enum status st = STATUS_OK;
    while (len > 0 && st == STATUS_OK)
        st = call_add_node(b, node, b->chain[--len], width, FLAME_APPORTIONED, &node);
    return st == STATUS_OK ? call_add_calls_out(b, node, row, width) : st;
}

/* What the walk could not place goes down the shortest chain of calls from the entry. */
static enum status place_rest(struct call_builder *b, uint32_t node, uint32_t entry, double scale)
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

enum status call_expand_group(struct call_builder *b, uint32_t node, uint32_t entry, double width)
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
