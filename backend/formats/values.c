#include "backend/formats/values.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

enum { SMALLEST_LIMIT = 1 << 20 };

enum status values_init(struct values *v, size_t input_len)
{
    size_t limit = input_len > SIZE_MAX / VALUES_MULTIPLE ? SIZE_MAX : input_len * VALUES_MULTIPLE;
    *v = (struct values){.arena = arena_new(),
                         .max_bytes = limit > SMALLEST_LIMIT ? limit : SMALLEST_LIMIT};
    if (!v->arena)
        return STATUS_NO_MEMORY;
    static const struct value fixed[] = {
        [VALUES_NONE] = {.kind = VALUE_NONE},
        [VALUES_FALSE] = {.kind = VALUE_BOOL, .integer = 0},
        [VALUES_TRUE] = {.kind = VALUE_BOOL, .integer = 1},
        [VALUES_EMPTY_TUPLE] = {.kind = VALUE_TUPLE},
    };
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        uint32_t id;
        st = values_add(v, fixed[i], &id);
    }
    if (st != STATUS_OK)
        values_deinit(v);
    return st;
}

void values_deinit(struct values *v)
{
    arena_free(v->arena);
    free(v->all);
    *v = (struct values){0};
}

static bool is_full(const struct values *v, size_t more)
{
    return v->len * sizeof(*v->all) + v->items_bytes + more > v->max_bytes;
}

enum status values_add(struct values *v, struct value value, uint32_t *id)
{
    bool is_small = value.kind == VALUE_INT && value.integer >= 0 && value.integer < 256;
    if (is_small && v->small[value.integer]) {
        *id = v->small[value.integer];
        return STATUS_OK;
    }
    if (v->len >= UINT32_MAX || is_full(v, sizeof(value)))
        return STATUS_TOO_LARGE;
    if (!array_reserve(&v->all, &v->cap, v->len + 1))
        return STATUS_NO_MEMORY;
    v->all[v->len] = value;
    if (is_small)
        v->small[value.integer] = (uint32_t)v->len;
    *id = (uint32_t)v->len++;
    return STATUS_OK;
}

/* A list is full when its length is a power of two, two at least: its capacity needs no field. */
static size_t capacity(size_t len)
{
    size_t cap = 2;
    while (cap < len)
        cap *= 2;
    return cap;
}

static enum status grow(struct values *v, struct value *list, size_t cap)
{
    if (is_full(v, cap * sizeof(uint32_t)))
        return STATUS_TOO_LARGE;
    uint32_t *items = arena_alloc(v->arena, cap * sizeof(*items));
    if (!items)
        return STATUS_NO_MEMORY;
    if (list->len)
        memcpy(items, list->items, list->len * sizeof(*items));
    list->items = items;
    v->items_bytes += cap * sizeof(*items);
    return STATUS_OK;
}

enum status values_append(struct values *v, uint32_t to, uint32_t item)
{
    struct value *list = &v->all[to];
    bool needs_room = (list->len & (list->len - 1)) == 0 && list->len != 1;
    if (list->len == UINT32_MAX)
        return STATUS_TOO_LARGE;
    if (needs_room) {
        enum status st = grow(v, list, capacity((size_t)list->len + 1));
        if (st != STATUS_OK)
            return st;
    }
    list->items[list->len++] = item;
    return STATUS_OK;
}

enum status values_fill(struct values *v, uint32_t to, const uint32_t *items, uint32_t len)
{
    struct value *list = &v->all[to];
    assert(list->len == 0);
    enum status st = len ? grow(v, list, capacity(len)) : STATUS_OK;
    if (st == STATUS_OK && len) {
        memcpy(list->items, items, len * sizeof(*items));
        list->len = len;
    }
    return st;
}

const char *value_kind_name(const struct value *value)
{
    static const char *const names[] = {
        [VALUE_NONE] = "None",      [VALUE_BOOL] = "a truth value",
        [VALUE_INT] = "an integer", [VALUE_BIG] = "an integer over 64 bits",
        [VALUE_FLOAT] = "a float",  [VALUE_TEXT] = "text",
        [VALUE_BYTES] = "bytes",    [VALUE_TUPLE] = "a tuple",
        [VALUE_LIST] = "a list",    [VALUE_DICT] = "a dict",
        [VALUE_CLASS] = "a class",  [VALUE_OBJECT] = "an object",
    };
    return names[value->kind];
}

bool value_f64(const struct value *value, double *out)
{
    double number;
    if (value->kind == VALUE_INT || value->kind == VALUE_BOOL)
        number = (double)value->integer;
    else if (value->kind == VALUE_FLOAT || value->kind == VALUE_BIG)
        number = value->number;
    else
        return false;
    if (!isfinite(number))
        return false;
    *out = number;
    return true;
}

bool value_i64(const struct value *value, int64_t *out)
{
    if (value->kind == VALUE_INT || value->kind == VALUE_BOOL) {
        *out = value->integer;
        return true;
    }
    /* 2**63 is the first float past the range. */
    if (value->kind != VALUE_FLOAT || !(fabs(value->number) < 0x1p63) ||
        trunc(value->number) != value->number)
        return false;
    *out = (int64_t)value->number;
    return true;
}
