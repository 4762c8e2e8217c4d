#pragma once
/* Python's pickle format as far as plain data and a few named classes go. Nothing is imported,
 * called or built: an instance of an allowed class is a VALUE_OBJECT that holds what the file gave
 * to it. Any other class and every opcode that no profile needs is refused by name.
 * Source of the opcodes: CPython Lib/pickletools.py (v3.13.0). */

#include "backend/formats/values.h"

/* A class as the file names it, "module name" with one blank, and the reader's number for it. */
struct pickle_class {
    const char *name;
    int id;
};

/* Items of a VALUE_OBJECT. */
enum { PICKLE_CLASS, PICKLE_LIST, PICKLE_DICT, PICKLE_STATE };

/* `classes` ends with a NULL name. Text points into `data` or the arena. */
enum status pickle_read(struct values *v, const uint8_t *data, size_t len,
                        const struct pickle_class *classes, uint32_t *root, struct error *err);

/* The reader's number of an object's class, -1 for anything else. */
int pickle_class_of(const struct values *v, const struct value *object);

/* The value under a text (or integer) key of a dict, NULL when it is not there. The last one
 * counts, as in Python. */
const struct value *pickle_find(const struct values *v, const struct value *dict, const char *key);
const struct value *pickle_find_int(const struct values *v, const struct value *dict, int64_t key);

/* The state dict an object was built with, NULL when none. */
const struct value *pickle_state(const struct values *v, const struct value *object);

/* 2 to 5 for a file that begins like a pickle of any protocol with one of these classes near its
 * head; a score for detection. */
int pickle_detect(const uint8_t *head, size_t len, const struct pickle_class *classes);
