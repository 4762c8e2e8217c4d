#pragma once
/* A tree of calls while it grows: shared by call_tree.c (the whole) and call_group.c (recursion).
 * Internal to query. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/query/call_index.h"
#include "backend/query/call_tree.h"

enum { CALL_PENDING = 1 << 16 /* this box's children are not made yet */ };

/* One call of the walk within a group of functions that call each other. */
struct call_frame {
    uint32_t node, row;
    uint32_t via;                          /* edge it came by */
    uint64_t old_mark;                     /* of that edge */
    bool was_on_path;                      /* that edge, before */
    enum { LEADING, NEW, REPEATING } pass; /* over the edges, in this order */
    double widest_new; /* of the calls not on the path yet, when the box began */
    size_t edge;       /* next to try */
    double cap, left;  /* width it may take, width not yet filled */
};

struct call_builder {
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
    struct call_frame *frames;
    size_t frames_len, cap_frames;
    /* for shortest chains of calls */
    uint64_t search;
    uint64_t *reached;
    uint32_t *queue, *came_by, *chain;
};

/* STATUS_TOO_LARGE means: again, with wider boxes. `row` is the node's function until the tree is
 * done. */
enum status call_add_node(struct call_builder *b, uint32_t parent, uint32_t row, double width,
                          uint32_t flags, uint32_t *node);

/* FLAME_APPORTIONED when `width` is not all of a call that takes `whole`. */
uint32_t call_apportioned(double width, double whole);

/* Boxes for the calls of `row` that leave its group, when `amount` of its own time is placed
 * here. Their insides are made later. */
enum status call_add_calls_out(struct call_builder *b, uint32_t node, uint32_t row, double amount);

/* Boxes for a group of functions that call each other, entered at `entry` with `width`. */
enum status call_expand_group(struct call_builder *b, uint32_t node, uint32_t entry, double width);
