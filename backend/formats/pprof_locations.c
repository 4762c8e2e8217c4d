#include <inttypes.h>
#include <stdio.h>

#include "backend/formats/pprof_read.h"
#include "common/base/array.h"

enum { MAX_LINES = 4096 };

struct line {
    uint64_t function_id, line, column;
};

static uint32_t clamp_u32(uint64_t value)
{
    return value > UINT32_MAX ? 0 : (uint32_t)value; /* negative lines too */
}

static uint32_t named_frame(struct pprof_reader *r, const struct line *line, uint32_t module)
{
    const uint32_t *row = map_find(&r->function_by_id, line->function_id);
    if (!row) {
        pprof_fail(r, STATUS_INVALID, "a location names a function that does not exist");
        return 0;
    }
    struct pb_in in;
    struct pb_field f;
    struct text name = {"", 0};
    struct text file = {"", 0};
    struct wire_function function = {.module = module};
    pb_in_inside(&in, &r->top, &r->functions[*row]);
    while (pb_in_next(&in, &f)) {
        if (f.number == 2 || (f.number == 3 && name.len == 0))
            name = pprof_text_at(r, f.value);
        else if (f.number == 4)
            file = pprof_text_at(r, f.value);
        else if (f.number == 5)
            function.line = clamp_u32(f.value);
    }
    pprof_merge(r, &in);
    function.name = builder_string(&r->build, name);
    function.file = builder_string(&r->build, file);
    return builder_frame(&r->build, builder_function(&r->build, function), clamp_u32(line->line),
                         clamp_u32(line->column));
}

static uint32_t unnamed_frame(struct pprof_reader *r, uint64_t address, uint32_t module)
{
    char name[24];
    snprintf(name, sizeof(name), "0x%" PRIx64, address);
    struct wire_function f = {
        .name = builder_literal(&r->build, name), .module = module, .kind = WIRE_NATIVE};
    uint32_t function = 0;
    if (!r->build.failed)
        builder_check(&r->build, tables_function(&r->build.profile->tables, &f, &function));
    return builder_frame(&r->build, function, 0, 0);
}

static uint32_t module_of(struct pprof_reader *r, uint64_t mapping_id)
{
    const uint32_t *row = mapping_id ? map_find(&r->mapping_by_id, mapping_id) : NULL;
    if (!row)
        return 0;
    struct pb_in in;
    struct pb_field f;
    uint32_t module = 0;
    pb_in_inside(&in, &r->top, &r->mappings[*row]);
    while (pb_in_next(&in, &f)) {
        if (f.number == 5)
            module = builder_string(&r->build, pprof_text_at(r, f.value));
    }
    pprof_merge(r, &in);
    return module;
}

static void read_line(struct pprof_reader *r, const struct pb_field *message, struct line *line)
{
    struct pb_in in;
    struct pb_field f;
    *line = (struct line){0};
    pb_in_inside(&in, &r->top, message);
    while (pb_in_next(&in, &f)) {
        if (f.number == 1)
            line->function_id = f.value;
        else if (f.number == 2)
            line->line = f.value;
        else if (f.number == 3)
            line->column = f.value;
    }
    pprof_merge(r, &in);
}

/* The innermost inlined function is the first line; our frames go outermost first. */
static bool read_location(struct pprof_reader *r, struct pprof_location *location)
{
    struct pb_in in = {.start = r->top.start,
                       .at = location->data,
                       .end = location->data + location->len,
                       .err = r->top.err};
    struct pb_field f;
    uint64_t mapping = 0;
    uint64_t address = 0;
    uint32_t lines_len = 0;
    struct pb_in ahead = in;
    while (pb_in_next(&ahead, &f)) {
        if (f.number == 2)
            mapping = f.value;
        else if (f.number == 3)
            address = f.value;
        else if (f.number == 4 && ++lines_len > MAX_LINES)
            return pprof_fail(r, STATUS_TOO_LARGE, "more than 4096 inlined functions at one place");
    }
    uint32_t module = module_of(r, mapping);
    uint32_t n = lines_len ? lines_len : 1;
    if (!pprof_merge(r, &ahead) ||
        !pprof_room(r, array_reserve(&r->frames, &r->frames_cap, r->frames_len + n)))
        return false;
    location->first_frame = r->frames_len;
    location->frames_len = n;
    location->is_read = true;
    r->frames_len += n;
    uint32_t *frame = &r->frames[location->first_frame + n];
    while (lines_len && pb_in_next(&in, &f)) {
        struct line line;
        if (f.number != 4)
            continue;
        read_line(r, &f, &line);
        *--frame =
            line.function_id ? named_frame(r, &line, module) : unnamed_frame(r, address, module);
    }
    if (!lines_len)
        *--frame = unnamed_frame(r, address, module);
    return pprof_merge(r, &in);
}

bool pprof_push_location(struct pprof_reader *r, uint64_t id, uint32_t *stack)
{
    const uint32_t *row = map_find(&r->location_by_id, id);
    if (!row)
        return pprof_fail(r, STATUS_INVALID, "a sample names a location that does not exist");
    uint64_t pair = map_pair(*stack, *row);
    const uint32_t *known = map_find(&r->stack_by_pair, pair);
    if (known) {
        *stack = *known;
        return true;
    }
    struct pprof_location *location = &r->locations[*row];
    if (!location->is_read && !read_location(r, location))
        return false;
    for (uint32_t i = 0; i < location->frames_len; i++)
        *stack = builder_stack(&r->build, *stack, r->frames[location->first_frame + i]);
    if (r->build.profile->tables.stacks_len > r->stacks_max)
        return pprof_fail(r, STATUS_TOO_LARGE, "stacks that grow far beyond the file");
    return pprof_room(r, map_put(&r->stack_by_pair, pair, *stack)) && !r->build.failed;
}
