#include "collector/sampler/stacks.h"

#include <stdlib.h>
#include <string.h>

#include "collector/python/module.h"
#include "common/base/array.h"

bool stack_table_init(struct stack_table *t)
{
    *t = (struct stack_table){0};
    map_init(&t->names);
    map_init(&t->by_name);
    map_init(&t->by_other_name);
    map_init(&t->by_place);
    map_init(&t->by_parent);
    if (!strtab_init(&t->texts) || !array_reserve(&t->nodes, &t->nodes_cap, 1) ||
        !array_reserve(&t->frames, &t->frames_cap, 1) ||
        !array_reserve(&t->functions, &t->functions_cap, 1)) {
        stack_table_deinit(t);
        return false;
    }
    /* Number 0 of each is "none", here as in the stream. */
    t->functions[0] = (struct stack_function){0};
    t->frames[0] = (struct stack_frame){0};
    t->nodes[0] = (struct stack_node){0};
    t->functions_len = t->frames_len = t->nodes_len = 1;
    t->functions_given = t->frames_given = t->nodes_given = 1;
    return true;
}

void stack_table_deinit(struct stack_table *t)
{
    strtab_deinit(&t->texts);
    map_deinit(&t->names);
    map_deinit(&t->by_name);
    map_deinit(&t->by_other_name);
    map_deinit(&t->by_place);
    map_deinit(&t->by_parent);
    free(t->functions);
    free(t->frames);
    free(t->nodes);
    *t = (struct stack_table){0};
}

static bool find_function(struct stack_table *t, struct map *by_name,
                          const struct stack_function *function, uint32_t *out)
{
    uint64_t key = map_pair(function->name, function->file);
    uint32_t *pair = map_find(&t->names, key);
    uint32_t pair_id = pair ? *pair : (uint32_t)t->names.len;
    if (!pair && !map_put(&t->names, key, pair_id))
        return false;
    key = map_pair(pair_id, function->line);
    uint32_t *known = map_find(by_name, key);
    if (known) {
        *out = *known;
        return true;
    }
    uint32_t id = (uint32_t)t->functions_len;
    if (!array_reserve(&t->functions, &t->functions_cap, t->functions_len + 1) ||
        !map_put(by_name, key, id))
        return false;
    t->functions[t->functions_len++] = *function;
    *out = id;
    return true;
}

bool stack_table_function(struct stack_table *t, const char *name, size_t name_len,
                          const char *file, size_t file_len, uint32_t line, uint32_t *out)
{
    struct stack_function function = {.line = line, .kind = WIRE_PYTHON};
    return strtab_add(&t->texts, name, name_len, &function.name) &&
           strtab_add(&t->texts, file, file_len, &function.file) &&
           find_function(t, &t->by_name, &function, out);
}

bool stack_table_other(struct stack_table *t, uint32_t kind, const char *name, const char *file,
                       uint32_t line, const char *module, uint32_t *out)
{
    struct stack_function function = {.line = line, .kind = kind};
    return strtab_add(&t->texts, name, strlen(name), &function.name) &&
           strtab_add(&t->texts, file, strlen(file), &function.file) &&
           strtab_add(&t->texts, module, strlen(module), &function.module) &&
           find_function(t, &t->by_other_name, &function, out);
}

bool stack_table_mark(struct stack_table *t, const char *name, size_t name_len, uint32_t kind,
                      uint32_t *frame)
{
    /* No file is named so, nor begins a function at line 0. */
    static const char *const files[] = {[WIRE_GC] = "<gc>", [WIRE_TASK] = "<asyncio>"};
    uint32_t function;
    if (!stack_table_function(t, name, name_len, files[kind], strlen(files[kind]), 0, &function))
        return false;
    t->functions[function].kind = kind;
    return stack_table_frame(t, function, &(struct python_place){0}, frame);
}

static bool is_same_place(const struct python_place *a, const struct python_place *b)
{
    return a->line == b->line && a->column == b->column && a->end_line == b->end_line &&
           a->end_column == b->end_column;
}

bool stack_table_frame(struct stack_table *t, uint32_t function, const struct python_place *place,
                       uint32_t *out)
{
    uint64_t key = map_pair(function, place->line);
    if (place->column != 0)
        key = map_mix(map_mix(key) ^ map_pair(place->column, place->end_column)) + place->end_line;
    for (const uint32_t *known; (known = map_find(&t->by_place, key)); key = map_mix(key) + 1) {
        const struct stack_frame *f = &t->frames[*known];
        if (f->function == function && is_same_place(&f->place, place)) {
            *out = *known;
            return true;
        }
    }
    uint32_t id = (uint32_t)t->frames_len;
    if (!array_reserve(&t->frames, &t->frames_cap, t->frames_len + 1) ||
        !map_put(&t->by_place, key, id))
        return false;
    t->frames[t->frames_len++] = (struct stack_frame){.function = function, .place = *place};
    *out = id;
    return true;
}

bool stack_table_node(struct stack_table *t, uint32_t parent, uint32_t frame, uint32_t *out)
{
    uint64_t key = map_pair(parent, frame);
    uint32_t *known = map_find(&t->by_parent, key);
    if (known) {
        *out = *known;
        return true;
    }
    uint32_t id = (uint32_t)t->nodes_len;
    if (t->nodes_len >= UINT32_MAX || !array_reserve(&t->nodes, &t->nodes_cap, t->nodes_len + 1) ||
        !map_put(&t->by_parent, key, id))
        return false;
    t->nodes[t->nodes_len++] = (struct stack_node){.parent = parent, .frame = frame};
    *out = id;
    return true;
}

static uint32_t give_text(const struct stack_table *t, struct stream *stream, uint32_t id)
{
    return stream_string(stream, strtab_text(&t->texts, id), strtab_len(&t->texts, id));
}

void stack_table_give(struct stack_table *t, struct stream *stream)
{
    for (; t->functions_given < t->functions_len; t->functions_given++) {
        struct stack_function *f = &t->functions[t->functions_given];
        size_t module_len = strtab_len(&t->texts, f->module);
        const char *module = strtab_text(&t->texts, f->module);
        if (f->module == 0)
            module = python_module_of(strtab_text(&t->texts, f->file),
                                      strtab_len(&t->texts, f->file), &module_len);
        bool is_mark = f->kind == WIRE_GC || f->kind == WIRE_TASK;
        struct wire_function function = {
            .name = give_text(t, stream, f->name),
            .file = is_mark ? 0 : give_text(t, stream, f->file),
            .line = f->line,
            .module = stream_string(stream, module, module_len),
            .kind = f->kind,
        };
        f->stream = stream_function(stream, &function);
    }
    for (; t->frames_given < t->frames_len; t->frames_given++) {
        struct stack_frame *f = &t->frames[t->frames_given];
        struct wire_frame frame = {.function = t->functions[f->function].stream,
                                   .line = f->place.line,
                                   .column = f->place.column,
                                   .end_line = f->place.end_line,
                                   .end_column = f->place.end_column};
        f->stream = stream_frame(stream, &frame);
    }
    for (; t->nodes_given < t->nodes_len; t->nodes_given++) {
        struct stack_node *n = &t->nodes[t->nodes_given];
        n->stream = stream_stack(stream, t->nodes[n->parent].stream, t->frames[n->frame].stream);
    }
}
