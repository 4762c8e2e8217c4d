#include "backend/model/time_order.h"

#include <stdlib.h>
#include <string.h>

struct moment {
    uint64_t time_ns;
    uint32_t row;
};

static int by_time_then_row(const void *a, const void *b)
{
    const struct moment *x = a;
    const struct moment *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

enum status time_order(const uint64_t *time_ns, size_t len, uint32_t **order)
{
    size_t ordered = 1;
    while (ordered < len && time_ns[ordered] >= time_ns[ordered - 1])
        ordered++;
    *order = NULL;
    if (ordered >= len)
        return STATUS_OK;
    if (len > UINT32_MAX)
        return STATUS_TOO_LARGE;
    struct moment *moments = malloc(len * sizeof(*moments));
    uint32_t *rows = malloc(len * sizeof(*rows));
    if (!moments || !rows) {
        free(moments);
        free(rows);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < len; i++)
        moments[i] = (struct moment){.time_ns = time_ns[i], .row = (uint32_t)i};
    qsort(moments, len, sizeof(*moments), by_time_then_row);
    for (size_t i = 0; i < len; i++)
        rows[i] = moments[i].row;
    free(moments);
    *order = rows;
    return STATUS_OK;
}

void time_order_apply(const uint32_t *order, size_t len, void *column, size_t item_size,
                      void *scratch)
{
    if (!column)
        return;
    const char *from = column;
    char *to = scratch;
    for (size_t i = 0; i < len; i++)
        memcpy(to + i * item_size, from + order[i] * item_size, item_size);
    memcpy(column, scratch, len * item_size);
}
