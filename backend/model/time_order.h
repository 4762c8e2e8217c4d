#pragma once
/* Rows by rising time. Rows of one time keep their place. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

/* *order: the rows 0 to len - 1 as they are to stand, NULL when they stand so already. The caller
 * frees it. STATUS_OK, STATUS_NO_MEMORY, or
 * STATUS_TOO_LARGE over 2^32 - 1 rows. */
enum status time_order(const uint64_t *time_ns, size_t len, uint32_t **order);

/* Puts a column (which may be NULL) into that order, through `scratch` of the same size. */
void time_order_apply(const uint32_t *order, size_t len, void *column, size_t item_size,
                      void *scratch);
