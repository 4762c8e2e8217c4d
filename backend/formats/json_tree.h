#pragma once
/* Trees of JSON objects with "children" in them, however deep, read without recursion: nodes get
 * numbers in the order they begin, so that a parent's number is always the smaller one. */

#include <stddef.h>
#include <stdint.h>

#include "backend/formats/json_in.h"

/* Takes the value of one key of a node. */
typedef void (*json_tree_field_fn)(void *ctx, uint32_t node, struct text key);

struct json_tree {
    uint32_t *parent; /* number + 1; 0 = the root */
    size_t len, cap;
};

/* The next value: the root. Every node is announced with an empty key before its fields. */
void json_tree_read(struct json_tree *tree, struct json_in *j, json_tree_field_fn field, void *ctx);
void json_tree_deinit(struct json_tree *tree);
