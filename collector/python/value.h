#pragma once
/* What an object of another process is, in a few words, as repr() would put it where its type is
 * one of the interpreter's own: None, numbers, texts, lists, tuples, dicts, sets. Everything else
 * is
 * "<Type at 0x...>". Nothing of the program's is run. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/layout.h"
#include "collector/python/memory_reader.h"
#include "common/base/buf.h"

enum {
    PYTHON_VALUE_BYTES_MAX = 1 << 16,
    PYTHON_VALUE_DEPTH = 6, /* containers inside each other */
};

/* Appends at most `max` bytes (and "..." where that cut it); UTF-8, no control characters. */
void python_value(const struct python_layout *layout, const struct memory_reader *reader,
                  uint64_t address, size_t max, struct buf *out);
