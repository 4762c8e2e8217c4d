#pragma once
/* The call graph of any profile: its own, or the one its stacks add up to. */

#include "backend/model/profile.h"

/* From the first sample set's first value. A function counts once in a stack for its total
 * (primitive calls), every time for its calls; `scale` times a value is in `unit`. */
struct graph {
    struct call_graph graph; /* graph.unit is the profile's string, or 0 */
    const char *unit;        /* "s", "bytes", "count", ... */
    double frameless;        /* of samples that name no function: in no row */
    bool is_from_stacks;
    bool is_owned;
};

enum status graph_of(const struct profile *p, struct graph *out, struct error *err);
void graph_deinit(struct graph *g);
