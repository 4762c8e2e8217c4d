#pragma once
/* The code objects of one process, and which frame an instruction of theirs belongs to.
 *
 * A code object is read once. Its address may come to hold another one later, so what makes it
 * itself (python_code_mark) is compared again before rows that name it are delivered. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/code.h"
#include "collector/python/unwind.h"
#include "collector/sampler/stacks.h"
#include "collector/target/memory.h"
#include "common/base/map.h"

struct code_slot {
    uint64_t address;
    uint64_t bytecode, bytecode_size;
    uint32_t first_line, function;
    struct python_code_mark mark;
    uint8_t *lines;
    size_t lines_len;
    bool is_dead; /* another object lives there now */
    bool is_used; /* since the last check */
};

struct code_table {
    const struct python_layout *layout;
    struct stack_table *stacks;
    bool with_columns; /* frames say which part of the line, not only which line */
    struct code_slot *slots;
    size_t slots_len, slots_cap;
    struct code_place {
        uint64_t code, ip;
        uint32_t slot, frame;
    } * places;
    size_t places_len, places_cap;
    struct map by_address; /* code object -> slot */
    struct map by_ip;      /* a mix of code and ip -> place */
    struct python_code scratch;
    uint32_t *dead; /* functions of the codes that the last check forgot */
    size_t dead_len, dead_cap;
};

void code_table_init(struct code_table *t, const struct python_layout *layout,
                     struct stack_table *stacks, bool with_columns);
void code_table_deinit(struct code_table *t);

/* The frame that `f` shows; false when it cannot be one (then the sample is torn). */
bool code_table_frame(struct code_table *t, const struct memory_reader *reader,
                      const struct python_frame *f, uint32_t *frame);

/* Notes that rows name the code at `address`. */
void code_table_mark_used(struct code_table *t, uint64_t address);

/* Compares every code used since the last check with what is in the target now and forgets those
 * that are others by now. Returns how many. */
size_t code_table_check(struct code_table *t, pid_t pid);

/* Whether the stack `node` shows a function that the last check forgot. */
bool code_table_is_doubtful(const struct code_table *t, uint32_t node);
