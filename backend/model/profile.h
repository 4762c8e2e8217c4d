#pragma once
/* One profile in memory: the tables and the shapes. The same thing whether it comes live from a
 * collector (apply.h), from a saved file (backend/formats) or from the store. Not locked: whoever
 * shares one between threads guards it (backend/store/library.h). */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/shapes.h"
#include "backend/model/tables.h"
#include "common/base/status.h"

struct profile {
    struct tables tables;

    uint32_t name, format, producer, host, runtime, mode; /* strings */
    uint32_t *argv;                                       /* strings */
    struct model_label *tags;                             /* unit unused */
    size_t argv_len, argv_cap, tags_len, tags_cap;
    uint64_t pid;
    uint64_t start_unix_ns; /* 0 = unknown */
    uint64_t duration_ns;   /* end of the latest thing seen */
    double rate_hz;

    struct sample_set *sets;
    struct series *series;
    struct model_span *spans;
    struct model_notice *notices; /* a reader's warnings are notices of severity 1 */
    struct model_counter *counters;
    struct call_graph call_graph; /* rows_len 0 = none */
    struct line_row *lines;
    struct model_source *sources;
    struct model_benchmark *benchmarks;
    size_t sets_len, series_len, spans_len, notices_len, counters_len;
    size_t lines_len, sources_len, benchmarks_len;
    size_t sets_cap, series_cap, spans_cap, notices_cap, counters_cap;
    size_t lines_cap, sources_cap, benchmarks_cap;
    uint32_t *wire_strings; /* which string the stream's number n is (apply.h); row 0 is "" */
    size_t wire_strings_len, wire_strings_cap;
    struct map open_spans; /* spans without an end by content, for the row that closes them */
};

enum {
    PROFILE_MAX_SETS = 1 << 12,
    PROFILE_MAX_SERIES = 1 << 16,
    PROFILE_MAX_NOTICES = 1000, /* later ones are counted as "notices_dropped" */
    PROFILE_MAX_COUNTERS = 1000,
    PROFILE_MAX_ROUNDS = 1 << 20, /* of one benchmark */
};

#define PROFILE_NOTICES_DROPPED "notices_dropped" /* a counter: notices beyond the limit */

/* The first sample set and value type are the default. */

enum status profile_new(struct profile **out);
void profile_free(struct profile *p); /* takes NULL */

/* ---- for importers: STATUS_NO_MEMORY, STATUS_TOO_LARGE at a limit, STATUS_INVALID for an index
 * that does not exist (thread and process 0 always do) or a time over INT64_MAX ---- */
enum status profile_add_set(struct profile *p, const char *name, uint64_t period, uint32_t *set);
enum status profile_add_value_type(struct profile *p, uint32_t set, const char *name,
                                   const char *unit, uint32_t *value);

/* One sample; `values` has as many items as the set has types. time_ns UINT64_MAX = no time (in a
 * set with times: the time of the sample before). Value types are added before the first sample. */
struct profile_sample {
    uint64_t time_ns;
    uint32_t thread, stack, label_set, state;
    const int64_t *values;
};
enum status profile_add_sample(struct profile *p, uint32_t set,
                               const struct profile_sample *sample);

enum status profile_add_series(struct profile *p, const char *name, const char *unit,
                               const uint32_t *process, uint32_t *series);
enum status profile_add_point(struct profile *p, uint32_t series, uint64_t time_ns, double value);
/* A span with an end replaces the open one of the same name, begin, process and thread. */
enum status profile_add_span(struct profile *p, const struct model_span *span);
enum status profile_add_warning(struct profile *p, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum status profile_set_counter(struct profile *p, const char *name, uint64_t value);
enum status profile_set_counter_bytes(struct profile *p, const char *name, size_t len,
                                      uint64_t value);
enum status profile_add_call_row(struct profile *p, const struct call_row *row, uint32_t *index);
enum status profile_add_call_edge(struct profile *p, const struct call_edge *edge);
enum status profile_add_line(struct profile *p, const struct line_row *row);
enum status profile_add_source(struct profile *p, uint32_t file, uint32_t text);
enum status profile_add_benchmark(struct profile *p, const struct model_benchmark *b,
                                  const double *data_s, size_t data_len);
enum status profile_set_text(struct profile *p, uint32_t *field, const char *data, size_t len);

/* A notice's words need not be in the tables. Over PROFILE_MAX_NOTICES it is only counted. */
enum status profile_add_notice(struct profile *p, uint32_t severity, const char *code,
                               size_t code_len, const char *text, size_t text_len,
                               uint64_t time_ns);

/* NULL when there is no counter of this name. */
struct model_counter *profile_find_counter(const struct profile *p, const char *name, size_t len);

/* Puts samples and points in order of time where a reader met them out of order, merges constant
 * columns, drops spare memory. Readers call it last. */
enum status profile_finish(struct profile *p);

/* Bytes held, for the cache's limit. */
size_t profile_size(const struct profile *p);
