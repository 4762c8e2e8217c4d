#pragma once
/* The local variables of a frame: their names, and where their values are. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/layout.h"
#include "collector/python/memory_reader.h"
#include "collector/python/unwind.h"

struct python_variable {
    uint64_t name;  /* a str */
    uint64_t value; /* an object; those of closures are taken out of their cells */
};

/* Writes up to `max` variables that have a value, parameters first. `*left_out` counts those there
 * was no room for. */
size_t python_variables(const struct python_layout *layout, const struct memory_reader *reader,
                        const struct python_frame *frame, struct python_variable *out, size_t max,
                        size_t *left_out);
