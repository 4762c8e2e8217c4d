#pragma once
/* The sampler's own tables of functions, frames and stacks, so that the sampling path never takes
 * the stream's lock. A stack is its parent and one frame; number 0 is the empty stack. What is new
 * is given to the stream in bulk. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/lines.h"
#include "collector/stream/stream.h"
#include "common/base/map.h"
#include "common/base/strtab.h"

struct stack_table {
    struct strtab texts;
    struct stack_function {
        uint32_t name, file, line;
        uint32_t module; /* 0 = as the file's name says */
        uint32_t kind;   /* enum wire_function_kind */
        uint32_t stream;
    } * functions;
    struct stack_frame {
        uint32_t function;
        struct python_place place;
        uint32_t stream;
    } * frames;
    struct stack_node {
        uint32_t parent, frame;
        uint32_t stream;
    } * nodes;
    size_t functions_len, functions_cap, frames_len, frames_cap, nodes_len, nodes_cap;
    size_t functions_given, frames_given, nodes_given; /* the stream knows those before */
    struct map names;                                  /* name, file -> a number of the pair */
    struct map by_name;                                /* pair, line -> function */
    struct map by_other_name;                          /* the same of what is no Python */
    struct map by_place;                               /* function, place -> frame */
    struct map by_parent;                              /* parent, frame -> node */
};

bool stack_table_init(struct stack_table *t);
void stack_table_deinit(struct stack_table *t);

/* Each adds when new; false when memory is short. */
bool stack_table_function(struct stack_table *t, const char *name, size_t name_len,
                          const char *file, size_t file_len, uint32_t line, uint32_t *out);
/* One that is no function of the program but says what its callees are part of. */
bool stack_table_mark(struct stack_table *t, const char *name, size_t name_len, uint32_t kind,
                      uint32_t *frame);
/* One that is no Python function; `kind` is a wire_function_kind. */
bool stack_table_other(struct stack_table *t, uint32_t kind, const char *name, const char *file,
                       uint32_t line, const char *module, uint32_t *out);
bool stack_table_frame(struct stack_table *t, uint32_t function, const struct python_place *place,
                       uint32_t *out);
bool stack_table_node(struct stack_table *t, uint32_t parent, uint32_t frame, uint32_t *out);

/* Gives the stream what it does not have yet; the caller holds the stream's lock. */
void stack_table_give(struct stack_table *t, struct stream *stream);
