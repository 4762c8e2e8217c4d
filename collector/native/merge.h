#pragma once
/* Puts a thread's Python frames between its native ones, in the order in which they called.
 *
 * One run of the interpreter's evaluation loop is one native frame and one or more Python frames
 * (since 3.11 Python calls Python without leaving it). Which native frame runs which Python frames
 * is not counted off but seen: from 3.12 on the loop keeps an entry frame in its own native frame,
 * and the chain of Python frames leads through its address; before, the loop's native frame holds a
 * pointer to the innermost Python frame it runs. So a native stack that is not whole, a loop that
 * has not entered its frame yet, and greenlets, whose native stack goes on below where their
 * Python stack ends, put nothing into a wrong place. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One run of the loop, as the chain of Python frames tells. */
struct merge_run {
    size_t end;     /* its Python frames are those before, from the end of the run before it */
    uint64_t entry; /* address of the entry frame, on the C stack; 0 = this version has none */
    uint64_t frame; /* address of its innermost Python frame */
};

struct merge_native {
    uint64_t sp, cfa;      /* its part of the stack */
    const uint8_t *words;  /* what lies there, (cfa - sp) bytes; NULL = not copied */
    const uint64_t *saved; /* six registers */
    uint8_t saved_known;
    bool is_eval;
};

enum { MERGE_PYTHON = 1 << 30, MERGE_CUT = 1 << 29 };

/* What comes out, innermost first: a native frame's number, a Python frame's number | MERGE_PYTHON,
 * or MERGE_CUT, where native frames are missing. At most natives + pythons + 2. */
struct merged {
    uint32_t *items;
    size_t len;
    bool is_partial; /* a place was not found: some native frames are missing */
};

/* Frames innermost first. `is_whole`: the natives reach the thread's beginning. */
void merge_stacks(const struct merge_native *natives, size_t natives_len, bool is_whole,
                  const struct merge_run *runs, size_t runs_len, size_t pythons_len,
                  struct merged *out);
