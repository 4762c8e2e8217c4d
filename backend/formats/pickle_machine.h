#pragma once
/* Inside of the pickle reader: the machine that its opcodes work on. An operation gets the number
 * that stands in the opcode's row; the files are by what is pushed: pickle_scalars.c,
 * pickle_containers.c, pickle_classes.c. */

#include "backend/formats/pickle.h"
#include "backend/formats/text.h"

struct ids {
    uint32_t *id;
    size_t len, cap;
};

struct pickle {
    struct values *values;
    const uint8_t *data;
    size_t len, at, op_at;
    struct ids stack, memo;
    size_t *marks;
    size_t marks_len, marks_cap;
    const struct pickle_class *classes;
    bool is_done;
    struct error *err;
};

/* One line of why not, at the present opcode; the limits' own words for a status of values_*. */
enum status pickle_bad(const struct pickle *p, const char *what);
enum status pickle_failed(const struct pickle *p, enum status st);

/* Bytes behind the opcode: so many, a little-endian number, up to the end of the line. */
enum status pickle_take(struct pickle *p, uint64_t len, struct text *bytes);
enum status pickle_take_number(struct pickle *p, size_t bytes, uint64_t *number);
enum status pickle_take_line(struct pickle *p, struct text *line);

/* The stack. Values below the last mark belong to what is being built there. */
enum status pickle_push(struct pickle *p, uint32_t id);
enum status pickle_push_new(struct pickle *p, struct value value);
size_t pickle_floor_of(const struct pickle *p);
enum status pickle_pop(struct pickle *p, uint32_t *id);
enum status pickle_top(struct pickle *p, uint32_t *id);
enum status pickle_pop_mark(struct pickle *p, size_t *from);

/* Numbers and text. */
enum status pickle_op_fixed(struct pickle *p, uint64_t arg);
enum status pickle_op_skip(struct pickle *p, uint64_t arg);
enum status pickle_op_proto(struct pickle *p, uint64_t arg);
enum status pickle_op_text(struct pickle *p, uint64_t arg);
enum status pickle_op_bytes(struct pickle *p, uint64_t arg);
enum status pickle_op_uint(struct pickle *p, uint64_t arg);
enum status pickle_op_int32(struct pickle *p, uint64_t arg);
enum status pickle_op_long(struct pickle *p, uint64_t arg);
enum status pickle_op_float(struct pickle *p, uint64_t arg);
enum status pickle_op_int_text(struct pickle *p, uint64_t arg);
enum status pickle_op_float_text(struct pickle *p, uint64_t arg);
enum status pickle_op_escaped(struct pickle *p, uint64_t is_unicode);

/* Tuples, lists and dicts; the memo. */
enum status pickle_op_empty(struct pickle *p, uint64_t kind);
enum status pickle_op_mark(struct pickle *p, uint64_t arg);
enum status pickle_op_collect(struct pickle *p, uint64_t kind);
enum status pickle_op_tuple_of(struct pickle *p, uint64_t len);
enum status pickle_op_add_one(struct pickle *p, uint64_t kind);
enum status pickle_op_add_all(struct pickle *p, uint64_t kind);
enum status pickle_op_memoize(struct pickle *p, uint64_t arg);
enum status pickle_op_put(struct pickle *p, uint64_t bytes);
enum status pickle_op_get(struct pickle *p, uint64_t bytes);

/* Classes and instances: named, never imported or called. */
enum status pickle_op_global(struct pickle *p, uint64_t arg);
enum status pickle_op_stack_global(struct pickle *p, uint64_t arg);
enum status pickle_op_newobj(struct pickle *p, uint64_t arg);
enum status pickle_op_reduce(struct pickle *p, uint64_t arg);
enum status pickle_op_build(struct pickle *p, uint64_t arg);
