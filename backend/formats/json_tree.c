#include "backend/formats/json_tree.h"

#include <stdlib.h>

#include "backend/model/tables.h"
#include "common/base/array.h"

struct walk {
    struct json_tree *tree;
    struct json_in *json;
    json_tree_field_fn field;
    void *ctx;
    uint32_t *open; /* node numbers from the root to the current one */
    size_t depth, cap;
};

static bool open_node(struct walk *w)
{
    struct json_tree *t = w->tree;
    if (t->len >= TABLES_MAX_ROWS || !array_reserve(&t->parent, &t->cap, t->len + 1) ||
        !array_reserve(&w->open, &w->cap, w->depth + 1))
        return json_in_check(w->json, STATUS_NO_MEMORY);
    uint32_t node = (uint32_t)t->len++;
    t->parent[node] = w->depth ? w->open[w->depth - 1] + 1 : 0;
    w->open[w->depth++] = node;
    w->field(w->ctx, node, (struct text){"", 0});
    return json_in_object(w->json);
}

void json_tree_read(struct json_tree *tree, struct json_in *j, json_tree_field_fn field, void *ctx)
{
    struct walk w = {.tree = tree, .json = j, .field = field, .ctx = ctx};
    bool in_children = false;
    struct text key;
    open_node(&w);
    while (w.depth && !json_in_status(j)) {
        if (in_children) {
            in_children = false;
            if (json_in_item(j))
                open_node(&w);
        } else if (json_in_key(j, &key)) {
            if (text_equal(key, "children") && json_in_peek(j) == JSON_ARRAY)
                in_children = json_in_array(j);
            else
                field(ctx, w.open[w.depth - 1], key);
        } else {
            w.depth--;
            in_children = w.depth > 0;
        }
    }
    free(w.open);
}

void json_tree_deinit(struct json_tree *tree)
{
    free(tree->parent);
}
