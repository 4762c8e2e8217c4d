#pragma once
/* Which line a bytecode offset belongs to: the three line tables of CPython. */

#include <stddef.h>
#include <stdint.h>

#include "collector/python/layout.h"

/* The line at `offset` (in bytes; negative: the code has not begun, its first line). 0 when the
 * instruction belongs to no line. Never reads past `len`; a table cut short gives what it has. */
uint32_t python_line(enum python_lines kind, const uint8_t *table, size_t len, uint32_t first_line,
                     int64_t offset);
