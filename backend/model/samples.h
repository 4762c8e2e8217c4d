#pragma once
/* The columns of a sample set while it grows. A column is made when the first row needs it: until
 * then it is NULL (all 0) or, for values, one constant. All columns that exist have room for
 * set->cap rows, and every row up to set->len is set. On failure the set says what it said. */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/shapes.h"
#include "common/base/status.h"

/* Room for `need` rows in the columns that exist. */
enum status samples_reserve(struct sample_set *s, size_t need);

/* Makes a column, with what its absence said in the rows so far; does nothing when it is there. */
enum status samples_widen_u32(struct sample_set *s, uint32_t **column);
enum status samples_widen_state(struct sample_set *s);
enum status samples_widen_time(struct sample_set *s); /* has_time follows with the first row */

/* Makes value column `i` able to hold `value` in the next row: as constant if it can. */
enum status samples_admit_value(struct sample_set *s, size_t i, int64_t value);
enum status samples_widen_value(struct sample_set *s, size_t i);

/* Adds the block's rows, for which everything was reserved and widened before. Rows older than the
 * set's last go to their place. `order`, when not NULL, is the block's rows by rising time. */
void samples_append(struct sample_set *s, const struct wire_samples *block, const uint32_t *order);

void samples_deinit(struct sample_set *s);

/* Order of time, constant and all-zero columns dropped, spare memory given back. */
enum status samples_finish(struct sample_set *s);
