#pragma once
/* Walks a thread's chain of frames, from the innermost outwards. Knows no version: the layout does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/layout.h"
#include "collector/python/memory_reader.h"

enum { PYTHON_MAX_DEPTH = 65536 };

struct python_frame {
    uint64_t address;
    uint64_t code;      /* address of the code object */
    uint64_t ip;        /* as the layout's `ip` says */
    uint64_t generator; /* address of the generator or coroutine it belongs to; 0 = none */
    uint32_t tlbc;      /* free-threaded builds: which copy of the bytecode; else 0 */
    /* Whether C called it, so that a run of the evaluation loop ends with it; from 3.12 on, with
     * the address of the shim behind it, which lies in that run's part of the C stack. */
    bool is_entry;
    uint64_t entry;
};

enum python_unwind_result {
    PYTHON_UNWIND_OK,         /* also with no frames: no Python runs in the thread */
    PYTHON_UNWIND_UNREADABLE, /* the chain leads where nothing can be read */
    PYTHON_UNWIND_BROKEN,     /* it is misaligned or holds what no frame holds */
    PYTHON_UNWIND_TOO_DEEP,   /* more than `max` frames, or a circle */
    PYTHON_UNWIND_SUSPENDED,  /* the outermost is a generator that does not run: nobody called it */
};

/* The address of the innermost frame of the thread state at `tstate`; 0 = none. */
enum python_unwind_result python_top_frame(const struct python_layout *layout,
                                           const struct memory_reader *reader, uint64_t tstate,
                                           uint64_t *frame);

/* Walks outwards from `frame` to the end of the chain or to `base` (0 = none). Frames that are no
 * Python function (the shims between C and Python) are passed over. `*len` is set when the result
 * is OK or SUSPENDED. */
enum python_unwind_result python_unwind(const struct python_layout *layout,
                                        const struct memory_reader *reader, uint64_t frame,
                                        uint64_t base, struct python_frame *frames, size_t max,
                                        size_t *len);
