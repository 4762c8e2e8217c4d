#pragma once
/* The entries of an .eh_frame section and the small programs in them. */

#include "collector/native/cfi.h"

struct cfi_entry {
    size_t offset;
    bool is_function; /* an FDE whose addresses are understood; else a CIE, or one to pass over */
    uint64_t begin, end;
};

/* The entry at `*at`, which moves behind it; false at the end of what can be read. */
bool cfi_next_entry(const struct image_bytes *frames, size_t *at, struct cfi_entry *out);

/* Runs the program of the FDE at `offset` up to `address`; false when it is broken or does what
 * we do not know. */
bool cfi_compute(const struct image_bytes *frames, size_t offset, uint64_t address,
                 struct cfi_row *out);
