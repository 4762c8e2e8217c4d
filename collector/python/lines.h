#pragma once
/* Which line, and which part of it, a bytecode offset belongs to: the three line tables of CPython.
 */

#include <stddef.h>
#include <stdint.h>

#include "collector/python/layout.h"

/* Lines count from 1, columns too, in bytes of UTF-8; the range ends before `end_column`. 0 = not
 * known: only tables of 3.11 and later have more than the line, and not those of a program that was
 * started with -X no_debug_ranges. */
struct python_place {
    uint32_t line, column, end_line, end_column;
};

/* The place of `offset` (in bytes; negative: the code has not begun, its first line). All 0 when
 * the instruction belongs to no line. Never reads past `len`; a table cut short gives what it has.
 */
struct python_place python_place(enum python_lines kind, const uint8_t *table, size_t len,
                                 uint32_t first_line, int64_t offset);
