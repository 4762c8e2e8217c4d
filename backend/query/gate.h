#pragma once
/* A gate for CI: `total(login) > +10% and peak < 200MB`. The grammar is in docs/compare.md:
 *
 *   expression = term { ("and" | "or") term }            "and" binds closer
 *   term       = metric [ "(" name ")" ] op ["+"] number [unit]
 *   metric     = self | total | calls | peak | allocated | mean | duration
 *   op         = ">" | ">=" | "<" | "<="
 *   unit       = "%" | us | ms | s | B | KB | MB | KiB | MiB
 *
 * A "+" means the growth over the base. A name may hold * and ?, and parentheses in pairs. */

#include <stdbool.h>
#include <stddef.h>

#include "backend/query/diff.h"
#include "common/base/buf.h"
#include "common/base/status.h"

enum { GATE_MAX_TERMS = 16, GATE_MAX_NAME = 255, GATE_MAX_TEXT = 4096 };

enum gate_metric {
    GATE_SELF,
    GATE_TOTAL,
    GATE_CALLS,
    GATE_PEAK,
    GATE_ALLOCATED,
    GATE_MEAN,
    GATE_DURATION,
};
enum gate_op { GATE_MORE, GATE_MORE_EQUAL, GATE_LESS, GATE_LESS_EQUAL };
enum gate_unit { GATE_PLAIN, GATE_PERCENT, GATE_SECONDS, GATE_BYTES };

struct gate_term {
    enum gate_metric metric;
    enum gate_op op;
    enum gate_unit unit;
    bool has_name, is_growth;
    bool begins_group; /* an "or" stands before it */
    double limit;      /* in seconds, bytes; of percent a fraction */
    char name[GATE_MAX_NAME + 1];
};

struct gate {
    struct gate_term terms[GATE_MAX_TERMS];
    size_t len;
};

/* STATUS_USAGE says what is wrong and at which character (from 1). */
enum status gate_parse(struct gate *out, const char *text, struct error *err);

/* Whether the gate holds; what held goes into `reasons`, a line each. On samples, growth that may
 * be chance is none. STATUS_INVALID when a term asks for what the profiles do not have: a
 * misspelt name must not pass as a good run. */
enum status gate_check(const struct gate *g, const struct diff *d, bool *holds, struct buf *reasons,
                       struct error *err);

/* `*` any run of characters, `?` one; in time of the product of the lengths. */
bool gate_glob(const char *pattern, const char *text, size_t len);
