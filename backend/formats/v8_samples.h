#pragma once
/* V8's CPU samples: node ids beside the microseconds between them. */

#include <stdint.h>

#include "backend/formats/builder.h"
#include "backend/formats/json_in.h"
#include "backend/formats/v8_nodes.h"

struct v8_samples {
    uint64_t *nodes;
    int64_t *deltas_us;
    size_t nodes_len, nodes_cap, deltas_len, deltas_cap;
};

void v8_samples_deinit(struct v8_samples *s);

/* The next value: an array of node ids, or of deltas; appended. */
void v8_samples_read_nodes(struct v8_samples *s, struct json_in *j);
void v8_samples_read_deltas(struct v8_samples *s, struct json_in *j);
void v8_samples_read_timestamps(struct v8_samples *s, struct json_in *j, int64_t start_us);

/* Adds them all; `start_us` counts from the session's zero. As DevTools does it, a sample's time
 * is the delta that follows it, so that the last one has none. */
void v8_samples_add(const struct v8_samples *s, struct v8_nodes *nodes, struct builder *b,
                    uint32_t set, uint32_t thread, int64_t start_us);
