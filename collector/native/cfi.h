#pragma once
/* Call frame information (.eh_frame): how to find, at an instruction, the caller's registers.
 *
 * Sources: DWARF 5 section 6.4, and the Linux Standard Base on .eh_frame. The table of functions is
 * made once an image; a row is computed when its address is first met, then kept, so that
 * unwinding costs one hash look-up a frame. All of it comes from foreign files: every length is
 * checked, what is not understood gives no row. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/native/image.h"
#include "collector/native/registers.h"

enum cfi_kind {
    CFI_SAME, /* as it is: also of what no rule names */
    CFI_UNDEFINED,
    CFI_AT,            /* saved at CFA + value */
    CFI_IS,            /* equals CFA + value */
    CFI_REGISTER,      /* in register `value` */
    CFI_AT_EXPRESSION, /* `value` and `len` are a range of the .eh_frame */
    CFI_IS_EXPRESSION,
};

struct cfi_rule {
    enum cfi_kind kind;
    int32_t value;
    uint32_t len;
};

struct cfi_row {
    uint64_t begin; /* where the function begins */
    bool is_signal; /* a signal frame: its caller was interrupted, it did not call */
    uint8_t cfa_register;
    struct cfi_rule cfa; /* CFI_IS: register + value; or CFI_IS_EXPRESSION */
    struct cfi_rule rules[REGISTERS];
};

/* The row for the instruction at `address`; NULL when there is none. Valid until the next call. */
const struct cfi_row *cfi_find(struct image *image, uint64_t address);

/* Where the function that holds `address` begins; 0 when unknown. */
uint64_t cfi_function(struct image *image, uint64_t address);

void cfi_free(struct cfi *cfi); /* takes NULL */
