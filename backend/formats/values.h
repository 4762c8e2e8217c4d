#pragma once
/* Plain values out of a marshal or pickle file: what the restricted readers build instead of
 * objects. A graph, not a tree: one value may stand in many places and even inside itself, so
 * whoever walks it goes to a known depth only. Everything lives until values_free. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/status.h"

enum value_kind {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT, /* fits 64 bits, signed */
    VALUE_BIG, /* an integer that does not; `number` is near it */
    VALUE_FLOAT,
    VALUE_TEXT,  /* UTF-8, lone surrogates possible */
    VALUE_BYTES, /* also Python 2's str: any encoding */
    VALUE_TUPLE,
    VALUE_LIST,
    VALUE_DICT,   /* items: key, value, key, value, ... in the file's order */
    VALUE_CLASS,  /* integer: which of the reader's allowed classes */
    VALUE_OBJECT, /* items: class, arguments, then states given to it */
};

struct value {
    uint8_t kind; /* enum value_kind */
    uint32_t len; /* bytes of text, number of items */
    union {
        int64_t integer;
        double number;
        const char *data;
        uint32_t *items; /* value ids */
    };
};

struct values {
    struct arena *arena;
    struct value *all;
    size_t len, cap;
    size_t items_bytes; /* of all item lists, for the limit */
    size_t max_bytes;
    uint32_t small[256]; /* of each small number, its value: counts are small and many; 0 = none */
};

/* Value 0 is None, 1 False, 2 True and 3 the empty tuple. */
enum { VALUES_NONE, VALUES_FALSE, VALUES_TRUE, VALUES_EMPTY_TUPLE };

/* `input_len` bounds the memory: at most VALUES_MULTIPLE bytes for each byte of input. */
enum { VALUES_MULTIPLE = 32 };
enum status values_init(struct values *v, size_t input_len);
void values_deinit(struct values *v);

enum status values_add(struct values *v, struct value value, uint32_t *id);

/* Appends to a tuple, list, dict or object. */
enum status values_append(struct values *v, uint32_t to, uint32_t item);

/* All items at once of what has none yet. */
enum status values_fill(struct values *v, uint32_t to, const uint32_t *items, uint32_t len);

/* None for an item that is not there, and for any item of what holds none. */
static inline const struct value *values_get(const struct values *v, uint32_t id)
{
    return &v->all[id < v->len ? id : VALUES_NONE];
}

static inline const struct value *values_item(const struct values *v, const struct value *of,
                                              size_t i)
{
    bool has_items = of->kind == VALUE_TUPLE || of->kind == VALUE_LIST || of->kind == VALUE_DICT ||
                     of->kind == VALUE_OBJECT;
    return &v->all[has_items && i < of->len ? of->items[i] : VALUES_NONE];
}

/* "a tuple", "text", ... for messages. */
const char *value_kind_name(const struct value *value);

static inline bool value_is_text(const struct value *value)
{
    return value->kind == VALUE_TEXT || value->kind == VALUE_BYTES;
}

static inline bool value_is_sequence(const struct value *value)
{
    return value->kind == VALUE_TUPLE || value->kind == VALUE_LIST;
}

/* A number of any kind as a double; false for what is none, or not finite. */
bool value_f64(const struct value *value, double *out);

/* A whole number that fits; a float with a whole value counts. */
bool value_i64(const struct value *value, int64_t *out);
