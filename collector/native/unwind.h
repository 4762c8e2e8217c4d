#pragma once
/* From a copied stack to frames: follows call frame information from the innermost function out.
 *
 * Nothing is guessed: where there is no information, or it needs a register that is not known (of
 * a thread in a system call only two are), the walk ends and says why. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/native/space.h"
#include "collector/native/stack_copy.h"

enum { NATIVE_MAX_DEPTH = 4096 };

enum unwind_end {
    UNWIND_WHOLE,    /* reached where the thread began */
    UNWIND_NO_CODE,  /* an address that no mapped file holds: code written at run time, or torn */
    UNWIND_NO_RULE,  /* the file says nothing about it */
    UNWIND_UNKNOWN,  /* it needs a register that is not known */
    UNWIND_SHORT,    /* more of the stack would have been needed than was copied */
    UNWIND_BROKEN,   /* a frame that does not lie above the one before */
    UNWIND_TOO_DEEP, /* more than NATIVE_MAX_DEPTH frames */
    UNWIND_ENDS,
};

/* What a person is told, e.g. "no unwind information". */
const char *unwind_end_text(enum unwind_end end);

struct native_frame {
    uint64_t pc;       /* an address within the instruction that runs or called */
    uint64_t sp, cfa;  /* its part of the stack: [sp, cfa); cfa 0 = where it ends is not known */
    uint64_t saved[6]; /* rbx, rbp, r12 to r15 as they are in this frame */
    uint8_t saved_known;
};

/* Innermost first. `copy` must hold the stack from the stack pointer on. */
enum unwind_end native_unwind(struct space *space, const struct stack_copy *copy,
                              struct native_frame *frames, size_t max, size_t *len);
