#pragma once
/* Numbers by line: of one function, or of all functions of a file. From samples (self, total) and
 * from line hits (hits, time, memory), side by side where a profile has both. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "common/base/buf.h"
#include "common/base/status.h"

/* A line, or a part of one: bytes of UTF-8 from `column` to before `end_column` of `end_line`,
 * all counted from 1. A part has no hits. */
struct lines_row {
    uint32_t line, column, end_line, end_column;
    double self, total;
    bool has_hits;
    uint64_t hits;
    double time_s, memory_bytes, increment_bytes; /* NaN = not known */
};

struct lines {
    struct query_value value;
    bool has_samples;
    struct lines_row *rows; /* by line number */
    size_t len;
    struct lines_row *ranges; /* by place, the longer first; what was recorded with --columns */
    size_t ranges_len;
};

/* `file` NULL: the lines of `function`; else of every function of that file. */
enum status lines_build(struct lines *out, const struct profile *p,
                        const struct query_filter *filter, uint32_t function, const char *file,
                        struct error *err);
void lines_free(struct lines *l);
enum status lines_write_json(const struct lines *l, uint64_t revision, struct buf *out);

/* The text of the function's (or this) file when the profile holds it: STATUS_NOT_FOUND else. */
enum status source_write_json(const struct profile *p, uint32_t function, const char *file,
                              struct buf *out, struct error *err);
