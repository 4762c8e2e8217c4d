#pragma once
/* The names that a program gave its threads: threading._active, a dict from ident to Thread, read
 * from outside. Only up to 3.13; later versions tell the system themselves. */

#include <stdbool.h>
#include <stdint.h>

#include "collector/python/layout.h"
#include "collector/python/memory_reader.h"
#include "common/base/buf.h"

/* The address of the dict threading._active of the interpreter; false when threading is not
 * imported (or nothing is known of such objects in this version). It stays valid. */
bool python_active_threads(const struct python_layout *layout, const struct memory_reader *reader,
                           uint64_t interp, uint64_t *active);

/* Appends the name of the thread whose ident (pthread_t) is `ident`. */
bool python_thread_name(const struct python_layout *layout, const struct memory_reader *reader,
                        uint64_t active, uint64_t ident, struct buf *out);
