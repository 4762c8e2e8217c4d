#include "backend/formats/marshal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/text.h"
#include "common/base/array.h"

enum {
    FLAG_REF = 0x80,
    MAX_DEPTH = 64, /* a profile needs six */
    NULL_VALUE = UINT32_MAX,
    FEW = 8, /* items that are put into a tuple at once: a row has five */
};

struct ids {
    uint32_t *id;
    size_t len, cap;
};

struct marshal {
    struct values *values;
    const uint8_t *data;
    size_t len, at;
    struct ids refs;     /* version 3 and later: every flagged object */
    struct ids interned; /* Python 2: every 't' */
    struct error *err;
};

static enum status broken(const struct marshal *m, size_t at, const char *what)
{
    return error_set(m->err, STATUS_INVALID, "byte %zu: %s", at, what);
}

static enum status cut(const struct marshal *m)
{
    return broken(m, m->at, "the data ends inside a value");
}

static enum status limits(const struct marshal *m, enum status st)
{
    if (st == STATUS_TOO_LARGE)
        return error_set(m->err, st, "byte %zu: more values than a file of this size may hold",
                         m->at);
    if (st == STATUS_NO_MEMORY)
        return error_set(m->err, st, "no memory for the values");
    return st;
}

static enum status take(struct marshal *m, size_t len, const uint8_t **bytes)
{
    if (m->len - m->at < len)
        return cut(m);
    *bytes = m->data + m->at;
    m->at += len;
    return STATUS_OK;
}

static enum status take_u8(struct marshal *m, uint8_t *value)
{
    const uint8_t *b;
    enum status st = take(m, 1, &b);
    if (st == STATUS_OK)
        *value = *b;
    return st;
}

static enum status take_i32(struct marshal *m, int32_t *value)
{
    const uint8_t *b;
    enum status st = take(m, 4, &b);
    if (st == STATUS_OK)
        *value = (int32_t)((uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                           (uint32_t)b[3] << 24);
    return st;
}

/* A size that the rest of the file can hold, each item taking at least one byte. */
static enum status take_size(struct marshal *m, uint32_t *size)
{
    int32_t n = 0;
    size_t at = m->at;
    enum status st = take_i32(m, &n);
    if (st != STATUS_OK)
        return st;
    if (n < 0)
        return broken(m, at, "a negative size");
    if ((size_t)n > m->len - m->at)
        return broken(m, at, "a size that goes past the end");
    *size = (uint32_t)n;
    return STATUS_OK;
}

static enum status push_id(struct marshal *m, struct ids *ids, uint32_t id)
{
    if (!array_reserve(&ids->id, &ids->cap, ids->len + 1))
        return limits(m, STATUS_NO_MEMORY);
    ids->id[ids->len++] = id;
    return STATUS_OK;
}

static enum status add(struct marshal *m, struct value value, bool is_flagged, uint32_t *id)
{
    enum status st = values_add(m->values, value, id);
    if (st != STATUS_OK)
        return limits(m, st);
    return is_flagged ? push_id(m, &m->refs, *id) : STATUS_OK;
}

static enum status add_fixed(struct marshal *m, uint32_t fixed, bool is_flagged, uint32_t *id)
{
    *id = fixed;
    return is_flagged ? push_id(m, &m->refs, fixed) : STATUS_OK;
}

static enum status read_text(struct marshal *m, uint8_t code, bool is_flagged, uint32_t *id)
{
    uint32_t size = 0;
    enum status st;
    if (code == 'z' || code == 'Z') {
        uint8_t small = 0;
        st = take_u8(m, &small);
        size = small;
    } else {
        st = take_size(m, &size);
    }
    const uint8_t *bytes = NULL;
    if (st == STATUS_OK)
        st = take(m, size, &bytes);
    if (st != STATUS_OK)
        return st;
    enum value_kind kind = code == 's' ? VALUE_BYTES : VALUE_TEXT;
    st = add(m, (struct value){.kind = (uint8_t)kind, .len = size, .data = (const char *)bytes},
             is_flagged, id);
    if (st == STATUS_OK && code == 't')
        st = push_id(m, &m->interned, *id);
    return st;
}

static enum status read_int(struct marshal *m, bool is_wide, bool is_flagged, uint32_t *id)
{
    int32_t low = 0;
    int32_t high = 0;
    enum status st = take_i32(m, &low);
    if (st == STATUS_OK && is_wide)
        st = take_i32(m, &high);
    if (st != STATUS_OK)
        return st;
    int64_t value = is_wide ? (int64_t)((uint64_t)(uint32_t)high << 32 | (uint32_t)low) : low;
    return add(m, (struct value){.kind = VALUE_INT, .integer = value}, is_flagged, id);
}

/* Digits of 15 bits, lowest first; the sign is the count's. */
static enum status read_long(struct marshal *m, bool is_flagged, uint32_t *id)
{
    size_t at = m->at;
    int32_t count = 0;
    enum status st = take_i32(m, &count);
    if (st != STATUS_OK)
        return st;
    uint64_t digits = count < 0 ? 0 - (uint64_t)(int64_t)count : (uint64_t)count;
    if (digits > (m->len - m->at) / 2)
        return broken(m, at, "a number longer than the file");
    const uint8_t *b = NULL;
    st = take(m, digits * 2, &b);
    if (st != STATUS_OK)
        return st;
    double number = 0;
    uint64_t exact = 0;
    bool fits = true;
    for (size_t i = digits; i-- > 0;) {
        unsigned digit = (unsigned)b[2 * i] | (unsigned)b[2 * i + 1] << 8;
        if (digit > 0x7fff)
            return broken(m, at, "a digit over 15 bits in a long number");
        fits = fits && exact >> 48 == 0;
        exact = exact << 15 | digit;
        number = number * 32768 + digit;
    }
    if (fits && exact <= INT64_MAX)
        return add(m,
                   (struct value){.kind = VALUE_INT,
                                  .integer = count < 0 ? -(int64_t)exact : (int64_t)exact},
                   is_flagged, id);
    return add(m, (struct value){.kind = VALUE_BIG, .number = count < 0 ? -number : number},
               is_flagged, id);
}

static enum status read_float(struct marshal *m, bool is_flagged, uint32_t *id)
{
    const uint8_t *b = NULL;
    enum status st = take(m, 8, &b);
    if (st != STATUS_OK)
        return st;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits |= (uint64_t)b[i] << (8 * i);
    struct value value = {.kind = VALUE_FLOAT};
    memcpy(&value.number, &bits, sizeof(bits));
    return add(m, value, is_flagged, id);
}

/* Versions 0 and 1 write repr(). */
static enum status read_text_float(struct marshal *m, bool is_flagged, uint32_t *id)
{
    size_t at = m->at;
    uint8_t size = 0;
    const uint8_t *b = NULL;
    enum status st = take_u8(m, &size);
    if (st == STATUS_OK)
        st = take(m, size, &b);
    if (st != STATUS_OK)
        return st;
    struct value value = {.kind = VALUE_FLOAT};
    if (!text_f64((struct text){(const char *)b, size}, &value.number))
        return broken(m, at, "a float in text form that is no finite number");
    return add(m, value, is_flagged, id);
}

static enum status read_value(struct marshal *m, int depth, uint32_t *id);

static enum status read_item(struct marshal *m, int depth, uint32_t *id)
{
    size_t at = m->at;
    enum status st = read_value(m, depth, id);
    if (st == STATUS_OK && *id == NULL_VALUE)
        return broken(m, at, "an end mark where a value should be");
    return st;
}

static enum status append(struct marshal *m, uint32_t to, uint32_t item)
{
    return limits(m, values_append(m->values, to, item));
}

static enum status read_items(struct marshal *m, uint8_t code, bool is_flagged, int depth,
                              uint32_t *id)
{
    uint32_t size = 0;
    enum status st;
    if (code == ')') {
        uint8_t small = 0;
        st = take_u8(m, &small);
        size = small;
    } else {
        st = take_size(m, &size);
    }
    if (st != STATUS_OK)
        return st;
    if (size == 0 && code != '[')
        return add_fixed(m, VALUES_EMPTY_TUPLE, is_flagged, id);
    enum value_kind kind = code == '[' ? VALUE_LIST : VALUE_TUPLE;
    uint32_t made = 0;
    st = add(m, (struct value){.kind = (uint8_t)kind}, is_flagged, &made);
    uint32_t few[FEW];
    for (uint32_t i = 0; st == STATUS_OK && i < size; i++) {
        uint32_t item = 0;
        st = read_item(m, depth + 1, &item);
        if (st == STATUS_OK && size <= FEW)
            few[i] = item;
        else if (st == STATUS_OK)
            st = append(m, made, item);
    }
    if (st == STATUS_OK && size <= FEW)
        st = limits(m, values_fill(m->values, made, few, size));
    *id = made;
    return st;
}

static enum status read_dict(struct marshal *m, bool is_flagged, int depth, uint32_t *id)
{
    uint32_t made = 0;
    enum status st = add(m, (struct value){.kind = VALUE_DICT}, is_flagged, &made);
    while (st == STATUS_OK) {
        uint32_t key = NULL_VALUE;
        uint32_t item;
        st = read_value(m, depth + 1, &key);
        if (st != STATUS_OK || key == NULL_VALUE)
            break;
        st = read_item(m, depth + 1, &item);
        if (st == STATUS_OK)
            st = append(m, made, key);
        if (st == STATUS_OK)
            st = append(m, made, item);
    }
    *id = made;
    return st;
}

static enum status read_ref(struct marshal *m, const struct ids *ids, uint32_t *id)
{
    size_t at = m->at;
    int32_t index = 0;
    enum status st = take_i32(m, &index);
    if (st != STATUS_OK)
        return st;
    if (index < 0 || (size_t)index >= ids->len)
        return broken(m, at, "a reference to a value that is not there");
    *id = ids->id[index];
    return STATUS_OK;
}

static enum status refuse(const struct marshal *m, uint8_t code, size_t at)
{
    static const struct {
        char code;
        const char *name;
    } known[] = {
        {'c', "a code object"},
        {'<', "a set"},
        {'>', "a frozenset"},
        {'x', "a complex number"},
        {'y', "a complex number"},
        {'.', "an Ellipsis"},
        {'S', "a StopIteration object"},
        {':', "a slice"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if ((uint8_t)known[i].code == code)
            return error_set(m->err, STATUS_INVALID,
                             "byte %zu: %s, which no profile holds and which is never built here",
                             at, known[i].name);
    }
    return error_set(m->err, STATUS_INVALID, "byte %zu: no value begins with 0x%02x", at, code);
}

static enum status read_value(struct marshal *m, int depth, uint32_t *id)
{
    size_t at = m->at;
    if (depth > MAX_DEPTH)
        return error_set(m->err, STATUS_INVALID, "byte %zu: values nested deeper than %d", at,
                         MAX_DEPTH);
    uint8_t type = 0;
    enum status st = take_u8(m, &type);
    if (st != STATUS_OK)
        return st;
    bool is_flagged = type & FLAG_REF;
    uint8_t code = type & 0x7f;
    switch (code) {
    case '0':
        *id = NULL_VALUE;
        return STATUS_OK;
    case 'N':
        return add_fixed(m, VALUES_NONE, is_flagged, id);
    case 'F':
        return add_fixed(m, VALUES_FALSE, is_flagged, id);
    case 'T':
        return add_fixed(m, VALUES_TRUE, is_flagged, id);
    case 'i':
    case 'I':
        return read_int(m, code == 'I', is_flagged, id);
    case 'l':
        return read_long(m, is_flagged, id);
    case 'g':
        return read_float(m, is_flagged, id);
    case 'f':
        return read_text_float(m, is_flagged, id);
    case 's':
    case 't':
    case 'u':
    case 'a':
    case 'A':
    case 'z':
    case 'Z':
        return read_text(m, code, is_flagged, id);
    case '(':
    case ')':
    case '[':
        return read_items(m, code, is_flagged, depth, id);
    case '{':
        return read_dict(m, is_flagged, depth, id);
    case 'r':
        return read_ref(m, &m->refs, id);
    case 'R':
        return read_ref(m, &m->interned, id);
    default:
        return refuse(m, code, at);
    }
}

enum status marshal_read(struct values *v, const uint8_t *data, size_t len, uint32_t *root,
                         size_t *used, struct error *err)
{
    struct marshal m = {.values = v, .data = data, .len = len, .err = err};
    uint32_t id = 0;
    enum status st = read_item(&m, 0, &id);
    free(m.refs.id);
    free(m.interned.id);
    if (st != STATUS_OK)
        return st;
    *root = id;
    *used = m.at;
    return STATUS_OK;
}
