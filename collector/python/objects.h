#pragma once
/* The few kinds of Python objects that are looked into from outside: dicts, attributes, ints. What
 * is read may be torn; every length is bounded and nothing is believed that the caller cannot
 * check. */

#include <stdbool.h>
#include <stdint.h>

#include "collector/python/layout.h"
#include "collector/python/memory_reader.h"

/* A dict opened for reading. Include/internal/pycore_dict.h; up to 3.10 Objects/dict-common.h. */
struct python_dict {
    uint64_t entries;
    uint64_t values; /* of a split dict; 0 = they are in the entries */
    uint64_t len;    /* of the entries, deleted ones (key and value NULL) included */
    uint32_t stride, key_at, value_at;
};

bool python_dict_open(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t address, struct python_dict *out);
bool python_dict_entry(const struct memory_reader *reader, const struct python_dict *d,
                       uint64_t index, uint64_t *key, uint64_t *value);

/* The value of the key that is the str `name`. */
bool python_dict_find(const struct python_layout *layout, const struct memory_reader *reader,
                      const struct python_dict *d, const char *name, uint64_t *out);

/* A set opened for reading: `len` places, some of which are empty. */
struct python_set {
    uint64_t entries, len;
};
bool python_set_open(const struct python_layout *layout, const struct memory_reader *reader,
                     uint64_t address, struct python_set *out);
/* The member at this place; 0 = none. */
bool python_set_entry(const struct memory_reader *reader, const struct python_set *s,
                      uint64_t index, uint64_t *member);

/* An attribute of a plain instance. */
bool python_attribute(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t object, const char *name, uint64_t *out);

/* The dict of a module in sys.modules. */
bool python_module_dict(const struct python_layout *layout, const struct memory_reader *reader,
                        uint64_t interp, const char *module, struct python_dict *out);

/* The absolute value of an int below 2**64 (its low bits otherwise: false then). */
bool python_int(const struct python_layout *layout, const struct memory_reader *reader,
                uint64_t address, uint64_t *out);

/* The name of the object's type, e.g. "int"; ends with '\0', cut to `size`. */
bool python_type_name(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t object, char *out, size_t size);
