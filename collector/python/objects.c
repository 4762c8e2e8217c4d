#include "collector/python/objects.h"

#include <string.h>

#include "collector/python/text.h"
#include "common/base/buf.h"

enum {
    ENTRIES_MAX = 65536,
    SET_MAX = 1 << 20,
    INSTANCE_DICT = 16, /* where a class without slots puts it, up to 3.10 */
    DIGIT_BITS = 30,    /* of a PyLong */
    TYPE_NAME_STEP = 16,
};

static bool read_word(const struct memory_reader *reader, uint64_t address, uint64_t *out)
{
    return memory_read_u64(reader, address, out);
}

static bool open_keys(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t keys, struct python_dict *out)
{
    uint64_t len;
    uint64_t index_bytes;
    struct python_dict d = {.stride = 24, .key_at = 8, .value_at = 16};
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

bool python_dict_open(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t address, struct python_dict *out)
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

bool python_dict_entry(const struct memory_reader *reader, const struct python_dict *d,
                       uint64_t index, uint64_t *key, uint64_t *value)
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

bool python_dict_find(const struct python_layout *layout, const struct memory_reader *reader,
                      const struct python_dict *d, const char *name, uint64_t *out)
{
    for (uint64_t i = 0; i < d->len; i++) {
        uint64_t key;
        uint64_t value;
        if (!python_dict_entry(reader, d, i, &key, &value))
            return false;
        if (key != 0 && value != 0 && is_text(layout, reader, key, name)) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* PySetObject: fill, used, mask, table; an entry is a key and its hash, -1 where one was taken out
 * (Include/cpython/setobject.h, Objects/setobject.c @ v3.8.18 to v3.14.0). */
bool python_set_open(const struct python_layout *layout, const struct memory_reader *reader,
                     uint64_t address, struct python_set *out)
{
    enum { FILL = 8, MASK = FILL + 16, TABLE = FILL + 24 };
    uint64_t begin = address + layout->object_type;
    uint64_t mask;
    if (!read_word(reader, begin + MASK, &mask) || mask >= SET_MAX ||
        !read_word(reader, begin + TABLE, &out->entries))
        return false;
    out->len = mask + 1;
    return true;
}

bool python_set_entry(const struct memory_reader *reader, const struct python_set *s,
                      uint64_t index, uint64_t *member)
{
    uint64_t entry[2];
    if (!memory_read(reader, s->entries + index * sizeof(entry), entry, sizeof(entry)))
        return false;
    *member = entry[1] == UINT64_MAX ? 0 : entry[0];
    return true;
}

/* The values of an instance whose names are its class's cached keys. */
static bool find_value(const struct python_layout *layout, const struct memory_reader *reader,
                       uint64_t object, uint64_t values, const char *name, uint64_t *out)
{
    uint64_t type;
    uint64_t keys;
    struct python_dict d;
    if (!read_word(reader, object + layout->object_type, &type) ||
        !read_word(reader, type + layout->type_cached_keys, &keys) || keys == 0 ||
        !open_keys(layout, reader, keys, &d))
        return false;
    d.values = values + layout->values_first;
    return python_dict_find(layout, reader, &d, name, out);
}

bool python_attribute(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t object, const char *name, uint64_t *out)
{
    struct python_dict d;
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
        return python_dict_open(layout, reader, dict, &d) &&
               python_dict_find(layout, reader, &d, name, out);
    return values != 0 && find_value(layout, reader, object, values, name, out);
}

bool python_module_dict(const struct python_layout *layout, const struct memory_reader *reader,
                        uint64_t interp, const char *module, struct python_dict *out)
{
    /* PyModuleObject.md_dict comes first: Include/internal/pycore_moduleobject.h */
    uint64_t dict_at = layout->object_type + sizeof(uint64_t);
    uint64_t modules;
    uint64_t found;
    uint64_t dict;
    struct python_dict d;
    return read_word(reader, interp + layout->interp_modules, &modules) &&
           python_dict_open(layout, reader, modules, &d) &&
           python_dict_find(layout, reader, &d, module, &found) &&
           read_word(reader, found + dict_at, &dict) && python_dict_open(layout, reader, dict, out);
}

bool python_int(const struct python_layout *layout, const struct memory_reader *reader,
                uint64_t address, uint64_t *out)
{
    uint64_t size;
    uint32_t digit[3] = {0};
    if (!read_word(reader, address + layout->var_size, &size))
        return false;
    if (layout->has_long_tag)
        size >>= 3;
    if (size > 3 || /* negative ones too, up to 3.11 */
        (size > 0 &&
         !memory_read(reader, address + layout->long_digit, digit, size * sizeof(digit[0]))))
        return false;
    *out = digit[0] | (uint64_t)digit[1] << DIGIT_BITS | (uint64_t)digit[2] << 2 * DIGIT_BITS;
    return true;
}

bool python_type_name(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t object, char *out, size_t size)
{
    uint64_t type;
    uint64_t name;
    if (size == 0 || !read_word(reader, object + layout->object_type, &type) ||
        !read_word(reader, type + layout->type_name, &name))
        return false;
    for (size_t at = 0; at < size - 1;) {
        size_t step = size - 1 - at < TYPE_NAME_STEP ? size - 1 - at : TYPE_NAME_STEP;
        if (!memory_read(reader, name + at, out + at, step)) {
            /* The end of what is mapped may be near. */
            step = 1;
            if (!memory_read(reader, name + at, out + at, step))
                return false;
        }
        if (memchr(out + at, 0, step))
            return true;
        at += step;
    }
    out[size - 1] = '\0';
    return true;
}
