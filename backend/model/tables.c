#include "backend/model/tables.h"

#include <stdlib.h>
#include <string.h>

#include "backend/model/rows.h"
#include "common/base/pages.h"
#include "common/base/seed.h"

enum { FIRST_STACK_SLOTS = 1024 };

enum status tables_init(struct tables *t)
{
    *t = (struct tables){0};
    if (!strtab_init(&t->strings))
        return STATUS_NO_MEMORY;
    uint32_t zero;
    enum status st = tables_function(t, &(struct wire_function){0}, &zero);
    if (st == STATUS_OK)
        st = tables_frame(t, &(struct wire_frame){0}, &zero);
    if (st == STATUS_OK)
        st = tables_label_set(t, NULL, 0, &zero);
    if (st == STATUS_OK && !(array_reserve(&t->stacks, &t->stacks_cap, 1) &&
                             array_reserve(&t->stack_depth, &t->depth_cap, 1)))
        st = STATUS_NO_MEMORY;
    if (st != STATUS_OK) {
        tables_deinit(t);
        return st;
    }
    t->stacks[0] = (struct wire_stack){0};
    t->stack_depth[0] = 0;
    t->stacks_len = 1;
    /* The empty stack is nobody's child: looking up (0, 0) must make a real stack. */
    t->by_stack.indexed = 1;
    return STATUS_OK;
}

void tables_deinit(struct tables *t)
{
    tables_drop_indexes(t);
    strtab_deinit(&t->strings);
    free(t->functions);
    free(t->frames);
    free(t->stacks);
    free(t->stack_depth);
    free(t->processes);
    free(t->threads);
    free(t->label_sets);
    free(t->labels);
    *t = (struct tables){0};
}

static void drop_index(struct tables_index *index, size_t indexed)
{
    map_deinit(&index->map);
    index->indexed = indexed;
}

void tables_drop_indexes(struct tables *t)
{
    drop_index(&t->by_function, 0);
    drop_index(&t->by_frame, 0);
    free(t->by_stack.slots);
    t->by_stack = (struct stack_index){.indexed = 1};
    drop_index(&t->by_process, 0);
    drop_index(&t->by_thread, 0);
    drop_index(&t->by_label_set, 0);
}

size_t tables_size(const struct tables *t)
{
    const struct tables_index *const indexes[] = {&t->by_function, &t->by_frame, &t->by_process,
                                                  &t->by_thread, &t->by_label_set};
    size_t size = strtab_size(&t->strings) + t->by_stack.cap * sizeof(*t->by_stack.slots);
    size += t->functions_cap * sizeof(*t->functions) + t->frames_cap * sizeof(*t->frames);
    size += t->stacks_cap * sizeof(*t->stacks) + t->depth_cap * sizeof(*t->stack_depth);
    size += t->processes_cap * sizeof(*t->processes) + t->threads_cap * sizeof(*t->threads);
    size += t->label_sets_cap * sizeof(*t->label_sets) + t->labels_cap * sizeof(*t->labels);
    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++)
        size += indexes[i]->map.cap * sizeof(*indexes[i]->map.slots);
    return size;
}

enum status tables_string(struct tables *t, const char *data, size_t len, uint32_t *id)
{
    if (len > TABLES_MAX_STRING)
        return STATUS_TOO_LARGE;
    bool is_full =
        t->strings.len >= TABLES_MAX_ROWS || t->strings.bytes + len > TABLES_MAX_STRING_BYTES;
    if (is_full) /* what is known already may still be asked for */
        return strtab_find(&t->strings, data, len, id) ? STATUS_OK : STATUS_TOO_LARGE;
    return strtab_add(&t->strings, data, len, id) ? STATUS_OK : STATUS_NO_MEMORY;
}

static uint64_t function_key(const struct wire_function *f)
{
    uint64_t key = map_mix(map_pair(f->name, f->file));
    key = map_mix(key ^ map_pair(f->line, f->module));
    return key + f->kind;
}

static bool same_function(const struct wire_function *a, const struct wire_function *b)
{
    return a->name == b->name && a->file == b->file && a->line == b->line &&
           a->module == b->module && a->kind == b->kind;
}

static bool index_functions(struct tables *t)
{
    struct tables_index *index = &t->by_function;
    for (; index->indexed < t->functions_len; index->indexed++) {
        if (!rows_index(&index->map, function_key(&t->functions[index->indexed]), index->indexed))
            return false;
    }
    return true;
}

enum status tables_function(struct tables *t, const struct wire_function *f, uint32_t *id)
{
    size_t strings = t->strings.len;
    if (f->name >= strings || f->file >= strings || f->module >= strings)
        return STATUS_INVALID;
    if (!index_functions(t))
        return STATUS_NO_MEMORY;
    uint64_t key = function_key(f);
    const uint32_t *row = map_find(&t->by_function.map, key);
    for (; row; row = map_find(&t->by_function.map, key = rows_next_key(key))) {
        if (same_function(&t->functions[*row], f)) {
            *id = *row;
            return STATUS_OK;
        }
    }
    enum status st = rows_reserve(&t->functions, &t->functions_cap, t->functions_len);
    if (st == STATUS_OK && !map_put(&t->by_function.map, key, (uint32_t)t->functions_len))
        st = STATUS_NO_MEMORY;
    if (st != STATUS_OK)
        return st;
    t->functions[t->functions_len] = *f;
    *id = (uint32_t)t->functions_len++;
    t->by_function.indexed = t->functions_len;
    return STATUS_OK;
}

static uint64_t frame_key(const struct wire_frame *f)
{
    uint64_t key = map_mix(map_pair(f->function, f->line)) + f->column;
    return f->end_column ? map_mix(key) + map_pair(f->end_line, f->end_column) : key;
}

static bool same_frame(const struct wire_frame *a, const struct wire_frame *b)
{
    return a->function == b->function && a->line == b->line && a->column == b->column &&
           a->end_line == b->end_line && a->end_column == b->end_column;
}

static bool index_frames(struct tables *t)
{
    struct tables_index *index = &t->by_frame;
    for (; index->indexed < t->frames_len; index->indexed++) {
        if (!rows_index(&index->map, frame_key(&t->frames[index->indexed]), index->indexed))
            return false;
    }
    return true;
}

enum status tables_frame(struct tables *t, const struct wire_frame *f, uint32_t *id)
{
    if (f->function >= t->functions_len)
        return STATUS_INVALID;
    if (!index_frames(t))
        return STATUS_NO_MEMORY;
    uint64_t key = frame_key(f);
    const uint32_t *row = map_find(&t->by_frame.map, key);
    for (; row; row = map_find(&t->by_frame.map, key = rows_next_key(key))) {
        if (same_frame(&t->frames[*row], f)) {
            *id = *row;
            return STATUS_OK;
        }
    }
    enum status st = rows_reserve(&t->frames, &t->frames_cap, t->frames_len);
    if (st == STATUS_OK && !map_put(&t->by_frame.map, key, (uint32_t)t->frames_len))
        st = STATUS_NO_MEMORY;
    if (st != STATUS_OK)
        return st;
    t->frames[t->frames_len] = *f;
    *id = (uint32_t)t->frames_len++;
    t->by_frame.indexed = t->frames_len;
    return STATUS_OK;
}

static uint32_t *stack_slot(const struct tables *t, uint32_t parent, uint32_t frame)
{
    const struct stack_index *index = &t->by_stack;
    size_t at = (size_t)map_mix(map_pair(parent, frame) ^ index->seed) & (index->cap - 1);
    for (; index->slots[at]; at = (at + 1) & (index->cap - 1)) {
        const struct wire_stack *s = &t->stacks[index->slots[at]];
        if (s->parent == parent && s->frame == frame)
            break;
    }
    return &index->slots[at];
}

/* At most half full, with one more. */
static bool grow_stack_index(struct tables *t)
{
    struct stack_index *index = &t->by_stack;
    if ((index->len + 1) * 2 <= index->cap)
        return true;
    size_t cap = index->cap ? index->cap * 2 : FIRST_STACK_SLOTS;
    uint32_t *slots = calloc(cap, sizeof(*slots));
    if (!slots)
        return false;
    pages_ask_for_huge(slots, cap * sizeof(*slots));
    free(index->slots);
    index->slots = slots;
    index->cap = cap;
    index->seed = seed_random();
    index->len = 0;
    for (size_t i = 1; i < index->indexed; i++) {
        uint32_t *slot = stack_slot(t, t->stacks[i].parent, t->stacks[i].frame);
        /* Of rows that say the same, the first is the one to give out. */
        index->len += *slot == 0;
        if (*slot == 0)
            *slot = (uint32_t)i;
    }
    return true;
}

static bool index_stacks(struct tables *t)
{
    struct stack_index *index = &t->by_stack;
    for (; index->indexed < t->stacks_len; index->indexed++) {
        if (!grow_stack_index(t))
            return false;
        const struct wire_stack *s = &t->stacks[index->indexed];
        uint32_t *slot = stack_slot(t, s->parent, s->frame);
        index->len += *slot == 0;
        if (*slot == 0)
            *slot = (uint32_t)index->indexed;
    }
    return true;
}

enum status tables_stack(struct tables *t, uint32_t parent, uint32_t frame, uint32_t *id)
{
    if (parent >= t->stacks_len || frame >= t->frames_len)
        return STATUS_INVALID;
    if (!index_stacks(t) || !grow_stack_index(t))
        return STATUS_NO_MEMORY;
    uint32_t *slot = stack_slot(t, parent, frame);
    if (*slot) {
        *id = *slot;
        return STATUS_OK;
    }
    if (t->stack_depth[parent] >= TABLES_MAX_DEPTH)
        return STATUS_TOO_LARGE;
    enum status st = rows_reserve(&t->stacks, &t->stacks_cap, t->stacks_len);
    if (st == STATUS_OK)
        st = rows_reserve(&t->stack_depth, &t->depth_cap, t->stacks_len);
    if (st != STATUS_OK)
        return st;
    *slot = (uint32_t)t->stacks_len;
    t->by_stack.len++;
    t->stacks[t->stacks_len] = (struct wire_stack){.parent = parent, .frame = frame};
    t->stack_depth[t->stacks_len] = t->stack_depth[parent] + 1;
    *id = (uint32_t)t->stacks_len++;
    t->by_stack.indexed = t->stacks_len;
    return STATUS_OK;
}
