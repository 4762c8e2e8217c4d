#pragma once
/* The DWARF expressions that call frame information uses (signal frames, PLT stubs, realigned
 * stacks): a small stack machine over registers and the copied stack. */

#include "collector/native/stack_copy.h"

enum expression_result {
    EXPRESSION_OK,
    EXPRESSION_BROKEN, /* not one that we know, or it never ends */
    EXPRESSION_NO_REGISTER,
    EXPRESSION_NO_MEMORY, /* it reads where nothing was copied */
};

/* `first` (may be NULL) is pushed before: the CFA, for rules of registers. */
enum expression_result expression_run(const uint8_t *code, size_t len,
                                      const struct registers *registers,
                                      const struct stack_copy *copy, const uint64_t *first,
                                      uint64_t *out);
