#pragma once
/* V8's call trees, as .cpuprofile, .heapprofile and Chrome traces write them: nodes with ids, tied
 * by lists of child ids, by parent ids or by nesting; in any order. */

#include <stdint.h>

#include "backend/formats/builder.h"
#include "backend/formats/json_in.h"
#include "common/base/map.h"

struct v8_node {
    uint32_t parent; /* node number + 1; 0 = a root */
    uint32_t frame;
    uint32_t stack; /* when is_placed */
    bool is_placed;
    int64_t hits, self_bytes;
};

struct v8_nodes {
    struct v8_node *items;
    size_t len, cap;
    struct map by_id;     /* id -> node number */
    struct map parent_of; /* id of a child -> node number of its parent */
    uint64_t *ids;
    uint32_t *path; /* scratch */
    size_t ids_cap, path_cap;
};

void v8_nodes_init(struct v8_nodes *v);
void v8_nodes_deinit(struct v8_nodes *v);

/* The next value: one node, with its whole subtree when children are nested in it. */
void v8_nodes_read(struct v8_nodes *v, struct json_in *j, struct builder *b);

/* The next value: an array of nodes. */
void v8_nodes_read_array(struct v8_nodes *v, struct json_in *j, struct builder *b);

/* One node known by other means; parent 0 = a root. */
void v8_nodes_put(struct v8_nodes *v, struct json_in *j, uint64_t id, uint64_t parent,
                  uint32_t frame);

/* The stack of a node, root first; false (and failed) for an id that is not there and for a
 * cycle. All nodes must have been read. */
bool v8_nodes_stack(struct v8_nodes *v, struct builder *b, uint64_t id, uint32_t *stack);
bool v8_nodes_place(struct v8_nodes *v, struct builder *b, uint32_t node, uint32_t *stack);
