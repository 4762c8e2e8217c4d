#pragma once
/* The columns of a message: packed or one by one, and differences added up. */

#include "common/wire/fields.h"
#include "common/wire/token.h"

struct column {
    enum field_kind kind;
    void *to; /* the next item */
    size_t stride;
};

/* Stores the token's items (a packed run, or one) and counts them in `done`. The caller has made
 * room for as many as varint_count says. Gives NULL, or where a number is too large. */
const uint8_t *decode_column(const struct column *column, const struct token *token, size_t *done);

/* A Column message; `rows` is what every column of these samples must have. */
enum status decode_value_column(struct decoder *d, const struct token *outer, size_t rows,
                                struct wire_column *out);

/* In place: int64 differences become absolute times or whole doubles. False, and the row, when
 * the sum leaves its range. */
bool decode_times(void *items, size_t len, uint64_t first, size_t *bad);
bool decode_point_deltas(void *items, size_t len, size_t *bad);
