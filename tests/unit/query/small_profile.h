#pragma once
/* Profiles made by hand, in a few readable lines. */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model/profile.h"

static inline uint32_t small_string(struct profile *p, const char *text)
{
    uint32_t id = 0;
    cr_assert_eq(tables_string(&p->tables, text, strlen(text), &id), STATUS_OK);
    return id;
}

/* A function of "name" in name.py, first line 10. */
static inline uint32_t small_function(struct profile *p, const char *name)
{
    char file[96];
    snprintf(file, sizeof(file), "/src/%.80s.py", name);
    struct wire_function f = {
        .name = small_string(p, name), .file = small_string(p, file), .line = 10};
    uint32_t id = 0;
    cr_assert_eq(tables_function(&p->tables, &f, &id), STATUS_OK);
    return id;
}

/* "main;work:12;leaf:14@5-9": frames from the root, a line after ':' (default 10), columns of that
 * line after '@', the end excluded. */
static inline uint32_t small_stack(struct profile *p, const char *frames)
{
    uint32_t stack = 0;
    while (*frames) {
        size_t len = strcspn(frames, ";");
        char name[64];
        unsigned line = 10;
        unsigned column = 0;
        unsigned end = 0;
        snprintf(name, sizeof(name), "%.*s", (int)len, frames);
        char *colon = strchr(name, ':');
        if (colon) {
            *colon = '\0';
            sscanf(colon + 1, "%u@%u-%u", &line, &column, &end);
        }
        struct wire_frame frame = {.function = small_function(p, name),
                                   .line = line,
                                   .column = column,
                                   .end_line = end ? line : 0,
                                   .end_column = end};
        uint32_t id = 0;
        cr_assert_eq(tables_frame(&p->tables, &frame, &id), STATUS_OK);
        cr_assert_eq(tables_stack(&p->tables, stack, id, &stack), STATUS_OK);
        frames += len + (frames[len] == ';');
    }
    return stack;
}

static inline struct profile *small_new(const char *set, const char *value, const char *unit)
{
    struct profile *p = NULL;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    if (set) {
        uint32_t id = 0;
        uint32_t column = 0;
        cr_assert_eq(profile_add_set(p, set, 0, &id), STATUS_OK);
        cr_assert_eq(profile_add_value_type(p, id, value, unit, &column), STATUS_OK);
    }
    return p;
}

static inline void small_sample_at(struct profile *p, const char *frames, int64_t value,
                                   uint64_t time_ns, uint32_t thread, uint32_t state)
{
    struct profile_sample s = {.time_ns = time_ns,
                               .thread = thread,
                               .state = state,
                               .stack = small_stack(p, frames),
                               .values = &value};
    cr_assert_eq(profile_add_sample(p, 0, &s), STATUS_OK);
}

static inline void small_sample(struct profile *p, const char *frames, int64_t value)
{
    small_sample_at(p, frames, value, UINT64_MAX, 0, 0);
}

static inline uint32_t small_call_row(struct profile *p, const char *name, uint64_t calls,
                                      uint64_t primitive, double self, double total)
{
    struct call_row row = {.function = small_function(p, name),
                           .calls = calls,
                           .primitive_calls = primitive,
                           .self = self,
                           .total = total};
    uint32_t index = 0;
    cr_assert_eq(profile_add_call_row(p, &row, &index), STATUS_OK);
    return index;
}

static inline void small_call_edge(struct profile *p, uint32_t caller, uint32_t callee,
                                   uint64_t calls, double self, double total)
{
    struct call_edge edge = {.caller = caller,
                             .callee = callee,
                             .calls = calls,
                             .primitive_calls = calls,
                             .self = self,
                             .total = total};
    cr_assert_eq(profile_add_call_edge(p, &edge), STATUS_OK);
}
