#pragma once
/* Tables inside JSON, as profilers write them: an object of columns {"a": [..], "b": [..]}, or rows
 * with their order beside them {"schema": {"a": 0, "b": 1}, "data": [[..], [..]]}. */

#include <stddef.h>
#include <stdint.h>

#include "backend/formats/json_in.h"

/* A column that is asked for; what is no number is NaN. */
struct json_column {
    const char *name;
    double *items;
    size_t len, cap;
};

/* The next value. Columns that are not asked for are passed over. Rows that are too short give
 * NaN. */
void json_table_read(struct json_in *j, struct json_column *columns, size_t len);
void json_table_free(struct json_column *columns, size_t len);

/* NaN beyond the end. */
double json_column_at(const struct json_column *c, size_t row);

/* The value as an index below `limit`; false for NaN and negative ones. Fails when it is too
 * large. */
bool json_column_index(const struct json_column *c, size_t row, size_t limit, struct json_in *j,
                       uint32_t *index);
