#include "collector/python/names.h"

#include <string.h>

#include "collector/python/text.h"

enum {
    ENTRIES_MAX = 65536,
    MODULE_DICT = 16,   /* PyModuleObject.md_dict: Include/internal/pycore_moduleobject.h */
    INSTANCE_DICT = 16, /* where a class without slots puts it, up to 3.10 */
    DIGIT_BITS = 30,    /* of a PyLong */
};

/* A dict opened for reading. Include/internal/pycore_dict.h; up to 3.10 Objects/dict-common.h. */
struct dict {
    uint64_t entries;
    uint64_t values; /* of a split dict; 0 = they are in the entries */
    uint64_t len;
    uint32_t stride, key_at, value_at;
};

static bool read_word(const struct memory_reader *reader, uint64_t address, uint64_t *out)
{
    return memory_read_u64(reader, address, out);
}

static bool open_keys(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t keys, struct dict *out)
{
    uint64_t len;
    uint64_t index_bytes;
    struct dict d = {.stride = 24, .key_at = 8, .value_at = 16};
    if (layout->has_small_dict_keys) {
        uint8_t head[4]; /* log2 of the size, log2 of the index's bytes, kind */
        enum { AT = 8, ENTRIES_LEN = 24, INDICES = 32 };
        if (!memory_read(reader, keys + AT, head, sizeof(head)) || head[1] > 40 ||
            !read_word(reader, keys + ENTRIES_LEN, &len))
            return false;
        index_bytes = (uint64_t)1 << head[1];
        d.entries = keys + INDICES + index_bytes;
        if (head[2] != 0) { /* all keys are str: no hash beside them */
            d.stride = 16;
            d.key_at = 0;
            d.value_at = 8;
        }
    } else {
        uint64_t size;
        enum { SIZE = 8, ENTRIES_LEN = 32, INDICES = 40 };
        if (!read_word(reader, keys + SIZE, &size) || size > UINT32_MAX ||
            !read_word(reader, keys + ENTRIES_LEN, &len))
            return false;
        index_bytes = size * (size <= 0xff ? 1 : size <= 0xffff ? 2 : 4);
        d.entries = keys + INDICES + index_bytes;
    }
    d.len = len;
    *out = d;
    return len <= ENTRIES_MAX;
}

static bool open_dict(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t address, struct dict *out)
{
    uint64_t keys;
    uint64_t values;
    if (address == 0 || !read_word(reader, address + layout->dict_keys, &keys) ||
        !read_word(reader, address + layout->dict_values, &values) ||
        !open_keys(layout, reader, keys, out))
        return false;
    if (values != 0)
        out->values = values + layout->values_first;
    return true;
}

static bool entry(const struct memory_reader *reader, const struct dict *d, uint64_t index,
                  uint64_t *key, uint64_t *value)
{
    uint64_t at = d->entries + index * d->stride;
    return read_word(reader, at + d->key_at, key) &&
           read_word(reader, d->values ? d->values + 8 * index : at + d->value_at, value);
}

static bool is_text(const struct python_layout *layout, const struct memory_reader *reader,
                    uint64_t address, const char *text)
{
    struct buf found;
    buf_init(&found, 0);
    bool is_same = python_text(layout, reader, address, &found) && found.len == strlen(text) &&
                   memcmp(found.data, text, found.len) == 0;
    buf_deinit(&found);
    return is_same;
}

static bool find_key(const struct python_layout *layout, const struct memory_reader *reader,
                     const struct dict *d, const char *name, uint64_t *out)
{
    for (uint64_t i = 0; i < d->len; i++) {
        uint64_t key;
        uint64_t value;
        if (!entry(reader, d, i, &key, &value))
            return false;
        if (key != 0 && value != 0 && is_text(layout, reader, key, name)) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* The values of an instance whose names are its class's cached keys. */
static bool find_value(const struct python_layout *layout, const struct memory_reader *reader,
                       uint64_t object, uint64_t values, const char *name, uint64_t *out)
{
    uint64_t type;
    uint64_t keys;
    struct dict d;
    if (!read_word(reader, object + layout->object_type, &type) ||
        !read_word(reader, type + layout->type_cached_keys, &keys) || keys == 0 ||
        !open_keys(layout, reader, keys, &d))
        return false;
    d.values = values + layout->values_first;
    return find_key(layout, reader, &d, name, out);
}

static bool find_attribute(const struct python_layout *layout, const struct memory_reader *reader,
                           uint64_t object, const char *name, uint64_t *out)
{
    struct dict d;
    uint64_t dict = 0;
    uint64_t values = 0;
    switch (layout->attributes) {
    case PYTHON_ATTRIBUTES_DICT:
        if (!read_word(reader, object + INSTANCE_DICT, &dict))
            return false;
        break;
    case PYTHON_ATTRIBUTES_BEFORE:
        if (!read_word(reader, object - 24, &dict) || !read_word(reader, object - 32, &values))
            return false;
        break;
    case PYTHON_ATTRIBUTES_TAGGED:
        if (!read_word(reader, object - 24, &dict))
            return false;
        if (dict & 1) {
            values = dict + 1;
            dict = 0;
        }
        break;
    case PYTHON_ATTRIBUTES_INLINE:
        if (!read_word(reader, object - 24, &dict))
            return false;
        values = object + 16;
        break;
    case PYTHON_ATTRIBUTES_OTHER:
        return false;
    }
    if (dict != 0)
        return open_dict(layout, reader, dict, &d) && find_key(layout, reader, &d, name, out);
    return values != 0 && find_value(layout, reader, object, values, name, out);
}

bool python_active_threads(const struct python_layout *layout, const struct memory_reader *reader,
                           uint64_t interp, uint64_t *active)
{
    uint64_t modules;
    uint64_t threading;
    uint64_t globals;
    struct dict d;
    return layout->attributes != PYTHON_ATTRIBUTES_OTHER &&
           read_word(reader, interp + layout->interp_modules, &modules) &&
           open_dict(layout, reader, modules, &d) &&
           find_key(layout, reader, &d, "threading", &threading) &&
           read_word(reader, threading + MODULE_DICT, &globals) &&
           open_dict(layout, reader, globals, &d) &&
           find_key(layout, reader, &d, "_active", active);
}

/* Idents have at most three digits of 30 bits. */
static bool read_int(const struct python_layout *layout, const struct memory_reader *reader,
                     uint64_t address, uint64_t *out)
{
    uint64_t size;
    uint32_t digit[3] = {0};
    if (!read_word(reader, address + layout->var_size, &size))
        return false;
    if (layout->has_long_tag)
        size >>= 3;
    if (size == 0 || size > 3 ||
        !memory_read(reader, address + layout->long_digit, digit, size * sizeof(digit[0])))
        return false;
    *out = digit[0] | (uint64_t)digit[1] << DIGIT_BITS | (uint64_t)digit[2] << 2 * DIGIT_BITS;
    return true;
}

bool python_thread_name(const struct python_layout *layout, const struct memory_reader *reader,
                        uint64_t active, uint64_t ident, struct buf *out)
{
    struct dict d;
    if (!open_dict(layout, reader, active, &d))
        return false;
    for (uint64_t i = 0; i < d.len; i++) {
        uint64_t key;
        uint64_t thread;
        uint64_t found;
        uint64_t name;
        if (!entry(reader, &d, i, &key, &thread))
            return false;
        if (key != 0 && thread != 0 && read_int(layout, reader, key, &found) && found == ident)
            return find_attribute(layout, reader, thread, "_name", &name) &&
                   python_text(layout, reader, name, out);
    }
    return false;
}
