#pragma once
/* Inside of the reader of OpenTelemetry's profiles: otlp.c reads the request and its samples,
 * otlp_stacks.c the stacks of the dictionary, when a sample needs them. */

#include "backend/formats/builder.h"
#include "backend/formats/pb_in.h"

/* The dictionary's tables as they lie in the message. */
enum otlp_table {
    OTLP_MAPPINGS,
    OTLP_LOCATIONS,
    OTLP_FUNCTIONS,
    OTLP_STRINGS,
    OTLP_ATTRIBUTES,
    OTLP_STACKS,
    OTLP_TABLES
};

struct otlp_rows {
    struct pb_field *items;
    size_t len, cap;
};

struct otlp_reader {
    struct pb_in top;
    struct otlp_rows tables[OTLP_TABLES];
    uint64_t *numbers; /* of the list being read */
    size_t numbers_len, numbers_cap;
    uint64_t *times;
    size_t times_len, times_cap;
    /* Of the resource in hand. */
    struct builder build;
    uint32_t *function_of, *stack_of; /* dictionary row -> ours + 1; 0 = not made yet */
    uint64_t begin_unix_ns;
    size_t stacks_left; /* nodes that stacks may still take */
};

/* The first failure stays; a nested message's, or the profile's, becomes the request's. */
bool otlp_fail(struct otlp_reader *r, enum status status, const char *what);
bool otlp_is_well(struct otlp_reader *r, const struct pb_in *inner);

/* Of the dictionary; empty, and a failure, beyond the table. */
struct text otlp_string_at(struct otlp_reader *r, uint64_t index);
uint64_t otlp_number_of(struct otlp_reader *r, enum otlp_table table, uint64_t row,
                        uint32_t number);

/* A list of numbers, packed or one of many. */
bool otlp_read_numbers(struct otlp_reader *r, const struct pb_in *in, const struct pb_field *f,
                       uint64_t **list, size_t *len, size_t *cap);

/* The dictionary's stack as one of the profile in hand. */
uint32_t otlp_stack_of(struct otlp_reader *r, uint64_t row);
