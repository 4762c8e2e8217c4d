#pragma once
/* heliograph.proto as tables: which field of which message lives where in the structs of wire.h.
 * encode.c and decode.c walk them; what a row cannot say (times as differences, value columns)
 * has a kind of its own. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/wire.h"

enum field_kind {
    FIELD_U32,
    FIELD_U64,
    FIELD_I32,
    FIELD_BOOL,
    FIELD_DOUBLE,
    FIELD_BYTES,
    FIELD_MESSAGE,
    FIELD_FIRST_TIME,    /* the first of the time column, which `offset` points to */
    FIELD_TIME_DELTAS,   /* u64 column as zigzag differences */
    FIELD_POINT_DELTAS,  /* double column as zigzag differences of whole numbers */
    FIELD_POINT_VALUES,  /* the same column as doubles */
    FIELD_VALUE_COLUMNS, /* wire_samples.values */
};

enum field_shape {
    FIELD_ONE,
    FIELD_OPTIONAL, /* with a bool at has_offset */
    FIELD_POINTER,  /* one message behind a pointer, NULL = absent */
    FIELD_COLUMN,   /* an array of its own; NULL = absent */
    FIELD_ROWS,     /* one member of an array of structs */
    FIELD_LIST,     /* an array of bytes or messages */
    FIELD_INLINE,   /* an array of messages inside the struct */
};

struct field {
    const char *name;
    uint32_t number;
    enum field_kind kind;
    enum field_shape shape;
    bool is_required;   /* a column that says how many rows there are */
    size_t offset;      /* of the value, or of the pointer to the first */
    size_t len_offset;  /* of the number of items; has_offset of an optional field */
    size_t item_offset; /* FIELD_ROWS: where in an item */
    size_t item_size;   /* FIELD_ROWS and FIELD_LIST */
    size_t max;         /* items of a list */
    const struct message *message;
};

struct message {
    const char *name;
    size_t size;
    const struct field *fields; /* by rising number */
    size_t fields_len;
};

enum { FIELDS_MAX = 40 }; /* of one message */

extern const struct message message_hello;
extern const struct message message_batch;
extern const struct message message_bye;
extern const struct message message_welcome;
extern const struct message message_refused;
extern const struct message message_control;

/* Encoding and decoding of a batch's outer form is in pack.c. */
enum status pack_batch(struct buf *out, const struct buf *raw);
enum status unpack_batch(const struct wire_bytes *packed, uint64_t raw_size, struct arena *arena,
                         const uint8_t **raw, struct error *err);
