#include <stdio.h>

#include "backend/formats/otlp_read.h"

enum { MAX_LINES = 256 };

static uint32_t function_of(struct otlp_reader *r, uint64_t row, uint64_t module)
{
    if (row >= r->tables[OTLP_FUNCTIONS].len) {
        otlp_fail(r, STATUS_INVALID, "a function number beyond its table");
        return 0;
    }
    if (r->function_of[row])
        return r->function_of[row] - 1;
    struct text name = otlp_string_at(r, otlp_number_of(r, OTLP_FUNCTIONS, row, 1));
    struct text file = otlp_string_at(r, otlp_number_of(r, OTLP_FUNCTIONS, row, 3));
    struct wire_function f = {
        .name = builder_string(&r->build, name),
        .file = builder_string(&r->build, file),
        .line = (uint32_t)otlp_number_of(r, OTLP_FUNCTIONS, row, 4),
        .module = module ? builder_string(&r->build, otlp_string_at(r, module)) : 0,
        .kind = builder_kind_of(name, file),
    };
    uint32_t made = builder_function(&r->build, f);
    r->function_of[row] = made + 1;
    return made;
}

/* A place without functions is known by its address only. */
static uint32_t frame_of_address(struct otlp_reader *r, uint64_t address, uint64_t module)
{
    char name[32];
    snprintf(name, sizeof(name), "0x%llx", (unsigned long long)address);
    struct wire_function f = {.name = builder_literal(&r->build, name),
                              .module =
                                  module ? builder_string(&r->build, otlp_string_at(r, module)) : 0,
                              .kind = WIRE_NATIVE};
    return builder_frame(&r->build, builder_function(&r->build, f), 0, 0);
}

static uint32_t frame_of_line(struct otlp_reader *r, const struct pb_in *outer,
                              const struct pb_field *message, uint64_t module)
{
    struct pb_in in;
    struct pb_field f;
    uint64_t values[4] = {0};
    pb_in_inside(&in, outer, message);
    while (pb_in_next(&in, &f)) {
        if (f.number >= 1 && f.number <= 3)
            values[f.number] = f.value;
    }
    if (!otlp_is_well(r, &in))
        return 0;
    return builder_frame(&r->build, function_of(r, values[1], module), (uint32_t)values[2],
                         (uint32_t)values[3]);
}

/* A place and what was inlined there, the caller last. */
static uint32_t put_location(struct otlp_reader *r, uint64_t row, uint32_t stack)
{
    struct pb_in in;
    struct pb_field f;
    struct pb_field lines[MAX_LINES];
    size_t len = 0;
    uint64_t mapping = 0;
    uint64_t address = 0;
    if (row >= r->tables[OTLP_LOCATIONS].len) {
        otlp_fail(r, STATUS_INVALID, "a location number beyond its table");
        return 0;
    }
    pb_in_inside(&in, &r->top, &r->tables[OTLP_LOCATIONS].items[row]);
    while (pb_in_next(&in, &f)) {
        if (f.number == 1)
            mapping = f.value;
        else if (f.number == 2)
            address = f.value;
        else if (f.number == 3 && f.wire == PB_BYTES && len < MAX_LINES)
            lines[len++] = f;
        else if (f.number == 3)
            otlp_fail(r, STATUS_TOO_LARGE, "more than 256 inlined functions at one place");
    }
    if (!otlp_is_well(r, &in))
        return 0;
    uint64_t module = mapping ? otlp_number_of(r, OTLP_MAPPINGS, mapping, 4) : 0;
    if (len + 1 > r->stacks_left) {
        otlp_fail(r, STATUS_TOO_LARGE, "the stacks are too large for their message");
        return 0;
    }
    r->stacks_left -= len + 1;
    if (len == 0)
        return builder_stack(&r->build, stack, frame_of_address(r, address, module));
    for (size_t i = len; i > 0 && !r->top.failed; i--)
        stack = builder_stack(&r->build, stack, frame_of_line(r, &in, &lines[i - 1], module));
    return stack;
}

uint32_t otlp_stack_of(struct otlp_reader *r, uint64_t row)
{
    struct pb_in in;
    struct pb_field f;
    uint32_t stack = 0;
    if (row == 0)
        return 0;
    if (row >= r->tables[OTLP_STACKS].len) {
        otlp_fail(r, STATUS_INVALID, "a stack number beyond its table");
        return 0;
    }
    if (r->stack_of[row])
        return r->stack_of[row] - 1;
    pb_in_inside(&in, &r->top, &r->tables[OTLP_STACKS].items[row]);
    r->numbers_len = 0;
    while (pb_in_next(&in, &f)) {
        if (f.number == 1 &&
            !otlp_read_numbers(r, &in, &f, &r->numbers, &r->numbers_len, &r->numbers_cap))
            return 0;
    }
    if (!otlp_is_well(r, &in))
        return 0;
    for (size_t i = r->numbers_len; i > 0 && !r->top.failed; i--)
        stack = put_location(r, r->numbers[i - 1], stack);
    r->stack_of[row] = stack + 1;
    return stack;
}
