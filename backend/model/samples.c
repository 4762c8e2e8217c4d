#include "backend/model/samples.h"

#include <stdlib.h>
#include <string.h>

#include "backend/model/tables.h"
#include "backend/model/time_order.h"

enum { FIRST_CAP = 64 };

#define SAMPLES_MAX ((size_t)1 << 31)

/* A column that does not exist stays so. */
static bool resize(void *column, size_t rows, size_t item_size)
{
    void *data;
    memcpy(&data, column, sizeof(data)); /* a T * may not be read as a void * (C17 6.5p7) */
    if (!data)
        return true;
    void *moved = realloc(data, rows * item_size);
    if (!moved)
        return false;
    memcpy(column, &moved, sizeof(moved));
    return true;
}

static bool resize_all(struct sample_set *s, size_t rows)
{
    bool is_done = resize(&s->time_ns, rows, sizeof(*s->time_ns)) &&
                   resize(&s->thread, rows, sizeof(*s->thread)) &&
                   resize(&s->stack, rows, sizeof(*s->stack)) &&
                   resize(&s->label_set, rows, sizeof(*s->label_set)) &&
                   resize(&s->state, rows, sizeof(*s->state));
    for (size_t i = 0; is_done && i < s->values_len; i++)
        is_done = resize(&s->values[i].value, rows, sizeof(*s->values[i].value));
    return is_done;
}

enum status samples_reserve(struct sample_set *s, size_t need)
{
    if (need <= s->cap)
        return STATUS_OK;
    if (need > SAMPLES_MAX)
        return STATUS_TOO_LARGE;
    size_t cap = s->cap ? s->cap : FIRST_CAP;
    while (cap < need)
        cap *= 2;
    if (!resize_all(s, cap))
        return STATUS_NO_MEMORY;
    s->cap = cap;
    return STATUS_OK;
}

void samples_deinit(struct sample_set *s)
{
    free(s->time_ns);
    free(s->thread);
    free(s->stack);
    free(s->label_set);
    free(s->state);
    for (size_t i = 0; i < s->values_len; i++)
        free(s->values[i].value);
}

enum status samples_widen_u32(struct sample_set *s, uint32_t **column)
{
    if (*column)
        return STATUS_OK;
    *column = calloc(s->cap, sizeof(**column));
    return *column ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status samples_widen_state(struct sample_set *s)
{
    if (s->state)
        return STATUS_OK;
    s->state = calloc(s->cap, sizeof(*s->state));
    return s->state ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status samples_widen_time(struct sample_set *s)
{
    if (s->time_ns)
        return STATUS_OK;
    s->time_ns = calloc(s->cap, sizeof(*s->time_ns));
    return s->time_ns ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status samples_widen_value(struct sample_set *s, size_t i)
{
    if (s->values[i].value)
        return STATUS_OK;
    int64_t *column = malloc(s->cap * sizeof(*column));
    if (!column)
        return STATUS_NO_MEMORY;
    for (size_t row = 0; row < s->len; row++)
        column[row] = s->values[i].constant;
    s->values[i].value = column;
    s->values[i].constant = 0;
    return STATUS_OK;
}

enum status samples_admit_value(struct sample_set *s, size_t i, int64_t value)
{
    if (s->values[i].value)
        return STATUS_OK;
    if (s->len == 0)
        s->values[i].constant = value;
    return s->values[i].constant == value ? STATUS_OK : samples_widen_value(s, i);
}

static enum status sort_by_time(struct sample_set *s)
{
    if (!s->has_time)
        return STATUS_OK;
    uint32_t *order;
    enum status st = time_order(s->time_ns, s->len, &order);
    if (st != STATUS_OK || !order)
        return st;
    uint64_t *scratch = malloc(s->len * sizeof(*scratch)); /* no column is wider */
    if (!scratch) {
        free(order);
        return STATUS_NO_MEMORY;
    }
    time_order_apply(order, s->len, s->time_ns, sizeof(*s->time_ns), scratch);
    time_order_apply(order, s->len, s->thread, sizeof(*s->thread), scratch);
    time_order_apply(order, s->len, s->stack, sizeof(*s->stack), scratch);
    time_order_apply(order, s->len, s->label_set, sizeof(*s->label_set), scratch);
    time_order_apply(order, s->len, s->state, sizeof(*s->state), scratch);
    for (size_t i = 0; i < s->values_len; i++)
        time_order_apply(order, s->len, s->values[i].value, sizeof(*s->values[i].value), scratch);
    free(order);
    free(scratch);
    return STATUS_OK;
}

static void drop_zero_u32(uint32_t **column, size_t len)
{
    for (size_t i = 0; *column && i < len; i++) {
        if ((*column)[i])
            return;
    }
    free(*column);
    *column = NULL;
}

static void drop_zero_state(struct sample_set *s)
{
    for (size_t i = 0; s->state && i < s->len; i++) {
        if (s->state[i])
            return;
    }
    free(s->state);
    s->state = NULL;
}

static void merge_constant(struct sample_set *s, size_t i)
{
    int64_t *column = s->values[i].value;
    if (!column || s->len == 0)
        return;
    for (size_t row = 1; row < s->len; row++) {
        if (column[row] != column[0])
            return;
    }
    s->values[i].constant = column[0];
    s->values[i].value = NULL;
    free(column);
}

enum status samples_finish(struct sample_set *s)
{
    enum status st = sort_by_time(s);
    if (st != STATUS_OK)
        return st;
    drop_zero_u32(&s->thread, s->len);
    drop_zero_u32(&s->stack, s->len);
    drop_zero_u32(&s->label_set, s->len);
    drop_zero_state(s);
    for (size_t i = 0; i < s->values_len; i++)
        merge_constant(s, i);
    if (s->len > 0 && s->len < s->cap) {
        resize_all(s, s->len); /* a column that could not shrink is only larger than it need be */
        s->cap = s->len;
    }
    return STATUS_OK;
}
