#pragma once
/* What the making of a reading's `iov` (reading_compile) and its evaluation must agree on. */

#include "collector/sampler/reading.h"

enum { READING_PAGE = 4096 };

/* From 3.11 on frames lie in chunks of a data stack; before, each on the heap. */
static inline bool reading_has_chunks(const struct python_layout *layout)
{
    return layout->tstate_chunk != PYTHON_NO_FIELD;
}

/* 3.11, 3.12: the thread state points at a struct on the C stack, which points at the frame. */
static inline bool reading_has_cframe(const struct python_layout *layout)
{
    return layout->tstate_cframe != PYTHON_NO_FIELD;
}

/* The part of the thread state that is read: from `next` to the last field of use. */
static inline uint64_t reading_tstate_begin(const struct python_layout *layout)
{
    return layout->tstate_next;
}
