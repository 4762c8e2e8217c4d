#pragma once
/* Reading protobuf messages of others: field by field, unknown ones passed over, every length
 * checked. Failure is sticky, as in json_in. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct pb_in {
    const uint8_t *start; /* of the whole file, for positions */
    const uint8_t *at, *end;
    struct error *err;
    enum status failed;
};

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb_field {
    uint32_t number;
    enum pb_wire wire;
    uint64_t value;      /* of PB_VARINT and the fixed ones */
    const uint8_t *data; /* of PB_BYTES */
    size_t len;
};

void pb_in_init(struct pb_in *pb, const uint8_t *data, size_t len, struct error *err);

/* The message inside a field; its failure is its own. */
void pb_in_inside(struct pb_in *inner, const struct pb_in *outer, const struct pb_field *f);

/* False at the end and after a failure. */
bool pb_in_next(struct pb_in *pb, struct pb_field *f);

/* A varint at `at` of a packed field. */
bool pb_in_varint(struct pb_in *pb, uint64_t *value);

void pb_in_fail(struct pb_in *pb, enum status status, const char *what);
