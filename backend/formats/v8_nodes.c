#include "backend/formats/v8_nodes.h"

#include <stdlib.h>

#include "common/base/array.h"

void v8_nodes_init(struct v8_nodes *v)
{
    *v = (struct v8_nodes){0};
    map_init(&v->by_id);
    map_init(&v->parent_of);
}

void v8_nodes_deinit(struct v8_nodes *v)
{
    map_deinit(&v->by_id);
    map_deinit(&v->parent_of);
    free(v->items);
    free(v->ids);
    free(v->path);
}

/* What a node says of its function: in "callFrame", or (before Chrome 58) in the node itself. */
struct place {
    uint32_t name, url;
    int64_t line, column; /* from 0; -1 = unknown */
};

static bool read_place_field(struct json_in *j, struct builder *b, struct place *p, struct text key)
{
    if (text_equal(key, "functionName"))
        p->name = builder_string(b, json_in_string(j));
    else if (text_equal(key, "url"))
        p->url = builder_string(b, json_in_string(j));
    else if (text_equal(key, "lineNumber"))
        p->line = json_in_i64(j);
    else if (text_equal(key, "columnNumber"))
        p->column = json_in_i64(j);
    else
        return false;
    return true;
}

static void read_call_frame(struct json_in *j, struct builder *b, struct place *p)
{
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (!read_place_field(j, b, p, key))
            json_in_skip(j);
    }
}

static uint32_t from_one(int64_t value)
{
    return value < 0 || value >= UINT32_MAX ? 0 : (uint32_t)value + 1;
}

static uint32_t frame_of(struct builder *b, const struct place *p)
{
    struct wire_function f = {.name = p->name, .file = p->url, .line = from_one(p->line)};
    if (f.name == 0)
        f.name = builder_literal(b, "(anonymous)");
    return builder_frame(b, builder_function(b, f), 0, from_one(p->column));
}

struct open_node {
    struct place place;
    uint32_t number;
    bool is_named; /* its place has been seen */
};

static bool reserve_node(struct v8_nodes *v, struct json_in *j)
{
    bool has_room = v->len < TABLES_MAX_ROWS && array_reserve(&v->items, &v->cap, v->len + 1) &&
                    array_reserve(&v->ids, &v->ids_cap, v->len + 1);
    return has_room || json_in_check(j, STATUS_NO_MEMORY);
}

static bool open_node(struct v8_nodes *v, struct json_in *j, struct open_node *node,
                      uint32_t parent)
{
    if (!reserve_node(v, j))
        return false;
    *node = (struct open_node){.number = (uint32_t)v->len, .place = {.line = -1, .column = -1}};
    v->items[v->len] = (struct v8_node){.parent = parent};
    v->ids[v->len++] = 0;
    return json_in_object(j);
}

static bool add_id(struct v8_nodes *v, struct json_in *j, uint32_t node, uint64_t id)
{
    if (map_find(&v->by_id, id)) {
        json_in_fail(j, STATUS_INVALID, "two nodes of one id");
        return false;
    }
    v->ids[node] = id;
    return map_put(&v->by_id, id, node) || json_in_check(j, STATUS_NO_MEMORY);
}

static bool add_child(struct v8_nodes *v, struct json_in *j, uint32_t node, uint64_t child)
{
    const uint32_t *known = map_find(&v->parent_of, child);
    if (known && *known != node) {
        json_in_fail(j, STATUS_INVALID, "a node with two parents");
        return false;
    }
    return map_put(&v->parent_of, child, node) || json_in_check(j, STATUS_NO_MEMORY);
}

/* The node of this id; made when it is only spoken of so far. */
static uint32_t node_of(struct v8_nodes *v, struct json_in *j, uint64_t id)
{
    const uint32_t *known = map_find(&v->by_id, id);
    if (known)
        return *known;
    if (!reserve_node(v, j) || !map_put(&v->by_id, id, (uint32_t)v->len)) {
        json_in_check(j, STATUS_NO_MEMORY);
        return 0;
    }
    v->items[v->len] = (struct v8_node){0};
    v->ids[v->len] = id;
    return (uint32_t)v->len++;
}

void v8_nodes_put(struct v8_nodes *v, struct json_in *j, uint64_t id, uint64_t parent,
                  uint32_t frame)
{
    uint32_t node = node_of(v, j, id);
    uint32_t above = parent ? node_of(v, j, parent) + 1 : 0;
    if (json_in_status(j))
        return;
    v->items[node].frame = frame;
    v->items[node].parent = above;
}

/* Everything but "children". */
static void read_field(struct v8_nodes *v, struct json_in *j, struct builder *b,
                       struct open_node *node, struct text key)
{
    struct v8_node *item = &v->items[node->number];
    if (read_place_field(j, b, &node->place, key)) {
        node->is_named = true;
    } else if (text_equal(key, "callFrame")) {
        read_call_frame(j, b, &node->place);
        node->is_named = true;
    } else if (text_equal(key, "id")) {
        add_id(v, j, node->number, (uint64_t)json_in_i64(j));
    } else if (text_equal(key, "parent")) {
        /* as in add_child, but the parent's number is found later */
        int64_t parent = json_in_i64(j);
        const uint32_t *known = map_find(&v->by_id, (uint64_t)parent);
        if (known)
            item->parent = *known + 1;
        else
            json_in_fail(j, STATUS_INVALID, "a node whose parent is not there");
    } else if (text_equal(key, "hitCount")) {
        item->hits = json_in_i64(j);
    } else if (text_equal(key, "selfSize")) {
        item->self_bytes = json_in_i64(j);
    } else {
        json_in_skip(j);
    }
}

/* Nested nodes are read without recursion: `open` is the path from the first to the current. */
void v8_nodes_read(struct v8_nodes *v, struct json_in *j, struct builder *b)
{
    struct open_node *open = NULL;
    size_t cap = 0;
    size_t depth = 0;
    bool in_children = false;
    if (!array_reserve(&open, &cap, 1)) {
        json_in_check(j, STATUS_NO_MEMORY);
        return;
    }
    if (open_node(v, j, &open[0], 0))
        depth = 1;
    while (depth && !json_in_status(j)) {
        struct open_node *node = &open[depth - 1];
        struct text key;
        if (in_children && json_in_item(j)) {
            if (json_in_peek(j) != JSON_OBJECT) {
                add_child(v, j, node->number, (uint64_t)json_in_i64(j));
            } else if (!array_reserve(&open, &cap, depth + 1)) {
                json_in_check(j, STATUS_NO_MEMORY);
            } else if (open_node(v, j, &open[depth], open[depth - 1].number + 1)) {
                depth++;
                in_children = false;
            }
        } else if (in_children) {
            in_children = false;
        } else if (json_in_key(j, &key)) {
            if (text_equal(key, "children") && json_in_peek(j) == JSON_ARRAY)
                in_children = json_in_array(j);
            else
                read_field(v, j, b, node, key);
        } else if (!json_in_status(j)) {
            if (!node->is_named)
                json_in_fail(j, STATUS_INVALID, "a node without a call frame");
            v->items[node->number].frame = frame_of(b, &node->place);
            depth--;
            in_children = depth > 0;
        }
    }
    free(open);
}

void v8_nodes_read_array(struct v8_nodes *v, struct json_in *j, struct builder *b)
{
    if (!json_in_array(j))
        return;
    while (json_in_item(j))
        v8_nodes_read(v, j, b);
}

static uint32_t parent_of(const struct v8_nodes *v, uint32_t node)
{
    if (v->items[node].parent)
        return v->items[node].parent;
    const uint32_t *parent = map_find(&v->parent_of, v->ids[node]);
    return parent ? *parent + 1 : 0;
}

bool v8_nodes_place(struct v8_nodes *v, struct builder *b, uint32_t node, uint32_t *stack)
{
    size_t depth = 0;
    uint32_t at = node + 1;
    while (at && !v->items[at - 1].is_placed) {
        if (depth > v->len) {
            json_in_fail(b->json, STATUS_INVALID, "nodes that are their own parents");
            return false;
        }
        if (!array_reserve(&v->path, &v->path_cap, depth + 1))
            return json_in_check(b->json, STATUS_NO_MEMORY);
        v->path[depth++] = at - 1;
        at = parent_of(v, at - 1);
    }
    uint32_t base = at ? v->items[at - 1].stack : 0;
    while (depth > 0 && !b->failed) {
        struct v8_node *item = &v->items[v->path[--depth]];
        item->stack = base = builder_stack(b, base, item->frame);
        item->is_placed = true;
    }
    *stack = base;
    return !b->failed;
}

bool v8_nodes_stack(struct v8_nodes *v, struct builder *b, uint64_t id, uint32_t *stack)
{
    const uint32_t *node = map_find(&v->by_id, id);
    if (!node) {
        json_in_fail(b->json, STATUS_INVALID, "a sample of a node that is not there");
        return false;
    }
    return v8_nodes_place(v, b, *node, stack);
}
