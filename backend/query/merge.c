#include "backend/query/merge.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/map.h"

enum { FIRST_SLOTS = 1024 };

enum status merge_tree_init(struct merge_tree *t)
{
    *t = (struct merge_tree){0};
    if (!array_reserve(&t->parent, &t->cap_parent, 1) ||
        !array_reserve(&t->function, &t->cap_function, 1)) {
        merge_tree_deinit(t);
        return STATUS_NO_MEMORY;
    }
    t->parent[0] = 0;
    t->function[0] = 0;
    t->len = 1;
    return STATUS_OK;
}

void merge_tree_deinit(struct merge_tree *t)
{
    free(t->parent);
    free(t->function);
    free(t->slots);
    *t = (struct merge_tree){0};
}

static size_t slot_of(const struct merge_tree *t, uint32_t parent, uint32_t function)
{
    return (size_t)map_mix(map_pair(parent, function)) & (t->slots_cap - 1);
}

static bool grow_slots(struct merge_tree *t, size_t cap)
{
    uint32_t *slots = calloc(cap, sizeof(*slots));
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->slots_cap = cap;
    for (uint32_t node = 1; node < t->len; node++) {
        size_t at = slot_of(t, t->parent[node], t->function[node]);
        while (slots[at])
            at = (at + 1) & (cap - 1);
        slots[at] = node;
    }
    return true;
}

bool merge_tree_reserve(struct merge_tree *t, size_t nodes)
{
    size_t cap = t->slots_cap ? t->slots_cap : FIRST_SLOTS;
    while (cap < nodes * 2)
        cap *= 2;
    return (cap == t->slots_cap || grow_slots(t, cap)) &&
           array_reserve(&t->parent, &t->cap_parent, nodes) &&
           array_reserve(&t->function, &t->cap_function, nodes);
}

enum status merge_tree_child(struct merge_tree *t, uint32_t parent, uint32_t function,
                             uint32_t *node)
{
    if (t->len * 2 > t->slots_cap && !grow_slots(t, t->slots_cap ? t->slots_cap * 4 : FIRST_SLOTS))
        return STATUS_NO_MEMORY;
    size_t at = slot_of(t, parent, function);
    while (t->slots[at]) {
        uint32_t found = t->slots[at];
        if (t->parent[found] == parent && t->function[found] == function) {
            *node = found;
            return STATUS_OK;
        }
        at = (at + 1) & (t->slots_cap - 1);
    }
    if (!array_reserve(&t->parent, &t->cap_parent, t->len + 1) ||
        !array_reserve(&t->function, &t->cap_function, t->len + 1))
        return STATUS_NO_MEMORY;
    t->parent[t->len] = parent;
    t->function[t->len] = function;
    t->slots[at] = (uint32_t)t->len;
    *node = (uint32_t)t->len++;
    return STATUS_OK;
}

/* Depth first, keeping for each function the node that is on the path now. */
static void walk_outer(const struct merge_tree *t, const uint32_t *first, const uint32_t *next,
                       uint32_t *on_path, uint32_t *outer)
{
    uint32_t node = first[0];
    bool is_down = true;
    while (node) {
        uint32_t f = t->function[node];
        if (is_down) {
            outer[node] = on_path[f];
            on_path[f] = node;
            if (first[node]) {
                node = first[node];
                continue;
            }
        }
        on_path[f] = outer[node];
        is_down = next[node] != 0;
        node = is_down ? next[node] : t->parent[node];
    }
}

enum status merge_tree_outer(const struct merge_tree *t, size_t functions_len, uint32_t **outer)
{
    uint32_t *result = calloc(t->len, sizeof(*result));
    uint32_t *first = calloc(t->len, sizeof(*first));
    uint32_t *next = calloc(t->len, sizeof(*next));
    uint32_t *on_path = calloc(functions_len ? functions_len : 1, sizeof(*on_path));
    enum status st = STATUS_NO_MEMORY;
    if (result && first && next && on_path) {
        for (size_t i = t->len - 1; i > 0; i--) {
            next[i] = first[t->parent[i]];
            first[t->parent[i]] = (uint32_t)i;
        }
        walk_outer(t, first, next, on_path, result);
        *outer = result;
        result = NULL;
        st = STATUS_OK;
    }
    free(result);
    free(first);
    free(next);
    free(on_path);
    return st;
}

void merged_totals(const struct merge_tree *t, int64_t *total)
{
    for (size_t i = t->len - 1; i > 0; i--)
        merge_add(&total[t->parent[i]], total[i]);
}
