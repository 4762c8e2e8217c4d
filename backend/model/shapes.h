#pragma once
/* What a profile can hold beside its tables; each of these is plain data in columns.
 * A profile has any number of sample sets ("stacks"), series, spans, at most one call graph
 * ("call-graph"), line hits ("lines") and benchmarks. They stay what they are: a view that must
 * estimate one from another says so. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/wire.h"

struct model_value_type {
    uint32_t name, unit; /* strings */
};

/* Samples in order of time. A NULL column is 0 in every row; values[i].value NULL means constant.
 */
struct sample_set {
    uint32_t name; /* string */
    size_t values_len;
    struct model_value_type types[WIRE_MAX_VALUES];
    uint64_t period;
    bool has_time;
    size_t len, cap;
    uint64_t *time_ns;
    uint32_t *thread, *stack, *label_set;
    uint8_t *state; /* enum wire_sample_state bits */
    struct {
        int64_t constant;
        int64_t *value;
    } values[WIRE_MAX_VALUES];
};

struct series {
    uint32_t name, unit; /* strings */
    bool has_process;
    uint32_t process;
    size_t len, cap;
    uint64_t *time_ns;
    double *value;
};

struct model_span {
    uint32_t name; /* string */
    uint64_t begin_ns, end_ns;
    uint32_t process, thread, level;
    double begin_value, end_value;
};

struct model_notice {
    uint32_t severity, code, text; /* code, text: strings */
    uint64_t time_ns;
};

struct model_counter {
    uint32_t name; /* string */
    uint64_t value;
};

struct call_row {
    uint32_t function;
    uint64_t calls, primitive_calls;
    double self, total;
};

struct call_edge {
    uint32_t caller, callee; /* rows */
    uint64_t calls, primitive_calls;
    double self, total;
};

struct call_graph {
    uint32_t unit; /* string: "s", or an event's name */
    struct call_row *rows;
    struct call_edge *edges;
    size_t rows_len, rows_cap, edges_len, edges_cap;
};

/* One line of one function. Not-known columns are NaN, not 0. */
struct line_row {
    uint32_t function, line;
    uint64_t hits;
    double time_s, memory_bytes, increment_bytes;
};

struct model_source {
    uint32_t file, text; /* strings */
};

struct model_benchmark {
    uint32_t name, group; /* strings */
    double mean_s, median_s, stddev_s, min_s, max_s;
    uint64_t rounds, iterations;
    double *data_s;
    size_t data_len;
};
