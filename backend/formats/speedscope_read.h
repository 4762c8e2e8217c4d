#pragma once
/* Inside of the speedscope reader: speedscope.c reads what the profiles share and where their data
 * is, speedscope_samples.c the data of each. */

#include "backend/formats/builder.h"
#include "backend/formats/json_in.h"

/* One of the file's profiles before its data is read. */
struct speedscope_part {
    uint32_t name_id, unit_id;
    bool is_evented;
    struct json_number start;
    const uint8_t *samples, *weights, *events; /* marks */
};

/* A sample set: profiles of one unit and one metric. */
struct speedscope_group {
    uint32_t unit_id, metric_id;
    char unit[48];
    uint32_t set;
};

struct speedscope_reader {
    struct json_in json;
    struct builder build;
    uint32_t *frames;
    struct speedscope_part *parts;
    struct speedscope_group *groups;
    size_t frames_len, frames_cap, parts_len, parts_cap, groups_len, groups_cap;
    bool has_frames, has_profiles;
    /* the stack under construction: frame and stack row at each depth */
    uint32_t *path_frame, *path_stack;
    size_t path_len, path_cap, path_stack_cap;
    uint32_t *stacks; /* of the samples of the part being read */
    size_t stacks_len, stacks_cap;
    int64_t base_ns; /* the earliest start of all: the session's zero */
};

struct speedscope_target {
    uint32_t set, thread;
    struct amount_unit unit;
    int64_t start; /* in the unit */
};

/* False, and a failure, when there was no memory. */
bool speedscope_reserve(struct speedscope_reader *r, bool has_room);

int64_t speedscope_scaled(struct speedscope_reader *r, const struct amount_unit *unit,
                          struct json_number n);

void speedscope_read_sampled(struct speedscope_reader *r, const struct speedscope_part *part,
                             const struct speedscope_target *to);
void speedscope_read_evented(struct speedscope_reader *r, const struct speedscope_part *part,
                             const struct speedscope_target *to);
