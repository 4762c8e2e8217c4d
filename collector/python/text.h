#pragma once
/* Python strings out of a target's memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/layout.h"
#include "collector/python/memory_reader.h"
#include "common/base/buf.h"

enum { PYTHON_TEXT_MAX = 4096 }; /* characters; a longer one is cut there */

/* Appends the str at `address` as UTF-8 (lone surrogates become U+FFFD). False when what is there
 * cannot be a str; `out` is unchanged then. */
bool python_text(const struct python_layout *layout, const struct memory_reader *reader,
                 uint64_t address, struct buf *out);
